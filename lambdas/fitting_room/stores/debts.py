"""The debts of a job after its end: items of their own beside the job's, on the `due` index until they are paid."""

from __future__ import annotations

from typing import Any, Literal, get_args

from fitting_room.stores import aws
from fitting_room.stores.items import due_attributes

Kind = Literal["drop", "subject"]
"""`drop`: the result in the drop folder. `subject`: the word of how the subject's making ended."""
KINDS: tuple[Kind, ...] = get_args(Kind)


def key(job_id: str, kind: Kind) -> dict[str, str]:
    return {"pk": f"JOB#{job_id}", "sk": f"OWES#{kind}"}


def kind_of(sort_key: str) -> Kind | None:
    """Return the kind of debt that an item of the `due` index is; None for another item."""
    return next((kind for kind in KINDS if sort_key == f"OWES#{kind}"), None)


def new_item(job_id: str, kind: Kind, look_at: str) -> dict[str, Any]:
    """Return the transaction item that creates a debt, due at that time."""
    return {"Put": {"TableName": aws.table().name, "Item": {**key(job_id, kind), **due_attributes(job_id, look_at)}}}


def remove(job_id: str, kind: Kind) -> None:
    aws.table().delete_item(Key=key(job_id, kind))


def remove_all(job_id: str) -> None:
    """Delete all debts of a job that is erased."""
    for kind in KINDS:
        remove(job_id, kind)
