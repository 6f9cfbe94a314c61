"""What FASHN and TryItOn have in common: the fields of a try-on, and how an error is told.

The vendors' APIs resemble each other. TryItOn's table of API errors is FASHN's as far as it is known.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, ValidationError

from fitting_room import clock
from fitting_room.actions.job_view import provider_of
from fitting_room.actions.requests.account import account
from fitting_room.clock import Clock
from fitting_room.dialects.http import Answer
from fitting_room.dialects.wording import Values, sentence, telling
from fitting_room.jobs.errors import Fault, Refusal
from fitting_room.jobs.fields import rule_error
from fitting_room.jobs.job import Job
from fitting_room.jobs.request import OWN_SEED
from fitting_room.jobs.wording import fault_of, nearest
from fitting_room.stores.api_keys import Caller

Asked = TypeVar("Asked", bound=BaseModel)
Format = Literal["png", "jpeg"]
Moderation = Literal["conservative", "permissive", "none"]
Mode = Literal["performance", "balanced", "quality"]
Count = Annotated[int, Field(ge=1, le=4)]
Seed = Annotated[int, Field(ge=0, le=2**32 - 1)]
DEFAULT_SEED = 42
QUALITIES = {"performance": "fast", "fast": "fast", "balanced": None, "quality": "best"}
MODERATIONS = {"conservative": "conservative", "permissive": None, "none": "none"}
PHOTOS = {"auto": None, "flat-lay": "flat_lay", "model": "model"}
"""The vendors' values in our words. None: the vendors' default, which is not asked for, so that others may do the job."""
MODES = {"fast": "performance", "standard": "balanced", "best": "quality"}
"""Our values of `output.quality` in the vendors' words."""

_MOST_FAULTS = 50
WEBHOOK = (
    "This vendor's webhooks are not sent from here.",
    "Read the status until the job is over. A signed webhook comes with `webhook` of POST /v1/jobs.",
)
"""Why a webhook is refused, and what to do instead."""

API_ERRORS = {
    "unauthorized": (401, "UnauthorizedAccess"),
    "forbidden": (401, "UnauthorizedAccess"),
    "not_found": (404, "NotFound"),
    "erased": (404, "NotFound"),
    "budget_exceeded": (429, "OutOfCredits"),
    "throttled": (429, "RateLimitExceeded"),
    "internal": (500, "InternalServerError"),
}
"""By code of a refusal. Every other one is a 400 `BadRequest`."""


def refused(refusal: Refusal, fields: Mapping[str, str], values: Values = MappingProxyType({})) -> Answer:
    """Answer `{"error": name, "message": text}`.

    `fields`, `values`: the vendor's names and values, by the JSON pointers of our request.
    """
    status, name = API_ERRORS.get(refusal.faults[0].code, (400, "BadRequest"))
    told = " ".join(dict.fromkeys(sentence(fault, fields, values) for fault in telling(refusal.faults)))
    if all(fault.provider for fault in refusal.faults):
        told = f"No provider of this deployment does this. {told}"
    headers = {} if refusal.retry_after is None else {"Retry-After": str(refusal.retry_after)}
    if name == "OutOfCredits":
        headers["x-should-retry"] = "false"  # else a client that Stainless made tries three times more
    return Answer(status, {"error": name, "message": told}, headers)


def ended(job: Job, name: str) -> dict[str, str]:
    """Return the error of a job that failed, in the vendor's shape."""
    assert job.error
    return {"name": name, "message": f"{job.error.detail} {job.error.remedy}"}


def served_by(job: Job) -> dict[str, str]:
    """Return the header that names who makes the images: it need not be the vendor whose words are spoken."""
    return {"X-Fitting-Room-Provider": provider_of(job)}


def images_left(caller: Caller, at: Clock) -> int:
    """Return the images that are left of the day, the vendors' credits: for a test key, its jobs."""
    budget = account(caller, at)["budget"]
    if "jobs" in budget:
        return int(budget["jobs"]["left"])
    return int(budget["images"]["left"]) if budget["usd"]["left"] else 0


# ------------------------------------------------------------------------------------------------------ requests
def parsed(model: type[Asked], given: Any, root: str = "") -> Asked:
    """Return the vendor's request in decoded JSON. A null is a field that is not sent. Raises `Refusal` with all faults."""
    sent = {name: value for name, value in given.items() if value is not None} if isinstance(given, dict) else given
    try:
        return model.model_validate(sent)
    except ValidationError as error:
        items = error.errors(include_url=False)[:_MOST_FAULTS]
        raise Refusal(*(_stranger(item, model, root) or fault_of(item, model, root) for item in items)) from None


def _stranger(item: Any, model: type[BaseModel], root: str) -> Fault | None:
    """Return the fault of a field that the vendor's request does not have."""
    if item["type"] != "extra_forbidden":
        return None
    name, known = str(item["loc"][-1])[:64], [name for name, field in model.model_fields.items() if not field.exclude]
    if "webhook" in name or "callback" in name:
        return Fault.of("unsupported_option", *WEBHOOK, pointer=f"{root}/{name}")
    near = nearest(name, known)
    remedy = f"Did you mean `{near}`? " if near else ""
    remedy += f"Leave it out. The fields here are: {', '.join(known)}."
    return Fault.of("invalid_input", "This field does not exist.", remedy, pointer=f"{root}/{name}")


def unoffered(detail: str, remedy: str, default: str | None = None) -> Any:
    """Return the validator of a field that no provider honours: it says why. The vendor's own default is as good as none."""

    def refuse(value: object) -> None:
        if value != default:
            raise rule_error("", detail, remedy)

    return BeforeValidator(refuse)


def _not_saved(text: str) -> str:
    if text.startswith("saved:"):
        raise rule_error("", "No models are saved here.", "Send a link, or the image as a data URL.")
    return text


Picture = Annotated[
    str,
    AfterValidator(_not_saved),
    Field(description="a link, or data:image/png;base64, and then the base64 of an image"),
]


def reference(picture: str) -> dict[str, str]:
    """Return an image as our requests name it. An upload's id is taken, too, because a body here has 5 MB at most."""
    if picture.lower().startswith(("http://", "https://")):
        return {"url": picture}
    return {"upload": picture} if clock.is_id(picture, "upl") else {"data": picture}


def try_on(model_image: str, garment_image: str, **more: Any) -> dict[str, Any]:
    """Return a try-on in our words. What is None is left out."""
    garment = {
        "image": reference(garment_image),
        "category": more.pop("category", None),
        "photo": more.pop("photo", None),
    }
    return {"task": "try_on", "person": reference(model_image), "garments": [_given(garment)], **_given(more)}


def output(count: int, file_format: Format, *, mode: str = "balanced", seed: int = DEFAULT_SEED) -> dict[str, Any]:
    """Return what is asked of the results. Their format is always said, because clients name files by it.

    The vendors' default seed is not asked for: their own models use it anyway, and others may have none.
    """
    asked = {"count": count, "format": file_format, "quality": QUALITIES[mode]}
    return {**_given(asked), "seed": OWN_SEED if seed == DEFAULT_SEED else seed}


def inverted(words: Mapping[str, str | None]) -> dict[str, str]:
    """Return a table of the vendors' values by ours; None is `auto`."""
    return {ours or "auto": theirs for theirs, ours in words.items()}


def _given(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}
