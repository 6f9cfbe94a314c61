"""A folder with a person and a garment and no order: one try-on, by whichever provider can do it."""

from __future__ import annotations

from collections.abc import Sequence

from fitting_room.actions.drops import news
from fitting_room.actions.drops.buy import buy
from fitting_room.actions.drops.files import EXTENSIONS, File, empty
from fitting_room.actions.drops.folder import Folder, flaw
from fitting_room.clock import Clock
from fitting_room.jobs.errors import Fault, Refusal
from fitting_room.jobs.job import Job
from fitting_room.jobs.wording import nearest

ROLES = ("person", "garment")
_NAMES = "Name the images person.<ext> and garment.<ext>, one of each, and put them into one folder."
_MOST = 10
"""Images of wrong names that are told."""


def pair_of(files: Sequence[File]) -> list[File]:
    """Return the two images of a pair; nothing if there is not exactly one of each."""
    pair = [file for file in files if file.role]
    return pair if sorted(str(file.role) for file in pair) == sorted(ROLES) else []


def job_of_pair(folder: Folder, files: Sequence[File], at: Clock) -> Job | None:
    """Return the job of the folder's pair; None while one of the two is missing.

    Raises `Refusal` for a folder that is no pair.
    """
    named = [file for file in files if file.role]
    faults = [*_doubled(named), *empty(named)]
    if not (pair := pair_of(files)):
        faults += _strangers(files) or _unread(files)
    if faults:
        raise Refusal(*faults)
    if not pair:
        if named:
            _wait(folder, named)
        return None
    images = {str(file.role): {"s3": f"{folder.address}/{file.name}"} for file in pair}
    body = {
        "task": "try_on",
        "person": images["person"],
        "garments": [{"image": images["garment"]}],
        "reference": folder.name[:128],
    }
    return buy(folder, body, pair, at)


def _doubled(named: Sequence[File]) -> list[Fault]:
    roles = [file.role for file in named]
    return [
        flaw(f"The folder holds more than one {role} image.", f"Keep one {role}.<ext>.", f"/{role}")
        for role in ROLES
        if roles.count(role) > 1
    ]


def _strangers(files: Sequence[File]) -> list[Fault]:
    """Return a fault for each image whose name says nothing, with the name that was probably meant."""
    strangers = [file for file in files if file.image and not file.role]
    missing = [role for role in ROLES if role not in {file.role for file in files}]
    faults = []
    for file in strangers[:_MOST]:
        meant = nearest(file.name.rpartition(".")[0], ROLES)
        if meant is None and len(missing) == len(strangers) == 1:
            meant = missing[0]
        remedy = f"Name it `{meant}.{file.extension}`." if meant in missing else _NAMES
        faults.append(flaw(f"`{file.name}` is neither the person nor the garment.", remedy))
    if (more := len(strangers) - _MOST) > 0:
        faults.append(flaw(f"{more:,} more images are neither the person nor the garment.", _NAMES))
    return faults


def _unread(files: Sequence[File]) -> list[Fault]:
    """Return a fault for each table or document of a folder without images: nothing else would ever be said."""
    if any(file.image for file in files):
        return []
    return [
        flaw(f"`{file.name}` has no name that a drop folder reads.", file.remedy) for file in files[:_MOST] if file.kind
    ]


def _wait(folder: Folder, named: Sequence[File]) -> None:
    there = {file.role for file in named}
    names = [f"{role}.<ext>" for role in ROLES if role not in there]
    endings = ", ".join(EXTENSIONS)
    news.waiting(folder, names, f"Waiting for {names[0]}, where <ext> is one of: {endings}.")
