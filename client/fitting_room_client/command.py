"""The command `fitting-room`: one try-on from two files, or a manifest of them, and a look at jobs and providers."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from fitting_room_client import batch_command
from fitting_room_client.client import FittingRoom
from fitting_room_client.core import JOB_SECONDS
from fitting_room_client.errors import FittingRoomError
from fitting_room_client.models import Cost, Fault, Job
from fitting_room_client.requests import bad, way_of
from fitting_room_client.results import Result

LOCAL = ".local/endpoints.json"
FORMATS = {".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg", ".webp": "webp"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Return 0, or 1 after it said why not. Wrong arguments end with 2, as argparse does it."""
    asked = _parser().parse_args(arguments)
    try:
        url, key = _place(asked)
        with FittingRoom(url, key) as fr:
            asked.do(fr, asked)
            sys.stdout.flush()
    except FittingRoomError as error:
        _complain(error)
    except BrokenPipeError:  # the reader, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        print(f"error: {error.filename or ''}: {error.strerror or error}", file=sys.stderr)
    except KeyboardInterrupt:
        print("interrupted; a job or batch that was submitted goes on", file=sys.stderr)
    else:
        return 0
    return 1


def _try(fr: FittingRoom, asked: argparse.Namespace) -> None:
    _check(asked.output)
    fields = _fields(asked.set)
    fields["output"] = {"format": FORMATS[asked.output.suffix.lower()], **fields.get("output", {})}
    result = fr.try_on(
        _image(asked.person),
        _image(asked.garment),
        provider=asked.provider,
        category=asked.category,
        deadline=asked.deadline,
        on_change=_progress(),
        **fields,
    )
    _save(result, asked.output)


def _estimate(fr: FittingRoom, asked: argparse.Namespace) -> None:
    estimate = fr.estimate(
        _image(asked.person),
        _image(asked.garment),
        provider=asked.provider,
        category=asked.category,
        **_fields(asked.set),
    )
    plan = ((offer.provider, offer.model, offer.images, offer.cost, offer.starts_at) for offer in estimate.plan)
    _table(("PROVIDER", "MODEL", "IMAGES", "AT MOST", "STARTS"), plan)
    if estimate.excluded:
        print()
        _table(("CANNOT", "WHY"), ((no.provider, no.detail) for no in estimate.excluded))


def _providers(fr: FittingRoom, _: argparse.Namespace) -> None:
    rows = []
    for provider in fr.providers():
        prices = dict.fromkeys(str(Cost.model_validate(price)) for price in provider.prices)
        rows.append((provider.id, "yes" if provider.usable else "no", " or ".join(prices), " ".join(provider.tasks)))
    _table(("PROVIDER", "USABLE", "ONE IMAGE", "TASKS"), rows)


def _list(fr: FittingRoom, asked: argparse.Namespace) -> None:
    filters = {name: getattr(asked, name) for name in ("status", "provider", "owner", "reference")}
    jobs = fr.jobs.list(limit=min(asked.limit, 100), **filters)
    rows = (
        (job.id, job.status, job.step, job.provider, job.created_at, job.reference) for job in _first(asked.limit, jobs)
    )
    _table(("JOB", "STATUS", "STEP", "PROVIDER", "CREATED", "REFERENCE"), rows)


def _show(fr: FittingRoom, asked: argparse.Namespace) -> None:
    if asked.output:
        _check(asked.output)
        _save(fr.jobs.result(asked.job), asked.output)
    else:
        _print_job(fr.jobs.get(asked.job), links=asked.links)


def _cancel(fr: FittingRoom, asked: argparse.Namespace) -> None:
    job = fr.jobs.cancel(asked.job)
    charged = {attempt.charged for attempt in job.attempts}
    told = next((word for word in ("yes", "unknown") if word in charged), "no")
    print(f"{job.id} is {job.status}; charged: {told}")


def _recover(fr: FittingRoom, asked: argparse.Namespace) -> None:
    job = fr.jobs.recover(asked.job)
    print(f"{job.id} fetches what {asked.job} may have paid for: fitting-room jobs show {job.id}")


