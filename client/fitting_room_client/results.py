"""The images of a job that succeeded, downloaded."""

from __future__ import annotations

from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path

from fitting_room_client.models import Image, Job


@dataclass(frozen=True)
class Picture:
    """`content` is the file as it was stored: its metadata says what made it."""

    image: Image
    content: bytes = field(repr=False)

    def save(self, path: str | PathLike[str]) -> Path:
        """Write the file as it is; its format is `image.format`, whatever the path's suffix says."""
        Path(path).write_bytes(self.content)
        return Path(path)


@dataclass(frozen=True)
class Result:
    job: Job
    images: list[Picture]
    mask: Picture | None
