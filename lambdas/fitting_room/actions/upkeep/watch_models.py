"""Ask Bedrock how long each model of this deployment will live: for the planner, `GET /v1/providers`, and an alarm.

Source: API reference of GetFoundationModel and FoundationModelLifecycle.
"""

from __future__ import annotations

from datetime import UTC, date, datetime

from botocore.exceptions import BotoCoreError, ClientError

from fitting_room import clock
from fitting_room.clock import Clock
from fitting_room.observability import MetricUnit, error_facts, logger, measure
from fitting_room.providers.base import CatalogueEntry, Model
from fitting_room.providers.catalogue import entries
from fitting_room.providers.runners import RUNNERS
from fitting_room.settings import settings
from fitting_room.stores import aws
from fitting_room.stores import model_lifecycles as models
from fitting_room.stores.model_lifecycles import ObservedLifecycle

METRIC = "DaysToEndOfLife"


class Unanswered(Exception):
    """Some lookups failed for a reason that may pass; the earlier state of those models stays."""


def watch_models(at: Clock) -> dict[str, str]:
    """Return the state by model id, for every provider on Bedrock that has a region here.

    Raises `Unanswered` when all lookups are done and some failed.
    """
    states: dict[str, str] = {}
    unanswered = 0
    for entry in entries():
        region = settings().deployment.bedrock_regions.get(entry.id)
        if RUNNERS[entry.runner].lifecycles is None or region is None:
            continue
        seen: dict[str, ObservedLifecycle] = {}
        for model in entry.models:
            try:
                seen[model.id] = _look_up(model, region, at)
            except (ClientError, BotoCoreError) as error:
                logger.warning("lookup failed", model=model.id, region=region, **error_facts(error))
                unanswered += 1
            else:
                models.put(model.id, seen[model.id])
        states |= {model_id: observed.state for model_id, observed in seen.items()}
        _measure(entry, seen, at.now().date())
    if unanswered:
        raise Unanswered(f"{unanswered} lookups failed")
    return states


def _look_up(model: Model, region: str, at: Clock) -> ObservedLifecycle:
    now = clock.text(at.now())
    try:
        found = aws.bedrock(region).get_foundation_model(modelIdentifier=model.foundation)
    except ClientError as error:
        code, words = aws.reason(error), error.response["Error"].get("Message", "")
        if code == "ResourceNotFoundException" or (code == "ValidationException" and "identifier is invalid" in words):
            return ObservedLifecycle(state="gone", checked_at=now)
        if code == "AccessDeniedException":  # asking is refused, which says nothing of the model
            return ObservedLifecycle(state="unknown", checked_at=now)
        raise
    life = found["modelDetails"].get("modelLifecycle")
    if life is None:
        return ObservedLifecycle(state="unknown", checked_at=now)
    return ObservedLifecycle(
        state="legacy" if life["status"] == "LEGACY" else "active",
        legacy=_day(life.get("legacyTime")),
        end_of_life=_day(life.get("endOfLifeTime")),
        checked_at=now,
    )


def _day(moment: datetime | None) -> date | None:
    return moment and moment.astimezone(UTC).date()


def _measure(entry: CatalogueEntry, seen: dict[str, ObservedLifecycle], today: date) -> None:
    """Publish the days until the first of a provider's models ends; 0 for a model that is gone without a date.

    A model whose end has passed is offered no more, so that its end is no news. Nothing for a provider of which no other
    end is known.
    """
    days = [left for model in entry.models if (left := _days(model, seen.get(model.id), today)) is not None]
    if coming := [left for left in days if left >= 0]:
        measure({METRIC: (MetricUnit.Count, min(coming))}, provider=entry.id)


def _days(model: Model, seen: ObservedLifecycle | None, today: date) -> int | None:
    if end := (seen and seen.end_of_life) or model.lifecycle.end_of_life:
        return (end - today).days
    return 0 if seen and seen.state == "gone" else None
