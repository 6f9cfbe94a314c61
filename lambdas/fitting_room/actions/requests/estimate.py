"""What a request would do, without doing it: the plan, what stands against every other provider, and the advice."""

from __future__ import annotations

from typing import Any

from fitting_room import clock
from fitting_room.actions.requests.context import deployment, subjects_of
from fitting_room.actions.requests.plan import plan
from fitting_room.clock import Clock
from fitting_room.jobs.parse import parse
from fitting_room.jobs.tasks import AnyRequest
from fitting_room.providers.catalogue import entry
from fitting_room.stores import capacity
from fitting_room.stores.api_keys import Caller


def estimate(body: Any, caller: Caller, at: Clock) -> dict[str, Any]:
    """`{plan: [{provider, images, cost, starts_at}], excluded, warnings, request}`; buys nothing, stores nothing. Raises the
    `Refusal` that submitting would, but for the pictures and the day's budget, which are looked at only then."""
    request = parse(body)
    subjects = subjects_of(request, caller, at)
    planned = plan(request, caller.mode, deployment(at), allowed=caller.providers, subjects=subjects)
    excluded = [
        {"provider": provider, **fault.model_dump(mode="json", include={"pointer", "code", "detail", "remedy"})}
        for provider, faults in planned.excluded.items()
        for fault in faults
    ]
    made_for = frozenset(subject.made_for for subject in subjects.values())
    return {
        "plan": [_offer(provider, request, made_for, at) for provider in planned.providers],
        "excluded": excluded,
        "warnings": [warning.model_dump(mode="json") for warning in planned.warnings],
        "request": request.model_dump(mode="json", by_alias=True),
    }


def _offer(provider: str, request: AnyRequest, made_for: frozenset[str], at: Clock) -> dict[str, Any]:
    """At most this: the dearest price that can apply. `starts_at`: when the vendor's next slot is free."""
    offered, count = entry(provider), request.output.count
    price = offered.cost(request, made_for=made_for)
    amount = None if price.amount is None else round(price.amount * count, 6)
    cost = {"amount": amount, "currency": price.currency, "credits": price.credits and price.credits * count}
    slot = capacity.next_slot(provider, at.ms())
    return {"provider": provider, "images": count, "cost": cost, "starts_at": clock.text(clock.from_ms(slot))}
