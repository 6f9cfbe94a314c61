"""A provider that learns subjects, keeps references of garments and persons, and deletes what it is told to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from fitting_room.jobs.outcome import Failed
from fitting_room.providers import catalogue
from fitting_room.providers.adapter import Reference
from fitting_room.providers.base import CatalogueEntry, Option, ReferenceKind
from fitting_room.providers.catalogue import entry
from tests.integration.world import Vendor

ID = "atelier"


@dataclass
class Atelier(Vendor):
    """Stands at the vendor's door. `keeps`: ids that it does not delete; `erased`: what it was asked to, in order."""

    made: list[Reference] = field(default_factory=list)
    keeps: set[str] = field(default_factory=set)
    erased: list[tuple[str, str]] = field(default_factory=list)

    def register(self, reference: Reference) -> str | Failed:
        self.made.append(reference)
        return f"{reference.kind.class_name}-{len(self.made)}"

    def erase_job(self, provider_job_id: str) -> bool:
        return self._erase("job", provider_job_id)

    def erase_reference(self, made_id: str) -> bool:
        return self._erase("reference", made_id)

    def _erase(self, what: str, name: str) -> bool:
        if name in self.keeps:
            return False
        self.erased.append((what, name))
        return True


def offer(patch: pytest.MonkeyPatch, entries: Sequence[CatalogueEntry]) -> None:
    """Make these entries the whole catalogue."""
    by_id = {each.id: each for each in entries}
    patch.setattr(catalogue, "PROVIDERS", tuple(by_id))
    patch.setattr(catalogue, "load", by_id.__getitem__)


def atelier_entry() -> CatalogueEntry:
    """On the frame of TryItOn's, without its key and its rate."""
    base = entry("tryiton")
    [model, *_] = base.models
    anything = {name: Option(values=(True,)) for name in ("person.subject", "garment.subject")}
    return base.model_copy(
        update={
            "id": ID,
            "title": "Atelier",
            "secret": False,
            "rate": None,
            "rules": lambda _: [],
            "erases": True,
            "retention": "30 days",
            "references": _references,
            "models": (model.model_copy(update={"id": "look", "tasks": ("try_on", "train_subject"), "options": None}),),
            "tasks": {
                "try_on": {**base.tasks["try_on"], **anything},
                "train_subject": {
                    "kind": Option(values=("person", "garment")),
                    "pictures": Option(minimum=1, maximum=20),
                },
            },
        }
    )


def _references(request: object) -> dict[str, ReferenceKind]:
    """Of a try-on's pictures; a garment's serves all jobs of the tenant."""
    roles = {role for role, _, _ in request.images()} if getattr(request, "task", "") == "try_on" else set()  # type: ignore[attr-defined]
    kinds = {
        "person": ReferenceKind(class_name="woman", shared=False),
        "garment-0": ReferenceKind(class_name="shirt", flat_lay=True),
    }
    return {role: kind for role, kind in kinds.items() if role in roles}
