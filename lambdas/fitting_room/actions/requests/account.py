"""What a key is: whose, what it may do, and what is left of the day."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from fitting_room import clock
from fitting_room.clock import Clock
from fitting_room.settings import settings
from fitting_room.stores import budgets
from fitting_room.stores.api_keys import SCOPES, Caller


def account(caller: Caller, at: Clock) -> dict[str, Any]:
    """Return `{tenant, mode, scopes, providers, budget}`. `providers`: those the tenant may use; None: all."""
    tomorrow = (at.now() + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    return {
        "tenant": caller.tenant,
        "mode": caller.mode,
        "scopes": [scope for scope in SCOPES if scope in caller.scopes],
        "providers": None if caller.providers is None else sorted(caller.providers),
        "budget": {
            "day": at.now().date().isoformat(),
            "renewed_at": clock.text(tomorrow),
            **(_tests(caller, at) if caller.mode == "test" else _money(caller, at)),
        },
    }


def _tests(caller: Caller, at: Clock) -> dict[str, Any]:
    return {"jobs": _share(settings().deployment.daily_test_jobs, budgets.test_jobs(caller.tenant, at.now()))}


def _money(caller: Caller, at: Clock) -> dict[str, Any]:
    """Return the budget's rest. Reservations of open jobs count as used until these jobs end."""
    most_images, most_microusd = budgets.limits(caller.tenant, at)
    images, microusd = budgets.spent(caller.tenant, at.now().date().isoformat())
    usd = {name: round(value / 1e6, 6) for name, value in _share(most_microusd, microusd).items()}
    return {"images": _share(most_images, images), "usd": usd}


def _share(limit: int, used: int) -> dict[str, int]:
    return {"limit": limit, "used": used, "left": max(0, limit - used)}
