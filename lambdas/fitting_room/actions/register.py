"""Make the references that a vendor needs before it can be given an order: each with a claim of its own, like a purchase.

A picture that several jobs of a tenant use is registered once; one that is a job's own goes with the job.
"""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import cast

from fitting_room.actions.purchase import keep
from fitting_room.clock import Clock
from fitting_room.jobs.job import Attempt, Job
from fitting_room.jobs.outcome import Failed, Step, step
from fitting_room.providers.base import CatalogueEntry, Input, Order, Provider, Reference, ReferenceKind, Registrar
from fitting_room.stores import jobs, references

LOOK_SECONDS = 2
"""Between two looks at a reference that another job is making."""


def register(job: Job, attempt: Attempt, provider: CatalogueEntry, vendor: Provider, wanted: Order, remaining: float,
             at: Clock) -> Step | None:
    """None once the attempt has every reference it needs. `remaining`: seconds this invocation may still take."""
    for role, kind in provider.references(job.request).items():
        if role in attempt.references:
            continue
        reference, until = _reference(job, kind, wanted.inputs[role], wanted.model), at.now() + timedelta(seconds=remaining)
        taken = references.take(job.tenant, provider.id, _digest(reference.title), at.now(), until)
        if taken is False:
            return step("busy", runner=provider.runner, wait=LOOK_SECONDS)
        made = taken if isinstance(taken, str) else cast(Registrar, vendor).register(reference)
        if isinstance(made, Failed):
            if made.charged == "no":  # nothing was made, so nobody need wait for it
                references.forget(job.tenant, provider.id, _digest(reference.title))
            return keep(job, attempt, made, at)
        if taken is True:
            references.keep(job.tenant, provider.id, _digest(reference.title), made, at.now())
        attempt.references = {**attempt.references, role: made}
        jobs.keep_place(job, attempt)
    return None


def forget(job: Job, provider: CatalogueEntry, wanted: Order) -> None:
    """The vendor refused the order: a reference of it may be gone, so the next job makes them anew."""
    for role, kind in provider.references(job.request).items():
        references.forget(job.tenant, provider.id, _digest(_reference(job, kind, wanted.inputs[role], wanted.model).title))


def _reference(job: Job, kind: ReferenceKind, picture: Input, model: str) -> Reference:
    """The title is made of what the reference is of, so that the same one is found again."""
    owner = job.tenant if kind.shared else job.id
    content = hashlib.sha256(f"{owner} {model} {kind.model_dump_json()} ".encode() + picture.read()).hexdigest()
    return Reference(picture, kind, f"{kind.class_name} {'flat lay ' if kind.flat_lay else ''}{content[:32]}", model)


def _digest(title: str) -> str:
    return title.rpartition(" ")[2]
