"""What a key without `read` sees of a job, a subject or a batch: where it stands, nothing of the person or the images."""

from __future__ import annotations

from typing import Any

from fitting_room.stores.api_keys import Caller

_EMPTY: dict[str, Any] = {
    "owner": None,
    "reference": None,
    "metadata": {},
    "images": [],
    "mask": None,
    # of a subject
    "token": None,
    "provider_subject_id": None,
    # of a webhook's deliveries
    "host": None,
    "items": [],
}


def visible(shown: dict[str, Any], caller: Caller) -> dict[str, Any]:
    """Return an answer about one job or subject as the caller may see it. Its form is the same for all."""
    if "read" in caller.scopes:
        return shown
    emptied = _emptied(shown)
    return emptied | {"links": _emptied(shown["links"])} if "links" in shown else emptied


def visible_batch(shown: dict[str, Any], caller: Caller) -> dict[str, Any]:
    """Return an answer about a batch as the caller may see it: its counts and costs tell nothing of its rows."""
    return shown if "read" in caller.scopes else shown | {"reference": None}


def _emptied(shown: dict[str, Any]) -> dict[str, Any]:
    return {name: _EMPTY.get(name, value) for name, value in shown.items()}
