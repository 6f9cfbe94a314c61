"""The code that all models on Amazon Bedrock share: one synchronous InvokeModel call, and the meaning of its errors.

Source: API reference of InvokeModel, section Errors.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    CredentialRetrievalError,
    EndpointConnectionError,
    NoAuthTokenError,
    NoCredentialsError,
    PartialCredentialsError,
    ProxyConnectionError,
)

from fitting_room.jobs.outcome import Charged, Failed
from fitting_room.providers.adapter import Connection
from fitting_room.providers.shared.failures import LATER, PAUSE_SECONDS, Failures

if TYPE_CHECKING:
    from mypy_boto3_bedrock_runtime import BedrockRuntimeClient

LOOK_AT_THE_BILL = (
    "The call may have been billed: look at the usage of the model in the AWS bill or in CloudWatch before "
    "you submit again."
)
_NOT_OURS = "Another provider may take the request as it is."
_SUBSCRIBE = (
    "An administrator of the AWS account must subscribe to the model once: open it in the model catalog of the "
    "Bedrock console, or call it with a role that may do aws-marketplace:Subscribe. Then wait a few minutes."
)
_ASK_SUPPORT = (
    "Ask the operator to have AWS Support enable Amazon Bedrock for the account. Until then choose another provider."
)
_MAY_MEAN_RETIRED = ("ResourceNotFoundException", "ValidationException", "AccessDeniedException")
_RETIRED = ("end of its life", "marked by provider as legacy", "model identifier is invalid")
_ABOUT_AN_IMAGE = re.compile(r"(?<![\w-])images?(?![\w-])")
_NO_IMAGE = re.compile(r"#/\S*|\S+-v\d+:\d+\S*|number of images")
"""Words of a refusal that are not about an image though they may hold the word: a path into the request, a model's id, a
count."""

# Exception class -> code, charged, detail, remedy. A 408, 424 or 500 comes after the model was started, so it may be
# billed; a 429 or 503 is said before.
_BY_CLASS: dict[str, tuple[str, Charged, str, str]] = {
    "AccessDeniedException": (
        "provider_auth",
        "no",
        "AWS does not let this deployment call {title}.",
        "Check the model access of the account and the role of the start_bedrock function.",
    ),
    "ResourceNotFoundException": (
        "model_retired",
        "no",
        "Bedrock does not serve this model of {title} in this Region.",
        "Check the Region in `bedrock_regions`, or choose another provider.",
    ),
    "ThrottlingException": ("rate_limited", "no", "The account's request quota for {title} is used up.", LATER),
    "ModelNotReadyException": ("provider_unavailable", "no", "{title} is not ready to answer.", LATER),
    "ServiceQuotaExceededException": (
        "quota_exhausted",
        "no",
        "A service quota of the AWS account is used up.",
        "Ask for more in the Service Quotas console, or choose another provider.",
    ),
    "ServiceUnavailableException": ("provider_unavailable", "no", "Bedrock is not available now.", LATER),
    "ModelTimeoutException": ("timed_out", "unknown", "{title} took too long.", LOOK_AT_THE_BILL),
    "ModelErrorException": ("provider_error", "unknown", "{title} failed on the request.", LOOK_AT_THE_BILL),
    "InternalServerException": ("provider_error", "unknown", "Bedrock had an internal error.", LOOK_AT_THE_BILL),
}


class Bedrock:
    """The line to one provider's models. `title` names the provider in what a client reads of a failure.

    A fresh client each time, so that no stale pooled connection makes the outcome of a purchase uncertain. One
    attempt only: InvokeModel has no idempotency token.
    """

    def __init__(self, connection: Connection, provider: str, title: str) -> None:
        self.title = title
        self._failures = Failures(provider)
        config = Config(connect_timeout=10, read_timeout=600, retries={"total_max_attempts": 1})
        self.client: BedrockRuntimeClient = boto3.client(
            "bedrock-runtime", region_name=connection.region, endpoint_url=connection.endpoint, config=config
        )

    def invoke(self, model: str, body: bytes) -> bytes | Failed:
        """Return the body of an answer with status 200, or the failure."""
        try:
            return self.client.invoke_model(
                modelId=model, body=body, contentType="application/json", accept="application/json"
            )["body"].read()
        except ClientError as error:
            return self._refusal(error)
        except (NoCredentialsError, PartialCredentialsError, CredentialRetrievalError, NoAuthTokenError):
            return self.failed(
                "provider_auth",
                "no",
                "The function has no AWS credentials.",
                "Check the role of the start_bedrock function.",
            )
        except (EndpointConnectionError, ConnectTimeoutError, ProxyConnectionError):
            return self.failed("provider_unavailable", "no", "Bedrock cannot be reached; nothing was sent.", LATER)
        except BotoCoreError as error:
            return self.failed(
                "provider_unavailable",
                "unknown",
                "The connection to Bedrock was lost after the request.",
                LOOK_AT_THE_BILL,
                provider_code=type(error).__name__,
            )

    def failed(self, code: str, charged: Charged, detail: str, remedy: str, **facts: Any) -> Failed:
        wait = PAUSE_SECONDS if code == "rate_limited" else None
        return self._failures(code, charged, detail.format(title=self.title), remedy, retry_after=wait, **facts)

    def _refusal(self, error: ClientError) -> Failed:
        """Return the failure that an error answer stands for.

        The exception class decides. Its words count only where the class says too little, its status for undocumented
        classes.
        """
        name, message = error.response["Error"].get("Code", ""), error.response["Error"].get("Message", "")
        status = error.response["ResponseMetadata"].get("HTTPStatusCode", 0)
        words: dict[str, Any] = {"provider_code": name, "provider_detail": message}
        if name in _MAY_MEAN_RETIRED and any(text in message.lower() for text in _RETIRED):
            return self.failed(
                "model_retired",
                "no",
                "AWS no longer serves this model of {title} to this account and Region.",
                _BY_CLASS["ResourceNotFoundException"][3],
                **words,
            )
        if name == "AccessDeniedException" and "marketplace" in message.lower():
            return self.failed(
                "provider_auth", "no", "The AWS account has no subscription to {title}.", _SUBSCRIBE, **words
            )
        if name == "ValidationException":
            return self._invalid(message, words)
        if known := _BY_CLASS.get(name):
            return self.failed(*known, **words)
        if status in (401, 403):
            return self.failed(*_BY_CLASS["AccessDeniedException"], **words)
        if status == 429:
            return self.failed(*_BY_CLASS["ThrottlingException"], **words)
        if 400 <= status < 500:
            return self.failed(
                "provider_error", "no", "Bedrock refused the request.", _NOT_OURS, retryable=False, **words
            )
        return self.failed(*_BY_CLASS["InternalServerException"], **words)

    def _invalid(self, message: str, words: dict[str, Any]) -> Failed:
        if "content filters" in message:
            return self.failed(
                "content_blocked",
                "no",
                "The content filter of {title} refused an input.",
                "Change the images or the prompt; the same request will be refused again.",
                **words,
            )
        said = message.lower()
        if "operation not allowed" in said:
            return self.failed(
                "provider_auth", "no", "AWS does not let this account call {title}.", _ASK_SUPPORT, **words
            )
        if "auto-generate mask" in said and "mask prompt" in said:
            return self.failed(
                "provider_error",
                "no",
                "The mask prompt found nothing on the image.",
                "Describe what is on the image in other words, or send a mask image.",
                retryable=False,
                pointer="/mask/prompt",
                **words,
            )
        malformed = "malformed input request" in said  # what we built, not what the client sent
        if not malformed and _ABOUT_AN_IMAGE.search(_NO_IMAGE.sub("", said)):
            return self.failed(
                "image_unreadable",
                "no",
                "{title} cannot use one of the images.",
                "Send another image; `provider_detail` says what is wrong with this one.",
                **words,
            )
        return self.failed(
            "provider_error", "no", "{title} refused the request as invalid.", _NOT_OURS, retryable=False, **words
        )
