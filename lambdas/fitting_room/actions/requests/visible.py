"""What a caller sees of a job, a subject or a batch.

A key without `read` sees where it stands, nothing of the person or the images. A shopper's token sees nothing of what is
the shop's own: its prices, buckets, metadata, and dealings with the provider.
"""

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
_OF_THE_SHOP: dict[str, Any] = {
    "metadata": {},
    "s3": "",
    "provider_job_id": None,
    "provider_code": None,
    "provider_detail": None,
    "cost": None,
    # of `usage`
    "amount": None,
    "credits": None,
    "basis": "",
    "provider_seconds": None,
}


def visible(shown: dict[str, Any], caller: Caller) -> dict[str, Any]:
    """Return an answer about one job or subject as the caller may see it. Its form is the same for all."""
    if caller.token:
        shown = _without_the_shop(shown)
    if "read" in caller.scopes:
        return shown
    emptied = _emptied(shown)
    return emptied | {"links": _emptied(shown["links"])} if "links" in shown else emptied


def visible_batch(shown: dict[str, Any], caller: Caller) -> dict[str, Any]:
    """Return an answer about a batch as the caller may see it: its counts and costs tell nothing of its rows."""
    return shown if "read" in caller.scopes else shown | {"reference": None}


def _without_the_shop(shown: Any) -> Any:
    if isinstance(shown, dict):
        return {name: _OF_THE_SHOP.get(name, _without_the_shop(value)) for name, value in shown.items()}
    return [_without_the_shop(part) for part in shown] if isinstance(shown, list) else shown


def _emptied(shown: dict[str, Any]) -> dict[str, Any]:
    return {name: _EMPTY.get(name, value) for name, value in shown.items()}
