"""The providers and models that this deployment can buy from, and their conditions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fitting_room.actions.requests.plan import SANDBOX, Deployment
from fitting_room.jobs.tasks import Task
from fitting_room.providers.base import CatalogueEntry, Model, Option
from fitting_room.stores.api_keys import Caller


def list_providers(deployment: Deployment, caller: Caller) -> dict[str, Any]:
    """Return `{items: [...]}` in the order in which `auto` tries the providers."""
    return {"items": [_shown(entry, deployment, caller) for entry in deployment.entries]}


def _shown(entry: CatalogueEntry, deployment: Deployment, caller: Caller) -> dict[str, Any]:
    facts = entry.model_dump(
        mode="json",
        include={
            "id",
            "title",
            "max_garments",
            "retention",
            "polled",
            "callbacks",
            "failures_free",
            "status",
            "cannot",
        },
    )
    allowed = entry.id == SANDBOX if caller.mode == "test" else caller.providers is None or entry.id in caller.providers
    return {
        **facts,
        "photos": {
            "leave_account": entry.photos_stay_in != "account",
            "leave_aws": entry.photos_stay_in is None,
            "regions": deployment.photo_regions.get(entry.id, ()),
        },
        "erases": entry.erases or entry.id in deployment.erasing,
        "tasks": _options(entry.tasks),
        "models": [_model(entry, model, deployment) for model in entry.models],
        "prices": [price.model_dump(mode="json", exclude_none=True) for price in entry.prices],
        "configured": deployment.usable(entry),
        "paused": entry.id in deployment.paused,
        "allowed": allowed,
    }


def _options(tasks: Mapping[Task, Mapping[str, Option]]) -> dict[str, Any]:
    return {
        task: {name: option.model_dump(mode="json", exclude_none=True) for name, option in options.items()}
        for task, options in tasks.items()
    }


def _model(entry: CatalogueEntry, model: Model, deployment: Deployment) -> dict[str, Any]:
    """Return the public description of a model.

    `options`: null where the provider's options hold. `offered`: false for a model that this deployment keeps off.
    `lifecycle.state` is the word of Bedrock where it could be asked (`checked_at`), or of another provider that called
    the model gone (`until` then), else `unknown`.
    """
    lifecycle, seen = model.lifecycle.model_dump(mode="json"), deployment.seen(entry, model)
    observed = seen.model_dump(mode="json", exclude_none=True) if seen else {"state": "unknown"}
    return {
        "id": model.id,
        "tasks": model.tasks,
        "qualities": model.qualities,
        "options": None if model.options is None else _options(model.options),
        "offered": deployment.offers(entry, model),
        "licence": model.licence,
        "lifecycle": {**lifecycle, **observed, "retired": deployment.retired(entry, model)},
    }