def _parser() -> argparse.ArgumentParser:
    place = argparse.ArgumentParser(add_help=False)
    place.add_argument("--url", help="the address of the API; else FITTING_ROOM_URL")
    place.add_argument("--key", help="an API key; else FITTING_ROOM_KEY, which other users of the machine cannot see")
    place.add_argument("--local", nargs="?", const=LOCAL, metavar="FILE", help=f"take both from {LOCAL}, or from FILE")
    order = argparse.ArgumentParser(add_help=False, parents=[place])
    order.add_argument("person", help="a file, an https link, or the id of an upload or of a subject")
    order.add_argument("garment", help="the same")
    order.add_argument("--provider", default="auto")
    order.add_argument("--category", help="tops, bottoms, one_piece, ...")
    order.add_argument("--set", action="append", default=[], metavar="FIELD=VALUE", help="such as output.count=2")

    parser = argparse.ArgumentParser(prog="fitting-room", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    make = commands.add_parser("try", parents=[order], help="put a garment on a person, and save the image")
    make.add_argument("-o", "--output", type=Path, required=True, metavar="FILE", help="a .png, .jpg or .webp")
    make.add_argument(
        "--deadline", type=float, default=JOB_SECONDS, metavar="SECONDS", help="then the job goes on alone"
    )
    make.set_defaults(do=_try)
    _command(commands, "estimate", order, _estimate, "say which providers can do it, and what it costs; sends no file")
    _command(commands, "providers", place, _providers, "list the providers")

    jobs = commands.add_parser("jobs", help="list, show, cancel, recover").add_subparsers(
        required=True, metavar="COMMAND"
    )
    listing = _command(jobs, "list", place, _list, "the newest jobs")
    for name in ("status", "provider", "owner", "reference"):
        listing.add_argument(f"--{name}")
    listing.add_argument("--limit", type=int, default=20)
    show = _command(jobs, "show", place, _show, "print a job, or save its images")
    show.add_argument("--links", action="store_true", help="with the links of its images, which anybody can open")
    show.add_argument("-o", "--output", type=Path, metavar="FILE")
    cancel = _command(jobs, "cancel", place, _cancel, "end a job")
    recover = _command(jobs, "recover", place, _recover, "fetch what a job may have paid for; buys nothing")
    for command in (show, cancel, recover):
        command.add_argument("job")
    batch_command.add(commands, place, _fields)
    return parser


def _command(
    commands: Any, name: str, parent: argparse.ArgumentParser, do: Callable[..., None], told: str
) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = commands.add_parser(name, parents=[parent], help=told)
    command.set_defaults(do=do)
    return command


def _place(asked: argparse.Namespace) -> tuple[str | None, str | None]:
    """Return address and key; the environment has those that are None."""
    if asked.local is None:
        return asked.url, asked.key
    try:
        local = json.loads(Path(asked.local).read_text())
        return asked.url or local["api"], asked.key or local["api_key"]
    except (OSError, ValueError, KeyError, TypeError):
        detail = f"{asked.local} does not say where the local cloud is."
        raise bad("--local", detail, "Start it with `make up`, and run this in its folder.") from None


def _image(text: str) -> Any:
    return text if way_of(text) else Path(text)


def _fields(settings: Iterable[str]) -> dict[str, Any]:
    """Make `{"output": {"count": 2}}` of `output.count=2`; what is no JSON is a text."""
    fields: dict[str, Any] = {}
    for setting in settings:
        path, equals, value = setting.partition("=")
        *outer, last = path.split(".")
        place: Any = fields
        for name in outer:
            place = place.setdefault(name, {}) if isinstance(place, dict) else None
        if not equals or not all((*outer, last)) or not isinstance(place, dict):
            raise bad("--set", f"{setting!r} sets no field.", "Write it as output.count=2.")
        try:
            place[last] = json.loads(value)
        except ValueError:
            place[last] = value
    return fields


def _check(output: Path) -> None:
    """Refuse an output that cannot be written, before anything is bought."""
    if output.suffix.lower() not in FORMATS:
        raise bad("--output", f"{output.name} has no suffix of an image.", f"Use {', '.join(FORMATS)}.")
    if not output.parent.is_dir():
        raise bad("--output", f"There is no folder {output.parent}.", "Make it, or name another one.")


def _progress() -> Callable[[Job], None]:
    began = time.monotonic()

    def show(job: Job) -> None:
        print(f"{job.id}  {job.step:<16} {time.monotonic() - began:6.1f} s  {job.provider or ''}", file=sys.stderr)

    return show


def _save(result: Result, output: Path) -> None:
    """Save the first image under the name that was asked for, and number the next ones."""
    for warning in result.job.warnings:
        print(f"warning: {warning.detail} {warning.remedy}", file=sys.stderr)
    for n, picture in enumerate(result.images, 1):
        print(picture.save(output if n == 1 else output.with_stem(f"{output.stem}_{n}")))
    if result.mask:
        print(result.mask.save(output.with_stem(f"{output.stem}_mask").with_suffix(f".{result.mask.image.format}")))


def _print_job(job: Job, *, links: bool) -> None:
    hidden: Any = None if links else {"images": {"__all__": {"url"}}, "mask": {"url"}}
    print(job.model_dump_json(indent=2, exclude=hidden))


def _table(titles: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    lines = [tuple(map(_cell, row)) for row in (titles, *rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def _cell(value: object) -> str:
    if isinstance(value, datetime):
        return value.astimezone(timezone.utc).strftime("%Y-%m-%d %H:%M:%SZ")
    return "" if value is None else str(value)


def _first(count: int, jobs: Iterable[Job]) -> Iterable[Job]:
    return (job for _, job in zip(range(count), jobs, strict=False))


def _complain(error: FittingRoomError) -> None:
    for fault in error.faults:
        print(f"error: {fault.detail}", file=sys.stderr)
        for name, told in (("field", fault.pointer), ("remedy", fault.remedy), ("provider", _vendor(fault))):
            if told:
                print(f"  {name}: {told}", file=sys.stderr)
    if error.job:
        print(f"  job: {error.job.id}", file=sys.stderr)


def _vendor(fault: Fault) -> str:
    return f"{fault.provider or ''} said: {fault.provider_detail}" if fault.provider_detail else ""


if __name__ == "__main__":
    sys.exit(main())
