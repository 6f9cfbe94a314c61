"""A drop folder: where its files lie, where its news and results lie, and what is wrong with its name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple, Self

from fitting_room.jobs.errors import Fault
from fitting_room.jobs.image_ref import MAX_KEY
from fitting_room.settings import settings

ROOM = len("manifest.jsonl")
"""Bytes of the longest name that Fitting Room gives to a file in a folder, or expects there."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class Folder(NamedTuple):
    """`drop/<tenant>/<name>/` in the inbox; `name` may hold slashes, and is empty for a file that lies in no folder."""

    tenant: str
    name: str

    @classmethod
    def of(cls, key: str) -> Self | None:
        """Return the folder of an object, or None for a key of another form.

        Keys arrive as they are: not URL-encoded.
        """
        parts = key.split("/")
        if len(parts) < 3 or parts[0] != "drop" or not parts[1]:
            return None
        return cls(parts[1], "/".join(parts[2:-1]))

    @property
    def prefix(self) -> str:
        return f"drop/{self.tenant}/{self.name}/" if self.name else f"drop/{self.tenant}/"

    @property
    def results(self) -> str:
        return self.prefix.replace(f"drop/{self.tenant}/", f"results/{self.tenant}/drop/", 1)

    @property
    def address(self) -> str:
        return f"s3://{settings().inbox_bucket}/{self.prefix}".rstrip("/")

    def above(self) -> Iterator[Self]:
        """Yield the folders that this one lies in, the nearest first."""
        parts = self.name.split("/")
        yield from (self._replace(name="/".join(parts[:n])) for n in range(len(parts) - 1, 0, -1))

    def flaws(self) -> Iterator[Fault]:
        """Yield what makes the folder unusable, before anything is bought for it."""
        parts = self.name.split("/")
        another = "Use another name for the folder."
        if not self.name:
            yield flaw("This file lies in no folder.", f"Put it into a folder: drop/{self.tenant}/<folder>/.")
        elif not all(parts):
            yield flaw("The folder's name has an empty part: two slashes follow each other.", "Send one slash.")
        if {".", ".."} & set(parts):
            yield flaw("The folder's name has a part that is `.` or `..`.", another)
        if _CONTROL.search(self.name):
            yield flaw("The folder's name holds a control character, such as a line break.", another)
        if len(self.results.encode()) + ROOM > MAX_KEY:
            yield flaw("The folder's name is too long for the keys of its results.", "Use a shorter name.")


def flaw(detail: str, remedy: str, pointer: str = "") -> Fault:
    return Fault.of("invalid_input", detail, remedy, pointer=pointer)
