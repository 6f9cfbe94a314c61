"""The room in an answer: Lambda returns at most 6 MB of a function's own, and base64 takes a third more than the image."""

from __future__ import annotations

import io
from collections.abc import Iterator

from PIL import Image

from fitting_room.images import provenance
from fitting_room.images.encode import to_jpeg
from fitting_room.jobs.tasks import Task

MOST_BYTES = 5_900_000
"""Of an answer. Lambda's limit is 6,291,456, and it escapes every quote of the JSON."""
MOST_PIXELS = 6_000_000
"""Of all images of one answer together. At the last of `_STEPS` so much noise fits, and every photo is smaller."""
_STEPS = ((95, True), (90, True), (85, True), (80, True), (80, False))
"""Quality of the JPEG, and whether its colours have the full resolution."""


def pixels(data: bytes) -> int | None:
    """Return the pixels of an image by its header, or None where it has none that can be read."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            return image.width * image.height
    except Exception:  # there is no common class; Prepare says what is wrong with the image
        return None


def reencoded(images: list[bytes], task: Task) -> Iterator[tuple[list[bytes], str]]:
    """Yield the images as ever smaller JPEGs, with a word on how. An image with transparency stays as it is.

    Each is marked as it was, or where that was by a manifest, which no conversion keeps, by its task.
    """
    decoded = [Image.open(io.BytesIO(data)) for data in images]
    marks = [provenance.read(data).source_type or provenance.SOURCE_TYPES[task] for data in images]
    for quality, full_colour in _STEPS:
        yield (
            [
                data if image.has_transparency_data else _jpeg(image, quality, full_colour, mark)
                for data, image, mark in zip(images, decoded, marks, strict=True)
            ],
            f"jpeg, quality {quality}",
        )


def _jpeg(image: Image.Image, quality: int, full_colour: bool, mark: str) -> bytes:
    return provenance.mark(to_jpeg(image.convert("RGB"), quality, full_colour=full_colour), mark)[0]
