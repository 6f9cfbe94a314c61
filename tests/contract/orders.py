"""Orders as the start function would hand them to an adapter, and what an adapter sends for them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fitting_room.jobs.parse import parse
from fitting_room.providers import catalogue
from fitting_room.providers.base import Connection, Input, Order

GOLDEN = Path(__file__).parent / "golden"
IMAGE = {"url": "https://shop.example/picture.png"}
PICTURES = {"person": b"PERSON", "garment": b"GARMENT", "mask": b"MASK", "image": b"IMAGE", "condition": b"CONDITION",
            "reference": b"REFERENCE", **{f"image-{n}": b"IMAGE-%d" % n for n in range(5)}}


def try_on(**fields: Any) -> dict[str, Any]:
    """The body of `POST /v1/jobs`: a person, one garment, and what the test adds."""
    garment = {"image": IMAGE, **fields.pop("garment", {"category": "tops"})}
    return {"task": "try_on", "person": IMAGE, "garments": [garment], **fields}


def order(provider: str, body: dict[str, Any], *, pictures: dict[str, bytes] = PICTURES, media_type: Any = "image/png",
          size: tuple[int, int] = (640, 960), seed: int | None = None) -> Order:
    request, entry = parse(body), catalogue.entry(provider)
    model = entry.model(request)
    assert model and entry.options_model, "every provider here has a model for the task, and options of its own"

    def picture(role: str) -> Input:
        kind = role.partition("-")[0]
        return Input(media_type, *size, read=lambda: pictures[role if role in pictures else kind])

    return Order(job_id="job_1", attempt=1, request=request, model=model.id, seed=seed,
                 inputs={role: picture(role) for role, _, _ in request.images()},
                 options=entry.options_model.model_validate(request.provider_options.get(provider, {})))


def connection(endpoint: str | None = None, secret: str | None = None,
               download: Callable[[str], bytes] | None = None) -> Connection:
    def refuse(url: str) -> bytes:
        raise AssertionError(f"nothing should be downloaded, but {url} was")

    return Connection(endpoint=endpoint, region="us-east-1", secret=secret, download=download or refuse)


def golden(provider: str) -> dict[str, Any]:
    return {path.stem: json.loads(path.read_text()) for path in sorted((GOLDEN / provider).glob("*.json"))}
