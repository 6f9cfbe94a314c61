"""What tenants made and spent."""

from __future__ import annotations

import argparse
from datetime import date
from typing import Any

from admin.command import Group, Said, noun, verb
from admin.stage import AdminError, Stage
from admin.tenant import known
from fitting_room.actions.requests.usage import BY, grouped, month, total
from fitting_room.stores import tenants, usage


def add(nouns: Group) -> None:
    verbs = noun(nouns, "usage", "tell what tenants made and spent")
    today = verb(verbs, "today", _today, "tell what jobs that ended on this UTC day made and cost", "usage today")
    months = verb(verbs, "month", _month, "tell the same of a month", "usage month 2026-11 --by provider")
    months.add_argument("month", nargs="?", help="such as 2026-11; the default is this one")
    for parser in (today, months):
        parser.add_argument("--tenant", help="of this tenant only")
        parser.add_argument("--mode", choices=("live", "test"), default="live", help="the default is live")
        parser.add_argument("--by", default="", help=f"a row for each of: {','.join(BY)}")


def _today(stage: Stage, args: argparse.Namespace) -> Said:
    today = stage.at.now().date()
    return _report(args, today, today)


def _month(stage: Stage, args: argparse.Namespace) -> Said:
    try:
        asked = date.fromisoformat(f"{args.month}-01") if args.month else stage.at.now().date()
    except ValueError:
        raise AdminError("send a month such as 2026-11") from None
    return _report(args, *month(asked.year, asked.month))


def _report(args: argparse.Namespace, first: date, last: date) -> Said:
    by = [name for name in args.by.split(",") if name]
    if not set(by) <= set(BY):
        raise AdminError(f"--by: use {','.join(BY)}")
    if args.tenant:
        known(args.tenant)
    names = [args.tenant] if args.tenant else [tenant.name for tenant in tenants.listed()]
    rows: list[dict[str, Any]] = []
    for name in names:
        spent = list(usage.read(name, args.mode, first, last))
        rows += [{"tenant": name, **row} for row in (grouped(spent, by) if by else [total(spent)])]
    return Said({"from": first.isoformat(), "to": last.isoformat(), "items": rows}, _text(rows))


def _text(rows: list[dict[str, Any]]) -> str | None:
    lines = []
    for row in rows:
        by = " ".join(str(row[name] or "-") for name in BY if name in row)
        lines.append(
            f"{row['tenant']} {by}: {row['jobs']} jobs, {row['succeeded']} succeeded, {row['failed']} failed,"
            f" {row['images']} images, {row['cost']['amount']:.2f} USD, {row['credits']:g} credits,"
            f" {row['charged_unknown']} charged: unknown"
        )
    return "\n".join(lines) or "none"
