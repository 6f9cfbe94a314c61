"""The answers of Aidge, and the meaning of its codes.

Source of a submit's answer and the codes: the vendor's page "Virtual Try-on Submit API Reference". Source of a status
read: its sample `VirtualTryOnProHttpExample.java` and excerpts of its page on results. They leave room, so answers
are searched rather than expected to have one shape.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Self

from pydantic import BaseModel, ValidationError

from fitting_room.providers.shared.failures import LATER, Told

_OPERATOR = "Ask the operator to store a valid key for Aidge, from the site whose host this deployment calls."
_ANOTHER = "Choose another provider, or report it to the operator of this service."
_CONTACT = (
    "write to Aidge by the contact in the navigation bar of docs.aidc-ai.com. Name the request: `provider_detail` begins with"
    " its id."
)
"""The page: "contact us via navigation bar or email us", with an address that its text hides."""
_PICTURE = "Send another image: the garment alone, laid flat and whole, sharp and well lit."
_GARMENTS = "/garments"
"""Which of two garments a complaint is about, the vendor does not say."""

UNNAMED = Told("provider_error", "Aidge refused the request.", _ANOTHER, retryable=False)
BROKEN = Told("provider_error", "Aidge failed on the job.", LATER)
LIMITED = Told(
    "rate_limited",
    "Aidge takes no more requests now.",
    f"{LATER} The operator can ask for a higher limit: {_CONTACT}",
)
INVALID = Told(
    "provider_error",
    "Aidge refused a part of the request as invalid.",
    "Check the name of a stock person; otherwise choose another provider, or report it to the operator of this service.",
    retryable=False,
)
KEY = Told("provider_auth", "Aidge does not accept the key or signature of this deployment.", _OPERATOR)
FILTERED = Told(
    "content_blocked",
    "The content filter of Aidge refused an image.",
    f"Send another image. If Aidge should not have refused this one, {_CONTACT}",
)
CODES = {
    "500": BROKEN,
    "501": LIMITED,
    "700": INVALID,
    # the link was signed moments before and holds a picture we have read: most likely their network, or ours
    "701": Told(
        "image_unreadable",
        "Aidge could not fetch the garment's image.",
        "Submit again. If it fails again, send another image.",
        retryable=True,
        pointer=_GARMENTS,
    ),
    "703": Told(
        "image_unreadable",
        "The resolution of the garment's image does not meet Aidge's requirements.",
        "Send another image of the garment, with sides of 150 to 3,000 px.",
        pointer=_GARMENTS,
    ),
    "707": Told(
        "image_unreadable",
        "Aidge does not see a complete flat lay in the garment's image.",
        _PICTURE,
        pointer=_GARMENTS,
    ),
    "801": BROKEN,  # unconfirmed, as is 1000
    "1000": FILTERED,
    # "please retry"; "please try other input. If an error persists,please contact us"
    "1001": Told(
        "provider_error",
        "The content check of Aidge failed.",
        f"Submit again, then send other images. If it still fails, {_CONTACT}",
    ),
    "1002": FILTERED,  # "please contact us"
}
OF_TASKS = frozenset({"701", "703", "707", "801", "1000", "1001", "1002"})
"""The codes that a task can end with. The others may as well be about the read that asks for its results."""
# what the gateway in front says: by its words, for its codes are not documented
EXHAUSTED = Told(
    "quota_exhausted",
    "The Aidge account has no calls left.",
    "Ask the operator to buy calls, or to set `trial` for the free quota. Until then choose another provider.",
)
CLOCK = Told(
    "provider_auth",
    "Aidge does not accept the time of the signature.",
    "Ask the operator to check the clock of this deployment, because signatures are dated.",
)
_GATEWAY = {"timestamp": CLOCK, "signature|app.?key": KEY, "call.?limit": LIMITED}


class Answer(BaseModel):
    """Of either call. `code` is the gateway's, `resCode` the service's; numbers and booleans may come as strings."""

    success: bool | str | None = None
    code: int | str | None = None
    resCode: int | str | None = None  # noqa: N815
    resMessage: str | None = None  # noqa: N815
    message: str | None = None
    requestId: str | None = None  # noqa: N815
    request_id: str | None = None
    data: Any = None

    @classmethod
    def of(cls, content: bytes) -> Self:
        """Read an answer; an unreadable one becomes an empty one."""
        try:
            return cls.model_validate_json(content)
        except ValidationError:
            return cls()

    @property
    def complaint(self) -> str | None:
        """The code of what went wrong, or `success: false`; None for an answer that is content."""
        for code, good in ((self.resCode, "200"), (self.code, "0")):
            if code is not None and str(code) != good:
                return str(code)
        return "success: false" if self.success is not None and str(self.success).lower() != "true" else None

    @property
    def told(self) -> Told:
        """The meaning of the complaint; `UNNAMED` where there is none."""
        words = f"{self.complaint} {self.resMessage} {self.message}".lower()
        if "calling resources have been exhausted" in words:
            return EXHAUSTED
        return CODES.get(self.complaint or "") or next(
            (told for hint, told in _GATEWAY.items() if re.search(hint, words)), UNNAMED
        )

    @property
    def words(self) -> str | None:
        """The vendor's own words.

        The request's id, which its support asks for, comes first: no long message pushes it out.
        """
        request, said = self.requestId or self.request_id, self.resMessage or self.message
        return ": ".join(filter(None, [f"request {request}" if request else None, said])) or None

    @property
    def task_id(self) -> str | None:
        """In `data`, or in its `result`, which is an object or the JSON of one."""
        return next((str(node["taskId"]) for node in nodes(self.data) if node.get("taskId")), None)

    @property
    def statuses(self) -> list[str]:
        """The task's own first, then those of its parts: submitted | running | finished | failed."""
        found = (node.get("taskStatus") for node in nodes(self.data))
        return [status for status in found if status and isinstance(status, str)]

    @property
    def addresses(self) -> list[str]:
        """Of the results, each once."""
        found = (image.get("imageUrl") for node in nodes(self.data) for image in nodes(node.get("imageList")))
        return list(dict.fromkeys(address for address in found if address and isinstance(address, str)))


def nodes(value: Any) -> Iterator[dict[str, Any]]:
    """Yield every object in a value, outer before inner, also in the JSON of a string."""
    if isinstance(value, str) and value.startswith(("{", "[")):
        try:
            value = json.loads(value)
        except ValueError:
            return
    if isinstance(value, dict):
        yield value
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from nodes(each)
