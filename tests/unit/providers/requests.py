"""Requests of every task for provider tests, each with all of its fields, and what planning one for a provider answers."""

from __future__ import annotations

from typing import Any

from fitting_room.actions.requests.plan import Deployment, Plan, plan
from fitting_room.jobs.errors import Fault, Refusal
from fitting_room.jobs.job import Subject
from fitting_room.jobs.parse import parse
from fitting_room.providers import catalogue
from fitting_room.stores.api_keys import Caller

IMAGE = {"url": "https://shop.example/picture.png"}
SUBJECT = "sub_01J00000000000000000000001"
GARMENT_MASK: dict[str, Any] = {"type": "garment"}
PROMPT_MASK: dict[str, Any] = {"type": "prompt", "prompt": "the sofa"}
IMAGE_MASK: dict[str, Any] = {"type": "image", "image": IMAGE}
WORDS = {"prompt": "a lake at dawn", "negative_prompt": "boats"}
SIZE = {"width": 1024, "height": 512}
EVERY_OUTPUT = {
    "count": 5,
    "format": "png",
    "quality": "best",
    "size": "provider",
    "seed": 7,
    "guidance": 5,
    "mask": True,
}

LEAST: dict[str, dict[str, Any]] = {
    "try_on": {"person": IMAGE, "garments": [{"image": IMAGE, "category": "tops"}]},
    "text_to_image": {"prompt": "a lake at dawn"},
    "color_guided": {"prompt": "a lake at dawn", "colors": ["#102030"]},
    "image_variation": {"images": [IMAGE]},
    "inpaint": {"image": IMAGE, "mask": PROMPT_MASK},
    "outpaint": {"image": IMAGE, "mask": PROMPT_MASK, "prompt": "a beach"},
    "remove_background": {"image": IMAGE},
    "train_subject": {"kind": "garment", "class_name": "dress", "pictures": [IMAGE]},
}


def asking(task: str, **fields: Any) -> dict[str, Any]:
    """The least request of a task, and what the test adds. `garment` adds to the garment of a try-on."""
    body = {"task": task, **LEAST[task]}
    if garment := fields.pop("garment", None):
        body["garments"] = [{"image": IMAGE, **garment}]
    if "scene" in fields:
        del body["person"]
    return {**body, **fields}


def planned(provider: str, body: dict[str, Any], made_for: str = "") -> Plan:
    """The plan of a request. Raises `Refusal`, as submitting would.

    Everything is configured, and retired models may be called. `made_for`: the model that the subjects of
    the request were made for.
    """
    entries = catalogue.entries()
    names = frozenset(entry.id for entry in entries)
    deployment = Deployment(
        entries,
        configured=names,
        regions=names,
        private_access=names,
        unmoderated=names,
        legacy_models=frozenset(f"{entry.id}/{model.id}" for entry in entries for model in entry.models),
    )
    request = parse({"provider": provider, **body})
    subjects = {
        pointer: Subject(id=name, kind="person", class_name="woman", made_for=made_for, made_id="1")
        for pointer, name in request.subjects()
        if made_for
    }
    return plan(request, Caller("acme", "live", None), deployment, subjects=subjects)


def refused(provider: str, body: dict[str, Any], made_for: str = "") -> list[Fault]:
    try:
        planned(provider, body, made_for)
    except Refusal as refusal:
        return list(refusal.faults)
    return []


def found(provider: str, body: dict[str, Any], made_for: str = "") -> list[tuple[str, str | None]]:
    return [(fault.code, fault.pointer) for fault in refused(provider, body, made_for)]
