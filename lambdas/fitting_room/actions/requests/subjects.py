"""Subjects as their owner sees them: a person or a garment that a provider is taught once and many jobs use."""

from __future__ import annotations

from typing import Any

from fitting_room.actions.requests import paging
from fitting_room.actions.requests.accept import Accepted
from fitting_room.actions.requests.query import strangers
from fitting_room.actions.requests.submit import submit
from fitting_room.clock import Clock, is_id
from fitting_room.jobs.errors import Refusal
from fitting_room.stores import subjects
from fitting_room.stores.api_keys import Caller
from fitting_room.stores.subjects import StoredSubject

_SHOWN = {
    "id",
    "kind",
    "class_name",
    "status",
    "provider",
    "made_for",
    "token",
    "error",
    "owner",
    "reference",
    "created_at",
    "ready_at",
    "expires_at",
    "erase_requested_at",
    "erase_failed_at",
}


def create(body: Any, caller: Caller, idempotency_key: str | None, at: Clock) -> Accepted:
    """Submit the job that makes a subject: `body` is a `train_subject` without its `task`.

    Raises `Refusal`.
    """
    if isinstance(body, dict):
        if "task" in body:
            raise Refusal.of("invalid_input", "`task` must not be set here.", "Leave it out.", pointer="/task")
        body = {**body, "task": "train_subject"}
    return submit(body, caller, idempotency_key, at)


def find_subject(subject_id: str, caller: Caller, at: Clock) -> StoredSubject:
    """Return the tenant's subject.

    Raises `Refusal` `not_found` if there is none. The answer is the same for a subject of another tenant.
    """
    known = caller.mode == "live" and is_id(subject_id, "sub")
    subject = subjects.get(subject_id, caller.tenant, at.now()) if known else None
    if subject is None:
        raise Refusal.of(
            "not_found", "There is no such subject.", "Check the id; a subject is kept until it expires or is deleted."
        )
    return subject


def view(subject: StoredSubject) -> dict[str, Any]:
    links = {"self": f"/v1/subjects/{subject.id}", "job": f"/v1/jobs/{subject.job_id}"}
    return {**subject.model_dump(mode="json", include=_SHOWN), "provider_subject_id": subject.made_id, "links": links}


def list_subjects(caller: Caller, asked: dict[str, str], at: Clock) -> dict[str, Any]:
    """Answer `{items, next_cursor}` for a query, newest first. Raises `Refusal` with status 400 and all faults."""
    faults = strangers(asked, paging.NAMES)
    most = paging.limit(asked.get("limit"), faults)
    if (cursor := asked.get("cursor")) is not None and not is_id(cursor, "sub"):
        faults.append(paging.bad_cursor())
    if faults:
        raise Refusal(*faults, status=400)
    if caller.mode == "test":  # a test key makes no subjects, and sees none that a live one made
        return {"items": [], "next_cursor": None}
    found, next_cursor = subjects.listed(caller.tenant, at.now(), most, cursor)
    return {"items": [view(subject) for subject in found], "next_cursor": next_cursor}
