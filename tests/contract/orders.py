"""Orders as the start function would hand them to an adapter, and what an adapter sends for them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fitting_room.jobs.job import Subject
from fitting_room.jobs.parse import parse
from fitting_room.providers import catalogue
from fitting_room.providers.adapter import Connection, Input, Order

GOLDEN = Path(__file__).parent / "golden"
IMAGE = {"url": "https://shop.example/picture.png"}
PICTURES = {
    "person": b"PERSON",
    "garment": b"GARMENT",
    "photo": b"PHOTO",
    "picture": b"PICTURE",
    "mask": b"MASK",
    "input": b"INPUT",
    "image": b"IMAGE",
    "condition": b"CONDITION",
    "reference": b"REFERENCE",
    **{f"image-{n}": b"IMAGE-%d" % n for n in range(5)},
}


def try_on(**fields: Any) -> dict[str, Any]:
    """The body of `POST /v1/jobs`: a person, one garment, and what the test adds."""
    garment = {"image": IMAGE, **fields.pop("garment", {"category": "tops"})}
    return {"task": "try_on", "person": IMAGE, "garments": [garment], **fields}


def order(
    provider: str,
    body: dict[str, Any],
    *,
    pictures: dict[str, bytes] = PICTURES,
    media_type: Any = "image/png",
    size: tuple[int, int] = (640, 960),
    seed: int | None = None,
    references: dict[str, str] | None = None,
    subjects: Sequence[Subject] = (),
    callback: str | None = None,
) -> Order:
    """`link` of the input `garment-0` is `https://media.example/garment-0?signed`."""
    request, entry = parse(body), catalogue.entry(provider)
    model = entry.model(request, frozenset(subject.made_for for subject in subjects))
    assert model and entry.options_model, "every provider here has a model for the task, and options of its own"

    def picture(role: str) -> Input:
        kind = role.partition("-")[0]
        return Input(
            media_type,
            *size,
            read=lambda: pictures[role if role in pictures else kind],
            link=lambda: f"https://media.example/{role}?signed",
        )

    return Order(
        job_id="job_1",
        attempt=1,
        request=request,
        model=model.id,
        seed=seed,
        inputs={role: picture(role) for role, _, _ in request.images()},
        references=references or {},
        subjects={subject.id: subject for subject in subjects},
        callback=callback,
        options=entry.options_model.model_validate(request.provider_options.get(provider, {})),
    )


def connection(endpoint: str | None = None, secret: str | None = None, settings: Any = None) -> Connection:
    return Connection(endpoint=endpoint, region="us-east-1", secret=secret, settings=settings)


def golden(provider: str) -> dict[str, Any]:
    return {path.stem: json.loads(path.read_text()) for path in sorted((GOLDEN / provider).glob("*.json"))}
