"""The images and the spending of a tenant in a range of UTC days."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any

from fitting_room.actions.requests.query import fault, strangers
from fitting_room.clock import Clock
from fitting_room.jobs.errors import Fault, Refusal
from fitting_room.stores import usage
from fitting_room.stores.api_keys import Caller
from fitting_room.stores.usage import Spent

MOST_DAYS = 31
QUERY = ("from", "to", "by")
BY = ("day", "provider", "owner")
_ENDS = ("succeeded", "failed", "cancelled")


def report(caller: Caller, asked: dict[str, str], at: Clock) -> dict[str, Any]:
    """Answer `from`, `to` and `by` of a query: the jobs of the key's own world, by the day on which they ended.

    Without dates, those of today. Raises `Refusal` with all faults.
    """
    today, faults = at.now().date(), strangers(asked, QUERY)
    first, last = (_day(asked.get(name), name, today, faults) for name in ("from", "to"))
    if "from" not in asked and "to" in asked:
        first = last
    by = [name for name in asked.get("by", "").split(",") if name]
    if not set(by) <= set(BY):
        faults.append(fault("by", "`by` names something that usage is not grouped by.", f"Use {', '.join(BY)}."))
    if not faults and not 0 <= (last - first).days < MOST_DAYS:
        faults.append(
            fault(
                "to",
                f"`to` is before `from`, or the range has more than {MOST_DAYS} days.",
                "Send `from`, and a `to` that is 0 to 30 days later.",
            )
        )
    if faults:
        raise Refusal(*faults, status=400)
    spent = list(usage.read(caller.tenant, caller.mode, first, last))
    return {
        "from": first.isoformat(),
        "to": last.isoformat(),
        "items": grouped(spent, by),
        "total": total(spent),
    }


def grouped(spent: Iterable[Spent], by: list[str]) -> list[dict[str, Any]]:
    """Return a total for each combination of these facts, in their order; none without facts."""
    groups: dict[tuple[Any, ...], list[Spent]] = {}
    for each in spent if by else ():
        groups.setdefault(tuple(getattr(each, name) for name in by), []).append(each)
    ordered = sorted(groups, key=lambda key: tuple(part or "" for part in key))
    return [{**dict(zip(by, key, strict=True)), **total(groups[key])} for key in ordered]


def total(spent: Iterable[Spent]) -> dict[str, Any]:
    jobs = list(spent)
    return {
        "jobs": len(jobs),
        **{status: sum(job.status == status for job in jobs) for status in _ENDS},
        "images": sum(job.images for job in jobs),
        "cost": {"amount": round(sum(job.amount or 0 for job in jobs), 6), "currency": "USD"},
        "credits": round(sum(job.credits or 0 for job in jobs), 6),
        "charged_unknown": sum(job.unknown for job in jobs),
    }


def month(year: int, number: int) -> tuple[date, date]:
    """Return the first and the last day of a month."""
    after = date(year + number // 12, number % 12 + 1, 1)
    return date(year, number, 1), after - timedelta(days=1)


def _day(text: str | None, name: str, today: date, faults: list[Fault]) -> date:
    try:
        return today if text is None else date.fromisoformat(text)
    except ValueError:
        faults.append(fault(name, f"`{name}` is no date.", "Send a day such as 2026-11-26."))
        return today
