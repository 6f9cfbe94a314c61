"""What this deployment can buy, and under which conditions."""

from __future__ import annotations

from typing import Any

from fitting_room.actions.plan import SANDBOX, Deployment
from fitting_room.jobs.job import Mode
from fitting_room.providers.base import CatalogueEntry


def list_providers(deployment: Deployment, mode: Mode) -> dict[str, Any]:
    """`{items: [...]}` in the order in which `auto` tries them."""
    return {"items": [_shown(entry, deployment, mode) for entry in deployment.entries]}


def _shown(entry: CatalogueEntry, deployment: Deployment, mode: Mode) -> dict[str, Any]:
    facts = entry.model_dump(mode="json", include={"id", "title", "model", "max_garments", "retention", "polled",
                                                   "failures_free", "status"})
    lifecycle = entry.lifecycle.model_dump(mode="json")
    return {**facts, "tasks": ["try_on"], "options": {name: option.model_dump(mode="json", exclude_none=True)
                                                      for name, option in entry.options.items()},
            "prices": [price.model_dump(mode="json", exclude_none=True) for price in entry.prices],
            "lifecycle": {**lifecycle, "retired": deployment.retired(entry)},
            "configured": deployment.usable(entry), "allowed": mode == "live" or entry.id == SANDBOX}
