"""What a caller writes, and what the API reads: names of images, and the request of a try-on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

from fitting_room_client.errors import BadInput
from fitting_room_client.models import Fault

ImageLike = str | bytes | PathLike[str] | Mapping[str, Any]
"""A file, its bytes, a text that names an image (see `WAYS`), or what the API reads, such as `{"upload": "upl_..."}`."""
WAYS = {"upl_": "upload", "sub_": "subject", "https://": "url", "http://": "url", "data:": "data", "s3://": "s3"}
"""How a text names an image, by its beginning."""


def try_on(
    person: ImageLike, garment: ImageLike | Sequence[ImageLike], *, category: str | None = None, **fields: Any
) -> dict[str, Any]:
    """Return the request of a try-on. Files are still in it as paths and bytes; `fields` are those of docs/api.md."""
    garments = garment if isinstance(garment, Sequence) and not isinstance(garment, str | bytes) else [garment]
    shared = {"category": category} if category else {}
    return {
        "task": "try_on",
        "person": named(person, "/person"),
        "garments": [shared | _garment(each, f"/garments/{n}") for n, each in enumerate(garments)],
        **fields,
    }


def _garment(garment: Any, pointer: str) -> dict[str, Any]:
    if isinstance(garment, Mapping) and "image" in garment:
        return {**garment, "image": named(garment["image"], f"{pointer}/image")}
    found = named(garment, f"{pointer}/image")
    return dict(found) if isinstance(found, Mapping) and "subject" in found else {"image": found}


def way_of(text: str) -> str | None:
    """Return how a text names an image; None for one that names none, or a file."""
    return next((way for beginning, way in WAYS.items() if text.lower().startswith(beginning)), None)


def named(image: Any, pointer: str) -> Any:
    """Return how the API names an image. Raises `BadInput` for a text that names none.

    A text is never read as a file's name: it may come from a shopper, who could then name any file of the server.
    """
    if not isinstance(image, str):
        return image
    if way := way_of(image):
        return {way: image}
    raise bad(
        pointer,
        f"{image[:60]!r} names no image.",
        "Send a pathlib.Path, the file's bytes, an https link, or the id of an upload.",
    )


def bytes_of(file: str | PathLike[str], pointer: str | None) -> bytes:
    """Return what a file holds. Raises `BadInput` for one that cannot be read."""
    try:
        return Path(file).read_bytes()
    except OSError as error:
        detail = f"The file {file} cannot be read: {error.strerror or error}."
        raise bad(pointer, detail, "Name a file that is there and that this program may read.") from error


def content_type(image: bytes, pointer: str) -> str:
    """Return what the bytes are, whatever the file is called. Raises `BadInput` for what the API does not take."""
    if image.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if image.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if image[:4] == b"RIFF" and image[8:12] == b"WEBP":
        return "image/webp"
    if image[4:8] == b"ftyp":
        return "image/avif" if image[8:12] in (b"avif", b"avis") else "image/heic"
    raise bad(pointer, "The file is no image that the API takes.", "Send a JPEG, PNG, WebP, AVIF or HEIC.")


def bad(pointer: str | None, detail: str, remedy: str) -> BadInput:
    return BadInput(Fault(code="invalid_input", pointer=pointer, detail=detail, remedy=remedy))
