"""`fitting-room batch`: run a manifest to the contact sheet, and look after batches."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fitting_room_client.client import FittingRoom
from fitting_room_client.errors import FittingRoomError
from fitting_room_client.models import Batch, Fault

_BAR = 30
_LINE_SECONDS = 30
"""Between two lines of progress where nobody sees a bar."""
_REASONS = 5
"""Why rows are invalid, as told before anything is bought."""
_KINDS = ("succeeded", "reused", "failed", "invalid", "cancelled")


def add(commands: Any, place: argparse.ArgumentParser, fields: Callable[[list[str]], dict[str, Any]]) -> None:
    """Add `batch` and its verbs. `fields`: what makes an object of `--set`."""
    verbs = commands.add_parser("batch", help="run a manifest; list, show, cancel, resume").add_subparsers(
        required=True, metavar="COMMAND"
    )
    run = verbs.add_parser("run", parents=[place], help="run a manifest, and save images, report and contact sheet")
    run.add_argument("manifest", type=Path, help="a .csv, .jsonl or .json; its files are uploaded")
    run.add_argument("--max-cost", type=float, metavar="USD", help="refuse the batch if it can cost more")
    run.add_argument("--max-images", type=int, metavar="N", help="refuse the batch if it can make more")
    run.add_argument("--reference", help="a name of your own for the batch")
    run.add_argument("--set", action="append", default=[], metavar="FIELD=VALUE", help="for rows that do not give it")
    asking = run.add_mutually_exclusive_group()
    asking.add_argument("--yes", action="store_true", help="do not ask before anything is bought")
    asking.add_argument("--hold", action="store_true", help="stop at the estimate, for `batch resume`")
    run.set_defaults(do=lambda fr, asked: _run(fr, asked, fields(asked.set)))
    listing = verbs.add_parser("list", parents=[place], help="the newest batches")
    listing.add_argument("--limit", type=int, default=20)
    listing.set_defaults(do=_list)
    show = verbs.add_parser("show", parents=[place], help="print a batch, or save it with -o")
    resume = verbs.add_parser("resume", parents=[place], help="go on with a paused batch, and follow it to its end")
    cancel = verbs.add_parser("cancel", parents=[place], help="run no further row, and cancel open ones")
    for verb, do in ((show, _show), (resume, _resume), (cancel, _cancel)):
        verb.add_argument("batch")
        verb.set_defaults(do=do)
    for verb in (run, show, resume):
        verb.add_argument("-o", "--output", type=Path, metavar="FOLDER", help="where to save it")


def _run(fr: FittingRoom, asked: argparse.Namespace, defaults: dict[str, Any]) -> None:
    ask = not asked.yes and sys.stdin.isatty()
    batch = fr.batches.create(
        asked.manifest,
        on_upload=lambda done, of: _tell(f"{done} of {of} files uploaded", last=done == of),
        defaults=defaults or None,
        max_cost={"amount": asked.max_cost, "currency": "USD"} if asked.max_cost else None,
        max_images=asked.max_images,
        reference=asked.reference or asked.manifest.name,
        hold=True if asked.hold or ask else None,
    )
    print(batch.id, file=sys.stderr)
    batch = fr.batches.wait(batch, on_change=_progress())
    if batch.status == "paused" and not batch.paused_for:
        most = f"at most {batch.images.get('most')} images and {batch.cost.most} at list prices"
        print("\n".join([f"{_counted(batch)}; {most}", *_invalid(batch)]), file=sys.stderr)
        if asked.hold or not _agreed():
            print(f"nothing is bought; to run it: fitting-room batch resume {batch.id}", file=sys.stderr)
            return
        fr.batches.resume(batch.id)
        batch = fr.batches.wait(batch.id, on_change=_progress())
    _end(fr, batch, asked.output or asked.manifest.with_suffix(""))


def _resume(fr: FittingRoom, asked: argparse.Namespace) -> None:
    fr.batches.resume(asked.batch)
    _end(fr, fr.batches.wait(asked.batch, on_change=_progress()), asked.output)


def _end(fr: FittingRoom, batch: Batch, folder: Path | None) -> None:
    """Save a batch, and fail if some of its rows have no result."""
    if batch.status == "paused":
        again = Fault(code="paused", detail=f"The batch is paused. Go on: fitting-room batch resume {batch.id}")
        raise FittingRoomError(*([batch.paused_for] if batch.paused_for else []), again)
    if folder:
        _save(fr, batch.id, folder)
    print(f"{_counted(batch)}; spent {batch.cost.spent}", file=sys.stderr)
    if batch.errors:
        raise FittingRoomError(*batch.errors)
    if without := batch.counts.get("rows", 0) - batch.counts.get("succeeded", 0):
        detail = f"{without} of {batch.counts['rows']} rows have no result."
        remedy = "See report.csv. Run the manifest again: only what is missing is bought."
        raise FittingRoomError(Fault(code=f"batch_{batch.status}", detail=detail, remedy=remedy))


def _save(fr: FittingRoom, batch_id: str, folder: Path) -> None:
    page = fr.batches.save(
        batch_id, folder, on_page=lambda done, of: _tell(f"page {done} of {of} saved", last=done == of)
    )
    print(page)


def _list(fr: FittingRoom, asked: argparse.Namespace) -> None:
    for batch in fr.batches.page(limit=asked.limit).items:
        print("  ".join((batch.id, f"{batch.status:<9}", _counted(batch), batch.reference or "")).rstrip())


def _show(fr: FittingRoom, asked: argparse.Namespace) -> None:
    if asked.output:
        _save(fr, asked.batch, asked.output)
    else:
        print(fr.batches.get(asked.batch).model_dump_json(indent=2))


def _cancel(fr: FittingRoom, asked: argparse.Namespace) -> None:
    batch = fr.batches.cancel(asked.batch)
    print(f"{batch.id} is {batch.status}: {_counted(batch)}; spent {batch.cost.spent}")


def _counted(batch: Batch) -> str:
    parts = [f"{batch.counts[kind]} {kind}" for kind in _KINDS if batch.counts.get(kind)]
    return ", ".join([f"{batch.counts.get('rows', 0)} rows", *parts])


def _invalid(batch: Batch) -> list[str]:
    """Return why rows are invalid: the commonest reasons, and how to see each row."""
    found = [each for each in batch.row_errors if each.line is not None]
    lines = [
        f"  {each.count} invalid{f' at {each.pointer}' if each.pointer else ''}, first in line {each.line}:"
        f" {each.detail} {each.remedy}"
        for each in found[:_REASONS]
    ]
    return [*lines, f"  to see each row: fitting-room batch show {batch.id} -o FOLDER"] if lines else []


def _agreed() -> bool:
    print("run it? [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _progress() -> Callable[[Batch], None]:
    """Show a bar to a person, and a line now and then to a log."""
    told = -float(_LINE_SECONDS)

    def show(batch: Batch) -> None:
        nonlocal told
        of = batch.counts.get("rows", 0)
        bar = "#" * (_BAR * batch.done // of if of else 0)
        left = f", {_minutes(batch.seconds_left)} left" if batch.seconds_left else ""
        line = f"{_counted(batch)}, {batch.cost.spent}{left}"
        last = batch.over or batch.status == "paused"
        if sys.stderr.isatty():
            _tell(f"[{bar:<{_BAR}}] {batch.done}/{of}  {line}", last=last)
        elif last or time.monotonic() - told >= _LINE_SECONDS:
            told = time.monotonic()
            print(f"{batch.status}: {line}", file=sys.stderr)

    return show


def _minutes(seconds: int) -> str:
    return f"{seconds} s" if seconds < 100 else f"{round(seconds / 60)} min"


def _tell(line: str, *, last: bool) -> None:
    """Write over the last line of a terminal; a log gets the last one only."""
    if sys.stderr.isatty():
        print(f"\r\033[K{line}", end="\n" if last else "", file=sys.stderr, flush=True)
    elif last:
        print(line, file=sys.stderr)
