"""What Aidge answers, in bodies of HTTP 200: results, its error codes, and the errors of the gateway before it.

Sources: the vendor's pages "Virtual Try-on Submit API Reference" and "Virtual Try-On Query API Reference". Of a refusal the
pages give code and message only; that it comes in the envelope of a success, without data, is our reading.
"""

from __future__ import annotations

from collections.abc import Mapping
from secrets import token_hex
from typing import Any, Literal

CODES: Mapping[str, str] = {
    "500": "system error",
    "501": "rate limit exceed",
    "700": "invalid input",
    "701": "Clothing image dowloading failed, please try another input",
    "703": "Input clothes image resoulution low, please try other image",
    "707": "Input clothing image is not a complete flat lay. Please try another image.",
    "801": "model failed",
    "1000": "content has sensitive data, please try other input",
    "1001": "content control failed, please retry",
    "1002": "content risk filter failed, please contact us",
}
"""801 and 1000 are on the query's page only."""
GATEWAY: Mapping[str, str] = {
    "IncompleteSignature": "The request signature does not conform to platform standards",
    "ResourcesExhausted": "Sorry, your calling resources have been exhausted",
}
"""The envelope and the first entry are the open platform's; of the second the text is the vendor's, the code is ours."""

Shape = Literal["string", "object", "flat"]


class RefusedError(Exception):
    """name: of CODES or GATEWAY."""

    def __init__(self, name: str, message: str | None = None) -> None:
        super().__init__(message)
        self.answer = refused(name, message)


def succeeded(data: Mapping[str, Any]) -> dict[str, Any]:
    return _envelope("200", "success", success=True) | {"data": data}


def refused(name: str, message: str | None = None) -> dict[str, Any]:
    if name in GATEWAY:
        return {"code": name, "type": "ISV", "message": message or GATEWAY[name], "request_id": token_hex(12)}
    return _envelope(name, message or CODES[name], success=False)


def submitted(task: str, shape: Shape) -> dict[str, Any]:
    """Answer a submit in one of three shapes.

    string: the page's sample. object: what the vendor's samples read. flat: as its sibling APIs have it.
    """
    told = f'{{"taskId":"{task}"}}'
    data: dict[Shape, Any] = {
        "string": {"result": told},
        "object": {"result": {"taskId": task}},
        "flat": {"taskId": task},
    }
    answer = succeeded(data[shape])
    return answer if shape == "string" else answer | {"resCode": 200, "success": True}


def queried(task: str, status: str, urls: list[str], clothes: str) -> dict[str, Any]:
    """Answer a read of the results.

    status: submitted, running or finished; clothes: the URL of the garment, which the vendor tells again.
    """
    result = {"taskResult": {"result": {"imageList": [{"imageUrl": url} for url in urls], "clothes": clothes}}}
    return succeeded(_task(task, status, result if status == "finished" else {}))


def failed(task: str, name: str, message: str | None) -> dict[str, Any]:
    """Answer a failure.

    name: of CODES, or `failed` for a failure that only the status tells. No page says which of the two is the
    vendor's.
    """
    data = {"data": _task(task, "failed", {})}
    return succeeded({}) | data if name == "failed" else refused(name, message) | data


def _task(task: str, status: str, result: Mapping[str, Any]) -> dict[str, Any]:
    """Describe the task, with one subtask for the one suit."""
    return {"taskResult": [{"taskStatus": status, **result}], "taskStatus": status, "taskId": task}


def _envelope(code: str, message: str, *, success: bool) -> dict[str, Any]:
    """Write numbers and truth values as strings, as in the page's sample; its table has them bare."""
    return {
        "code": "0", "resCode": code, "success": str(success).lower(), "resMessage": message,
        "requestId": token_hex(15), "request_id": token_hex(12),
    }  # fmt: skip
