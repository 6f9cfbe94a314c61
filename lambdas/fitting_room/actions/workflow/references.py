"""Make the references that a vendor needs before it can be given an order: each with a claim of its own, like a purchase.

A picture that several jobs of a tenant use is registered once; one that is a job's own goes with the job.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Literal, cast

from fitting_room import clock
from fitting_room.actions.workflow.attempts import asked, record_outcome, wait_for_turn
from fitting_room.actions.workflow.queueing import left, place_pause
from fitting_room.clock import Clock
from fitting_room.jobs.errors import Fault
from fitting_room.jobs.job import Attempt, Job
from fitting_room.jobs.outcome import Failed, Step, step
from fitting_room.providers.adapter import Input, Order, Provider, Reference, Registrar
from fitting_room.providers.base import CatalogueEntry, ReferenceKind
from fitting_room.stores import jobs, references

SPENT_SECONDS = 30
"""Once making references took so long, the next call is left to the next invocation: one that is killed in the middle of a
purchase leaves its outcome unknown."""


def register_references(
    job: Job,
    attempt: Attempt,
    provider: CatalogueEntry,
    vendor: Provider,
    key: str | None,
    wanted: Order,
    began: datetime,
    remaining: float,
    at: Clock,
) -> Step | Literal["made"] | None:
    """Make the next reference that the attempt needs; return None once it has them all.

    This invocation `began` then, with so many seconds `remaining`. For a reference that another job makes, and for a
    provider that is away and charged nothing, a job waits no longer than its queue limit.
    """
    for role, kind in provider.references(job.request).items():
        if role in attempt.references:
            continue
        reference = _reference(job, kind, wanted.inputs[role], wanted.model)
        digest, until = _digest(reference.title), began + timedelta(seconds=remaining)
        claim = references.claim(job.tenant, provider.id, digest, at.now(), until)
        if not claim.held and claim.made_id is None:
            if left(job) <= 0:
                return record_outcome(job, attempt, Failed(_not_made(provider), "no"), at)
            return wait_for_turn(job, attempt, provider, place_pause(job), at)
        made = claim.made_id or asked(_registered(reference), vendor, provider, key, at)
        if isinstance(made, Failed):
            if made.charged == "no":  # nothing was made, so nobody need wait for it
                references.unclaim(job.tenant, provider.id, digest, until)
            if _may_pass(job, made):
                attempt.slot_ms = None  # that call took it
                return wait_for_turn(job, attempt, provider, place_pause(job), at)
            return record_outcome(job, attempt, replace(made, retry_after=made.retry_after or 0.0), at)
        if claim.held:
            references.save(job.tenant, provider.id, digest, made, at.now())
            attempt.slot_ms = None  # that call took it
        attempt.references = {**attempt.references, role: made}
        jobs.save_reserved(job, attempt)
        if (at.now() - began).total_seconds() > SPENT_SECONDS:
            return step("busy", runner=provider.runner, wait=1)
        if claim.held:
            return "made"
    return None


def forget_references(job: Job, provider: CatalogueEntry, wanted: Order, refused: Attempt) -> None:
    """Forget the references of an order that the provider refused: one may be gone, so the next job makes them again."""
    for role, kind in provider.references(job.request).items():
        title = _reference(job, kind, wanted.inputs[role], wanted.model).title
        references.forget(job.tenant, provider.id, _digest(title), refused.references[role])


def _registered(reference: Reference) -> Callable[[Provider], str | Failed]:
    return lambda vendor: cast(Registrar, vendor).register(reference)


def _may_pass(job: Job, failed: Failed) -> bool:
    """Return whether a job waits until its provider can be reached again, because no other one of its plan is left."""
    away = failed.fault.code == "provider_unavailable" and failed.fault.retryable and failed.charged == "no"
    return away and job.position + 1 == len(job.plan) and left(job) > 0


def _reference(job: Job, kind: ReferenceKind, picture: Input, model: str) -> Reference:
    """Return the reference to register, with its title.

    The title depends on the content, so that the same reference is found again. It also depends on the period. A
    vendor that finds references by title then never finds one that is about to be erased.
    """
    owner, period = (
        job.tenant if kind.shared else job.id,
        clock.parse(job.created_at).toordinal() // references.KEEP.days,
    )
    content = hashlib.sha256(
        f"{owner} {period} {model} {kind.model_dump_json()} ".encode() + picture.read()
    ).hexdigest()
    return Reference(picture, kind, f"{kind.class_name} {'flat lay ' if kind.flat_lay else ''}{content[:32]}", model)


def _not_made(provider: CatalogueEntry) -> Fault:
    return Fault.of(
        "provider_unavailable",
        f"{provider.title} did not register an image that several jobs use within the time limit.",
        "Submit the job again later, or name a fallback provider.",
    )


def _digest(title: str) -> str:
    return title.rpartition(" ")[2]
