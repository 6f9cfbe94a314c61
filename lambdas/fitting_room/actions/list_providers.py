"""What this deployment can buy, and under which conditions."""

from __future__ import annotations

from typing import Any

from fitting_room.actions.plan import SANDBOX, Deployment
from fitting_room.jobs.job import Mode
from fitting_room.providers.base import CatalogueEntry, Model


def list_providers(deployment: Deployment, mode: Mode) -> dict[str, Any]:
    """`{items: [...]}` in the order in which `auto` tries them."""
    return {"items": [_shown(entry, deployment, mode) for entry in deployment.entries]}


def _shown(entry: CatalogueEntry, deployment: Deployment, mode: Mode) -> dict[str, Any]:
    facts = entry.model_dump(mode="json", include={"id", "title", "max_garments", "retention", "polled", "failures_free",
                                                   "status", "cannot"})
    tasks = {task: {name: option.model_dump(mode="json", exclude_none=True) for name, option in options.items()}
             for task, options in entry.tasks.items()}
    return {**facts, "tasks": tasks, "models": [_model(entry, model, deployment) for model in entry.models],
            "prices": [price.model_dump(mode="json", exclude_none=True) for price in entry.prices],
            "configured": deployment.usable(entry), "allowed": mode == "live" or entry.id == SANDBOX}


def _model(entry: CatalogueEntry, model: Model, deployment: Deployment) -> dict[str, Any]:
    """`lifecycle.state` is Bedrock's own word where it could be asked (`checked_at`), else `unknown`."""
    lifecycle, seen = model.lifecycle.model_dump(mode="json"), deployment.observed.get(model.id)
    observed = seen.model_dump(mode="json", exclude_none=True) if seen else {"state": "unknown"}
    return {"id": model.id, "tasks": model.tasks, "qualities": model.qualities,
            "lifecycle": {**lifecycle, **observed, "retired": deployment.retired(entry, model)}}
