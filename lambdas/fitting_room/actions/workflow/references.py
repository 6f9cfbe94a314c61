"""Make the references that a vendor needs before it can be given an order: each with a claim of its own, like a purchase.

A picture that several jobs of a tenant use is registered once; one that is a job's own goes with the job.
"""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from typing import cast

from fitting_room import clock
from fitting_room.actions.workflow.attempts import keep
from fitting_room.clock import Clock
from fitting_room.jobs.errors import Fault
from fitting_room.jobs.job import Attempt, Job
from fitting_room.jobs.outcome import Failed, Step, step
from fitting_room.providers.base import CatalogueEntry, Input, Order, Provider, Reference, ReferenceKind, Registrar
from fitting_room.stores import jobs, references

LOOK_SECONDS = 2
"""Between two looks at a reference that another job is making."""
SPENT_SECONDS = 30
"""Once making references took so long, the next call is left to the next invocation: one that is killed in the middle of a
purchase leaves it of unknown fate."""


def register(
    job: Job,
    attempt: Attempt,
    provider: CatalogueEntry,
    vendor: Provider,
    wanted: Order,
    remaining: float,
    limit: datetime,
    at: Clock,
) -> Step | None:
    """None once the attempt has every reference it needs. `remaining`: seconds this invocation may still take;
    `limit`: until when the job may wait for a reference that others are making."""
    began = at.now()
    for role, kind in provider.references(job.request).items():
        if role in attempt.references:
            continue
        reference, until = (
            _reference(job, kind, wanted.inputs[role], wanted.model),
            at.now() + timedelta(seconds=remaining),
        )
        taken = references.take(job.tenant, provider.id, _digest(reference.title), at.now(), until)
        if taken is False and at.now() >= limit:
            return keep(job, attempt, Failed(_not_made(provider), "no"), at)
        if taken is False:
            return step("busy", runner=provider.runner, wait=LOOK_SECONDS)
        made = taken if isinstance(taken, str) else cast(Registrar, vendor).register(reference)
        if isinstance(made, Failed):
            if made.charged == "no":  # nothing was made, so nobody need wait for it
                references.give_back(job.tenant, provider.id, _digest(reference.title), until)
            return keep(job, attempt, made, at)
        if taken is True:
            references.keep(job.tenant, provider.id, _digest(reference.title), made, at.now())
        attempt.references = {**attempt.references, role: made}
        jobs.keep_place(job, attempt)
        if (at.now() - began).total_seconds() > SPENT_SECONDS:
            return step("busy", runner=provider.runner, wait=1)
    return None


def forget(job: Job, provider: CatalogueEntry, wanted: Order, refused: Attempt) -> None:
    """The vendor refused the order: a reference of it may be gone, so the next job makes them anew."""
    for role, kind in provider.references(job.request).items():
        title = _reference(job, kind, wanted.inputs[role], wanted.model).title
        references.forget(job.tenant, provider.id, _digest(title), refused.references[role])


def _reference(job: Job, kind: ReferenceKind, picture: Input, model: str) -> Reference:
    """The title is made of what the reference is of, so that the same one is found again; and of the period, so that a vendor
    that finds references by their title never finds one that is about to go."""
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
