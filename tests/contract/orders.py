"""Orders as the start function would hand them to an adapter, and what an adapter sends for them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fitting_room.jobs.request import parse
from fitting_room.providers import catalogue
from fitting_room.providers.base import Connection, Input, Order

GOLDEN = Path(__file__).parent / "golden"
IMAGE = {"url": "https://shop.example/picture.png"}
PICTURES = {"person": b"PERSON", "garment": b"GARMENT", "mask": b"MASK"}


def try_on(**fields: Any) -> dict[str, Any]:
    """The body of `POST /v1/jobs`: a person, one garment, and what the test adds."""
    garment = {"image": IMAGE, **fields.pop("garment", {"category": "tops"})}
    return {"task": "try_on", "person": IMAGE, "garments": [garment], **fields}


def order(provider: str, body: dict[str, Any], *, pictures: dict[str, bytes] = PICTURES, media_type: Any = "image/png",
          size: tuple[int, int] = (640, 960), seed: int | None = None) -> Order:
    request = parse(body)
    model = catalogue.entry(provider).options_model
    assert model, "every provider here has a model of its own options"

    def picture(role: str) -> Input:
        return Input(media_type, *size, read=lambda: pictures[role])

    return Order(job_id="job_1", attempt=1, request=request, person=picture("person"),
                 garments=[picture("garment") for _ in request.garments],
                 mask=picture("mask") if request.mask and request.mask.type == "image" else None, seed=seed,
                 options=model.model_validate(request.provider_options.get(provider, {})))


def connection(endpoint: str | None = None, secret: str | None = None,
               download: Callable[[str], bytes] | None = None) -> Connection:
    def refuse(url: str) -> bytes:
        raise AssertionError(f"nothing should be downloaded, but {url} was")

    return Connection(endpoint=endpoint, region="us-east-1", secret=secret, download=download or refuse)


def golden(provider: str) -> dict[str, Any]:
    return {path.stem: json.loads(path.read_text()) for path in sorted((GOLDEN / provider).glob("*.json"))}
