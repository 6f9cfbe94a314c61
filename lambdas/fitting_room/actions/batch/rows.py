"""What becomes of a row: short forms written out, the batch's defaults below it, and its images named as the API does."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from fitting_room.actions.batch import fields
from fitting_room.actions.batch.lines import fault
from fitting_room.jobs.document import Path, pointer_of
from fitting_room.jobs.errors import Fault, Refusal

_WAYS = {"upl_": "upload", "sub_": "subject", "https://": "url", "http://": "url", "data:": "data", "s3://": "s3"}
"""How a text names an image, by its beginning; any other text is the name of a file."""
_IMAGE = frozenset({"upload", "url", "data", "s3", "stock", "photos"})
_LONGEST_LABEL = 60


class Row(NamedTuple):
    """A row that can be read. `line`: where it begins; in a JSON list or a cross product, its number."""

    line: int
    id: str | None
    body: dict[str, Any]


class BadRow(NamedTuple):
    line: int
    id: str | None
    faults: list[Fault]


def full(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return a body with `garment` and `category` written out as `garments`; these go before."""
    garment, category = body.get("garment"), body.get("category")
    long = {name: value for name, value in body.items() if name not in ("garment", "category")}
    if "garments" not in long and (garment is not None or category is not None):
        garments = [_garment(each) for each in (garment if isinstance(garment, list) else [garment])]
        long["garments"] = [{"category": category, **each} if category is not None else each for each in garments]
    return long


def merged(defaults: Mapping[str, Any], body: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row with the defaults for what it leaves open; without a task it is a try-on.

    The garments of defaults are those of the same place in the row.
    """
    over: dict[str, Any] = _over(full(defaults), full(body), ())
    return {"task": "try_on", **over}


def resolved(body: dict[str, Any], folder: str | None) -> dict[str, Any]:
    """Return a row whose images are all named as the API reads them.

    `folder`: the address of the folder that the manifest and its files lie in, such as `s3://bucket/drop/tenant/new`.
    Raises `Refusal` for names of files where there is no folder, or that lead out of it.
    """
    whole = fields.of_tasks().get(str(body.get("task")))
    if whole is None:
        return body
    faults: list[Fault] = []
    done: dict[str, Any] = _named(body, [whole], whole, folder, (), faults)
    if faults:
        raise Refusal(*faults)
    for garment in done.get("garments", ()) if isinstance(done.get("garments"), list) else ():
        if isinstance(garment, dict) and isinstance(garment.get("image"), dict) and "subject" in garment["image"]:
            garment["subject"] = garment.pop("image")["subject"]
    return done


def crossed(persons: list[Any], garments: list[Any]) -> Iterator[Row]:
    """Yield a row for every person with every garment. Its id names both."""
    people, clothes = _labels(persons, "person"), _labels(garments, "garment")
    line = 0
    for person, who in zip(persons, people, strict=True):
        for garment, what in zip(garments, clothes, strict=True):
            line += 1
            yield Row(line, f"{who}-{what}", {"person": person, "garments": [_garment(garment)]})


def _garment(given: Any) -> dict[str, Any]:
    """Return a garment as a request has it: of a text, of a reference, or as it is."""
    if isinstance(given, dict) and not _IMAGE & given.keys():
        return given
    return {} if given is None else {"image": given}


def _over(under: Any, over: Any, path: Path) -> Any:
    if path == ("garments",) and isinstance(under, list) and isinstance(over, list):
        shared = [_over(*pair, (*path, 0)) for pair in zip(under, over, strict=False)]
        return shared + over[len(shared) :]
    mask = path == ("mask",)  # the fields of one kind of mask are no fields of another
    if mask or not isinstance(under, dict) or not isinstance(over, dict) or _IMAGE & (under.keys() | over.keys()):
        return over
    both = {name: _over(under[name], over[name], (*path, name)) if name in under else over[name] for name in over}
    kept = {name: value for name, value in under.items() if name not in over}
    for way, other in (("image", "subject"), ("subject", "image")) if path[:1] == ("garments",) else ():
        if way in over:
            kept.pop(other, None)
    return kept | both


def _named(
    value: Any, schemas: list[fields.Schema], whole: fields.Schema, folder: str | None, path: Path, faults: list[Fault]
) -> Any:
    if isinstance(value, str) and fields.image(schemas):
        try:
            return _reference(value, folder, pointer_of(path))
        except Refusal as refusal:
            faults += refusal.faults
            return value
    if isinstance(value, dict):
        parts: Iterable[tuple[Any, Any]] = value.items()
    elif isinstance(value, list):
        parts = enumerate(value)
    else:
        return value
    done = {
        name: _named(
            part,
            [kind for each in schemas for kind in fields.parts(each, name, whole)],
            whole,
            folder,
            (*path, name),
            faults,
        )
        for name, part in parts
    }
    return list(done.values()) if isinstance(value, list) else done


def _reference(text: str, folder: str | None, pointer: str) -> dict[str, str]:
    for beginning, way in _WAYS.items():
        if text.lower().startswith(beginning):
            return {way: text}
    name = text.removeprefix("./")
    if folder is None:
        detail = "This names a file, and the manifest lies in no folder with files."
        remedy = "Write an https link or the id of an upload. `fitting-room batch run` uploads the files for you."
        raise Refusal(fault(detail, remedy, pointer))
    if {"", ".", ".."} & set(name.split("/")) or "\\" in name:
        raise Refusal(
            fault("This is no name of a file in the manifest's folder.", "Write it as `photos/anna.jpg`.", pointer)
        )
    return {"s3": f"{folder.rstrip('/')}/{name}"}


def _labels(images: list[Any], noun: str) -> list[str]:
    """Return a short name for each image: its file's, or a number where files have none or the same."""
    labels = [_label(image) for image in images]
    if "" in labels or len(set(labels)) < len(labels):
        return [f"{noun}{n}" for n in range(1, len(labels) + 1)]
    return labels


def _label(image: Any) -> str:
    while isinstance(image, dict):  # a garment's image, or its address
        image = next((image[way] for way in ("image", "subject", "upload", "url", "s3") if way in image), None)
    if not isinstance(image, str) or image.startswith("data:"):
        return ""
    name = "".join(filter(str.isprintable, image.partition("?")[0])).rstrip("/").rpartition("/")[2]
    return re.sub(r"\.[A-Za-z0-9]{1,5}$", "", name)[:_LONGEST_LABEL]
