"""The errors of Amazon Bedrock: names and statuses as boto3 knows them, messages as they have been seen.

Sources: API_runtime_InvokeModel.html, API_GetFoundationModel.html and model-lifecycle.html.
"""

from __future__ import annotations

from secrets import token_hex
from typing import Any

from starlette.responses import JSONResponse, Response

ERRORS = {
    "AccessDeniedException": 403,
    "InternalServerException": 500,
    "ModelErrorException": 424,
    "ModelNotReadyException": 429,
    "ModelTimeoutException": 408,
    "ResourceNotFoundException": 404,
    "ServiceQuotaExceededException": 400,
    "ServiceUnavailableException": 503,
    "ThrottlingException": 429,
    "ValidationException": 400,
}
LOOKUP_ERRORS = (
    "AccessDeniedException",
    "InternalServerException",
    "ResourceNotFoundException",
    "ThrottlingException",
    "ValidationException",
)
BY_STATUS = {status: name for name, status in ERRORS.items()} | {429: "ThrottlingException", 400: "ValidationException"}

INVALID_MODEL = ("ValidationException", "The provided model identifier is invalid.")
LEGACY_UNUSED = (
    "ResourceNotFoundException",
    "Access denied. This Model is marked by provider as Legacy and you have not been actively using the model in "
    "the last 30 days. Please upgrade to an active model on Amazon Bedrock",
)
END_OF_LIFE = (
    "ResourceNotFoundException",
    "This model version has reached the end of its life. Please refer to the AWS documentation for more details.",
)
NO_ACCESS = ("AccessDeniedException", "You don't have access to the model with the specified model ID.")


def refusal(name: str, message: str, resource: str = "") -> Response:
    body: dict[str, Any] = {"message": message}
    if name == "ModelErrorException":
        body |= {"originalStatusCode": 500, "resourceName": resource or "model"}
    headers = {"x-amzn-errortype": name, "x-amzn-requestid": token_hex(16)}
    return JSONResponse(body, ERRORS.get(name, 403), headers=headers)
