"""The files that lie directly in a drop folder, and what each is there for."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from typing import Any, NamedTuple

from fitting_room.actions.drops.folder import Folder, flaw
from fitting_room.jobs.errors import Fault, Refusal
from fitting_room.settings import settings
from fitting_room.stores import media

EXTENSIONS = ("jpg", "jpeg", "png", "webp", "avif", "heic", "heif")
"""What counts as an image. Anything else (a camera's sidecar, a note, half a download) is ignored."""
JOB = "job.json"
MANIFESTS = ("manifest.csv", "manifest.jsonl", "manifest.json")
ORDERS = (JOB, *MANIFESTS)
"""Files that say what to make of the others."""
_KINDS = {
    "csv": "`manifest.csv`",
    "tsv": "`manifest.csv`",
    "xlsx": "`manifest.csv`",
    "xls": "`manifest.csv`",
    "jsonl": "`manifest.jsonl`",
    "ndjson": "`manifest.jsonl`",
    "json": "`job.json` or `manifest.json`",
}
_SHEETS = ("xlsx", "xls", "ods")
MOST = 2000
"""Files of a folder without a manifest. Each of them is an event, and each event lists the folder."""


class File(NamedTuple):
    """`modified`: aware UTC."""

    name: str
    etag: str
    modified: datetime
    size: int

    @property
    def extension(self) -> str:
        return self.name.lower().rpartition(".")[2]

    @property
    def role(self) -> str | None:
        stem = self.name.lower().rpartition(".")[0]
        return stem if self.image and stem in ("person", "garment") else None

    @property
    def image(self) -> bool:
        return self.extension in EXTENSIONS

    @property
    def kind(self) -> str | None:
        """The name that a table or a document should have; None for any other file."""
        return None if self.name in ORDERS else _KINDS.get(self.extension)

    @property
    def remedy(self) -> str:
        """What to do about a misspelt order, or a table or a document of another name."""
        name = f"`{self.misspelt}`" if self.misspelt else self.kind
        return f"Save it as CSV, named {name}." if self.extension in _SHEETS else f"Name it {name}."

    @property
    def counts(self) -> bool:
        """Whether anything is said of the file: of sidecars and notes nothing is."""
        return self.image or self.name in ORDERS or bool(self.kind or self.misspelt)

    @property
    def misspelt(self) -> str | None:
        """The order that the file was most likely meant to be; None for an order, an image and anything else."""
        if self.image or self.name in ORDERS:
            return None
        return next(iter(difflib.get_close_matches(self.name.strip().lower(), ORDERS, 1, 0.75)), None)


def files_of(folder: Folder) -> list[File]:
    """Return the files of a folder; of one with more than `MOST`, only its manifest.

    Raises `Refusal` if such a folder has none.
    """
    found = list(islice(_listed(folder), MOST + 1))
    if len(found) <= MOST:
        return found
    if manifests := [file for file in _listed(folder, "manifest.") if file.name in MANIFESTS]:
        return manifests
    raise Refusal(
        flaw(
            f"The folder holds more than {MOST:,} files and no manifest.",
            f"Add {MANIFESTS[0]}, or put each pair into a folder of its own.",
        )
    )


def all_files_of(folder: Folder) -> Iterator[File]:
    """Yield the files of a folder and of all below it, each by its path from there."""
    return _listed(folder, deep=True)


def has_order(folder: Folder) -> bool:
    return any(file.name in ORDERS for begins in ("job.", "manifest.") for file in _listed(folder, begins))


def named_in(body: Any, folder: Folder) -> Iterator[str]:
    """Yield the names of the folder's files that a request names."""
    begins = f"{folder.address}/"
    if isinstance(body, dict):
        address = body.get("s3")
        if isinstance(address, str) and address.startswith(begins):
            yield address.removeprefix(begins)
    for part in body.values() if isinstance(body, dict) else body if isinstance(body, list) else ():
        yield from named_in(part, folder)


def empty(files: list[File]) -> list[Fault]:
    return [
        flaw(f"`{file.name}` is empty (0 bytes).", "Put the file once more, and wait until it is sent.")
        for file in files
        if not file.size
    ]


def _listed(folder: Folder, begins: str = "", *, deep: bool = False) -> Iterator[File]:
    for found in media.listing(settings().inbox_bucket, folder.prefix + begins, deep=deep):
        name = found.key.removeprefix(folder.prefix)
        if name and name[0] not in ".~":  # the folder itself, hidden files, and what an open spreadsheet leaves
            yield File(name, found.etag, found.modified, found.size)
