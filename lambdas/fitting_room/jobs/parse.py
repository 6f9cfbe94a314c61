"""A request body to a request, or to every fault in it, in the API's words."""

from __future__ import annotations

import re
from typing import Any

from pydantic import BaseModel, ValidationError

from fitting_room.jobs.errors import Fault, Refusal
from fitting_room.jobs.tasks import TASKS, AnyRequest, Task

# Parts of the published contract that this version does not serve yet, refused by name rather than as unknown fields.
NOT_YET = {
    "webhook": "poll GET /v1/jobs/{id} until its status is final",
}


def parse(body: Any) -> AnyRequest:
    """A request from decoded JSON. Raises `Refusal` with all faults at once, each with pointer and remedy."""
    faults: list[Fault] = []
    if isinstance(body, dict):
        body = dict(body)
        for name, remedy in NOT_YET.items():
            if name in body:
                del body[name]
                faults.append(
                    Fault.of(
                        "unsupported_option",
                        f"`{name}` is not served yet.",
                        f"Leave it out and {remedy}.",
                        pointer=f"/{name}",
                    )
                )
    try:
        task = Named.model_validate(body).task
        request = TASKS[task].model_validate(body)
    except ValidationError as error:
        faults += faults_of(error)
    if faults:
        raise Refusal(*faults)
    return request


class Named(BaseModel):
    """What is looked at first: which other fields are right depends on it."""

    task: Task


def faults_of(error: ValidationError, root: str = "") -> list[Fault]:
    """One fault per pydantic error, in the API's words. Input values are left out: they may be pictures or names."""
    return [
        Fault.of("invalid_input", _detail(item), _remedy(item), pointer=root + _pointer(item))
        for item in error.errors(include_url=False, include_input=False)
    ]


def _pointer(item: Any) -> str:
    loc, context = item["loc"], item.get("ctx", {})
    if item["type"] == "rule":
        if (pointer := str(context["pointer"])).startswith("/"):
            return pointer
        loc = (*loc, pointer)
    if item["type"].startswith("union_tag"):
        loc = (*loc, context["discriminator"].strip("'"))
    # a union puts the chosen tag into loc, a bad key the word [key]: they are no part of the document
    parts = [
        part
        for index, part in enumerate(loc)
        if part != "[key]" and not (index and loc[index - 1] == "mask" and part in _MASK_TAGS)
    ]
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)


_MASK_TAGS = ("garment", "prompt", "image")
_MESSAGES = {
    "missing": "This field is required.",
    "extra_forbidden": "This field does not exist.",
    "string_pattern_mismatch": "The text does not have the expected form.",
    "model_type": "This must be a JSON object.",
    "model_attributes_type": "This must be a JSON object.",
    "dict_type": "This must be a JSON object.",
    "list_type": "This must be a list.",
    "too_short": "At least {min_length} must be given.",
    "too_long": "At most {max_length} may be given.",
    "literal_error": "There is no such value.",
    "union_tag_invalid": "There is no such kind.",
    "union_tag_not_found": "This field is required.",
}


def _detail(item: Any) -> str:
    if message := _MESSAGES.get(item["type"]):
        return message.format(**item.get("ctx", {}))
    return re.sub(r"^Value error, ", "", item["msg"]).rstrip(".") + "."


def _remedy(item: Any) -> str:
    context = item.get("ctx", {})
    match item["type"]:
        case "missing":
            return "Add it."
        case "union_tag_not_found":
            return "Add it: it says of what kind the rest is."
        case "extra_forbidden":
            return "Remove it, or check its spelling against the API reference."
        case "string_pattern_mismatch":
            return f"It must match {context['pattern']}."
        case "literal_error":
            return f"Use one of: {context['expected']}."
        case "union_tag_invalid":
            return f"Use one of: {context['expected_tags']}."
        case "rule":
            return str(context["remedy"])
        case _:
            return "Change the value so that it fits the rule."
