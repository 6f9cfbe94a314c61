"""Find jobs, and act on one: with the rights of its tenant, by the same actions as over HTTP."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import islice
from typing import Any

from admin.command import Group, Said, noun, verb
from admin.stage import AdminError, Stage
from admin.tenant import known
from fitting_room.actions.job_view import summary
from fitting_room.actions.requests.cancel import cancel
from fitting_room.actions.requests.recover import recover
from fitting_room.actions.requests.retry import retry
from fitting_room.jobs.errors import Refusal
from fitting_room.jobs.job import Job, Mode
from fitting_room.stores import jobs, tenants, tombstones
from fitting_room.stores.api_keys import Caller, allowed
from fitting_room.stores.items import due_now

STUCK = timedelta(minutes=10)
"""How long the sweep is behind with a job that counts as stuck."""
_AHEAD = timedelta(days=2)
"""No open job is looked at later than that."""
_MODES: tuple[Mode, ...] = ("live", "test")


def add(nouns: Group) -> None:
    verbs = noun(nouns, "job", "find jobs; show, cancel, retry or recover one")
    listing = verb(verbs, "list", _list, "list jobs, the newest first", "job list --tenant shop --failed --limit 20")
    listing.add_argument("--tenant", help="of this tenant only")
    listing.add_argument("--mode", choices=_MODES, help="of live or of test keys only")
    listing.add_argument("--failed", action="store_true", help="only jobs that failed")
    listing.add_argument(
        "--stuck", action="store_true", help="only open jobs whose run broke, or that nobody looked at"
    )
    listing.add_argument("--reference", help="only jobs with exactly this `reference`")
    listing.add_argument("--owner", help="only jobs with exactly this `owner`")
    listing.add_argument("--limit", type=int, default=20, help="1 to 1000; the default is 20")
    listing.add_argument("--cursor", help="`next_cursor` of the page before; needs --tenant and --mode")
    for name, run, summary_, example in (
        ("show", _show, "show one job, without links to its images", "job show job_01..."),
        ("cancel", _cancel, "stop a job; what it bought is kept", "job cancel job_01..."),
        ("retry", _retry, "do a failed or cancelled job again, as a new job", "job retry job_01... --buy-again"),
        (
            "recover",
            _recover,
            "fetch what a failed or cancelled job paid for, as a new job that buys nothing",
            "job recover job_01... --provider-job-id 9f2c",
        ),
    ):
        one = verb(verbs, name, run, summary_, example)
        one.add_argument("job")
        if name == "retry":
            one.add_argument("--buy-again", action="store_true", help="even if the job was or may have been charged")
        if name == "recover":
            one.add_argument("--provider-job-id", help="the id that you found in the provider's account")


def _list(stage: Stage, args: argparse.Namespace) -> Said:
    if not 1 <= args.limit <= 1000:
        raise AdminError("--limit: send 1 to 1000")
    if args.tenant:
        known(args.tenant)
    if args.stuck:
        if args.failed or args.cursor:
            raise AdminError(
                "--stuck: leave out --failed and --cursor; stuck jobs are open, and their list has one page"
            )
        rows = [_row(job) for job in islice(_stuck(stage, args), args.limit)]
        return _page(rows, None)
    if args.tenant and args.mode:
        page = _read(stage, args, args.tenant, args.mode, args.cursor)
        return _page([_row(job) for job in page.jobs], page.cursor)
    if args.cursor:
        raise AdminError("--cursor: send --tenant and --mode, as for the page before")
    names = [args.tenant] if args.tenant else [tenant.name for tenant in tenants.listed()]
    found = [
        job
        for name in names
        for mode in _MODES
        if args.mode in (None, mode)
        for job in _read(stage, args, name, mode, None).jobs
    ]
    newest = sorted(found, key=lambda job: job.id, reverse=True)[: args.limit]
    return _page([_row(job) for job in newest], None)


def _page(rows: list[dict[str, Any]], cursor: str | None) -> Said:
    lines = [
        f"{row['id']}  {row['created_at']}  {row['tenant']}/{row['mode']}  {row['task']}  {row['provider']}"
        f"  {row['status']}{' ' + row['error']['code'] + ': ' + row['error']['detail'] if row['error'] else ''}"
        for row in rows
    ]
    text = "\n".join(lines) or "none"
    return Said({"items": rows, "next_cursor": cursor}, text + (f"\nmore: --cursor {cursor}" if cursor else ""))


def _read(stage: Stage, args: argparse.Namespace, tenant: str, mode: Mode, cursor: str | None) -> jobs.Page:
    facts = {name: value for name in ("reference", "owner") if (value := getattr(args, name)) is not None}
    wanted: Callable[[Job], bool] | None = (lambda job: job.status == "failed") if args.failed else None
    try:
        return jobs.listed(tenant, mode, stage.at.now(), limit=args.limit, cursor=cursor, facts=facts, wanted=wanted)
    except ValueError:
        raise AdminError("--cursor: send `next_cursor` of the page before, as it is") from None


def _stuck(stage: Stage, args: argparse.Namespace) -> Iterator[Job]:
    """Yield open jobs that wait for their next run, and those whose turn at the sweep is long over."""
    now = stage.at.now()
    behind = {key["pk"] for key in due_now(now - STUCK)}
    ids = (key["pk"].removeprefix("JOB#") for key in due_now(now + _AHEAD) if key["sk"] == "JOB")
    while some := list(islice(ids, 100)):
        for job in jobs.many(some, now):
            stuck = job.run > 1 or job.resume_at is not None or jobs.key(job.id)["pk"] in behind
            if stuck and not job.final and _asked_for(job, args):
                yield job


def _asked_for(job: Job, args: argparse.Namespace) -> bool:
    found = {"tenant": job.tenant, "mode": job.mode, "reference": job.request.reference, "owner": job.request.owner}
    return all(getattr(args, name) in (None, value) for name, value in found.items())


def _show(stage: Stage, args: argparse.Namespace) -> Said:
    job = jobs.get(args.job, stage.at.now())
    if job is None:
        if stone := tombstones.get(args.job, stage.at.now()):
            return Said({"id": stone.id, "tenant": stone.tenant, "mode": stone.mode, "erased_at": stone.erased_at})
        raise _no_job(args.job)
    shown = {"id": job.id, "tenant": job.tenant, "mode": job.mode, "run": job.run, "plan": job.plan, "drop": job.drop}
    return Said(shown | summary(job, stage.at))


def _cancel(stage: Stage, args: argparse.Namespace) -> Said:
    return Said(_row(cancel(args.job, _owner(stage, args.job), stage.at)))


def _retry(stage: Stage, args: argparse.Namespace) -> Said:
    body = {"buy_again": args.buy_again}
    return Said(_row(retry(args.job, body, _owner(stage, args.job), stage.at).job))


def _recover(stage: Stage, args: argparse.Namespace) -> Said:
    caller = _owner(stage, args.job)
    return Said(_row(recover(args.job, caller, stage.at, provider_job_id=args.provider_job_id).job))


def _owner(stage: Stage, job_id: str) -> Caller:
    job = jobs.get(job_id, stage.at.now())
    if job is None:
        raise _no_job(job_id)
    return Caller(job.tenant, job.mode, allowed(job.tenant))


def _no_job(job_id: str) -> Refusal:
    return Refusal.of("not_found", f"There is no job {job_id}.", "Check the id and the stage.")


def _row(job: Job) -> dict[str, Any]:
    return {
        "id": job.id,
        "tenant": job.tenant,
        "mode": job.mode,
        "task": job.task,
        "status": job.status,
        "step": job.step,
        "provider": job.latest.provider if job.latest else job.provider,
        "charged": [attempt.charged for attempt in job.attempts.values()],
        "error": job.error.model_dump(exclude_none=True) if job.error else None,
        "run": job.run,
        "owner": job.request.owner,
        "reference": job.request.reference,
        "created_at": job.created_at,
        "finished_at": job.finished_at,
        "retried_from": job.retried_from,
        "recovered_from": job.recovered_from,
    }
