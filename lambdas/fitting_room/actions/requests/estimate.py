"""The effect of a request, without doing it: the plan, the faults of every other provider, and the advice."""

from __future__ import annotations

from typing import Any

from fitting_room import clock
from fitting_room.actions.requests.accept import offered
from fitting_room.actions.requests.check import check
from fitting_room.clock import Clock
from fitting_room.jobs.data_url import decode
from fitting_room.jobs.tasks import AnyRequest
from fitting_room.providers.base import Model, Price
from fitting_room.stores import capacity
from fitting_room.stores.api_keys import Caller


def estimate(body: Any, caller: Caller, at: Clock) -> dict[str, Any]:
    """Return the plan of a request with its costs, without buying or storing anything.

    The answer is `{plan: [{provider, model, images, cost, starts_at}], excluded, warnings, request}`. Raises the
    `Refusal` that submitting would raise. Uploads and the day's budget are the exception: only a submit checks them.
    """
    checked = check(body, caller, at, find_uploads=False)
    request, planned = checked.request, checked.plan
    excluded = [
        {"provider": provider, **fault.model_dump(mode="json", include={"pointer", "code", "detail", "remedy"})}
        for provider, faults in planned.excluded.items()
        for fault in faults
    ]
    offers = zip(planned.providers, offered(request, planned, checked.subjects, at), strict=True)
    return {
        "plan": [_offer(provider, model, price, request.output.count, at) for provider, (model, price) in offers],
        "excluded": excluded,
        "warnings": [warning.model_dump(mode="json") for warning in planned.warnings],
        "request": _without_data(request.model_dump(mode="json", by_alias=True), request),
    }


def _offer(provider: str, model: Model | None, price: Price, count: int, at: Clock) -> dict[str, Any]:
    """Return the offer of one provider, at its highest cost.

    `starts_at`: when the vendor's next slot is free.
    """
    each = price.per_image()
    cost = {
        "amount": None if each is None else round(each * count, 6),
        "currency": price.currency,
        "credits": price.credits and price.credits * count,
        "basis": price.basis,
    }
    slot = capacity.next_slot(provider, at.ms())
    return {
        "provider": provider,
        "model": model and model.id,
        "images": count,
        "cost": cost,
        "starts_at": clock.text(clock.from_ms(slot)),
    }


def _without_data(shown: dict[str, Any], request: AnyRequest) -> dict[str, Any]:
    """Return the request as it is shown: of an inline image only the size."""
    for _, pointer, ref in request.images():
        if ref.data:
            place: Any = shown
            for part in pointer.split("/")[1:]:
                place = place[int(part) if isinstance(place, list) else part]
            place["data"] = f"({len(decode(ref.data)):,} bytes)"
    return shown
