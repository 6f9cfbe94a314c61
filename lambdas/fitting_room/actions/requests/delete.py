"""DELETE: mark a job or a subject to be erased, and report the copies that remain.

The erase function does the work. Only the mark counts: the sweep repeats a call of the function that is refused or
fails.
"""

from __future__ import annotations

from collections.abc import Iterator, Set
from typing import Any

from fitting_room import clock
from fitting_room.actions.job_view import find_job
from fitting_room.actions.requests.cancel import end_run
from fitting_room.actions.requests.subjects import find_subject
from fitting_room.clock import Clock
from fitting_room.jobs.errors import Refusal
from fitting_room.jobs.job import Job
from fitting_room.jobs.tombstone import Remaining
from fitting_room.providers.base import CatalogueEntry
from fitting_room.settings import settings
from fitting_room.stores import background, file_users, jobs, owners, subjects, tombstones
from fitting_room.stores.api_keys import Caller
from fitting_room.stores.items import request_erasure, set_due
from fitting_room.stores.offers import entry

GRACE = 180
"""Seconds that the erase function gets, longer than it may run, before the sweep calls it again."""


_UPLOADS_GO = "the last of these jobs is erased, or the files expire"
_LONGEST_OWNER = 128
_AT_ONCE = 100
"""Jobs of an owner that fit into one call of the API."""
SAME_PURCHASE = ("recovered_from", "recovered_by")
_SAME_IMAGES = (*SAME_PURCHASE, "retried_from", "retried_by")


def delete_job(job_id: str, caller: Caller, at: Clock) -> dict[str, Any]:
    """Return `{id, remains: [{provider, what, until}]}`; the same when asked again.

    Raises `Refusal` `not_found`.
    """
    tombstone = tombstones.get(job_id, at.now()) if clock.is_id(job_id, "job") else None
    if tombstone and caller.owns(tombstone):
        left = tombstone.remains
        if tombstone.owed:
            _want(jobs.key(job_id), at, job_id=job_id)
    else:
        job = find_job(job_id, caller, at)
        left = remains(job, at)
        for each in linked(job, SAME_PURCHASE, at):
            _want_job(each, at)
    return _answer(job_id, left)


def delete_subject(subject_id: str, caller: Caller, at: Clock) -> dict[str, Any]:
    """Delete a subject and answer as `delete_job` does.

    The jobs that made the subject, or tried to, go with it: they hold the images.
    """
    subject = find_subject(subject_id, caller, at)
    job = jobs.get(subject.job_id, at.now())
    _want(subjects.key(caller.tenant, subject_id), at, subject_id=subject_id, tenant=caller.tenant)
    for each in linked(job, _SAME_IMAGES, at) if job else ():
        _want_job(each, at)
    return _answer(subject_id, remains(job, at) if job else _kept(subject.provider, at))


def delete_owner(name: str, caller: Caller, at: Clock) -> dict[str, Any]:
    """Return `{owner, jobs, remains}` and have all erased that an owner has: jobs, subjects, and uploads made with tokens.

    The newest `_AT_ONCE` jobs are marked here, and `remains` is told from them; the erase function marks the others.
    """
    if len(name) > _LONGEST_OWNER:
        detail = f"An owner has at most {_LONGEST_OWNER} characters."
        raise Refusal.of(
            "invalid_input", detail, "Send the `owner` as its jobs have it, percent-encoded.", pointer="/owner"
        )
    owner = owners.find(caller.tenant, caller.mode, name)
    owners.erase_before(owner, at.now(), clock.later(at.now(), GRACE))
    now, found = at.now().timestamp(), owners.belongings(owner)
    for subject_id in (each for each in found if each.startswith("sub_")):
        if subjects.get(subject_id, caller.tenant, at.now()):
            delete_subject(subject_id, caller, at)
    job_ids = sorted((each for each in found if each.startswith("job_") and found[each] > now), reverse=True)
    left: list[Remaining] = []
    for job_id in job_ids[:_AT_ONCE]:
        if job := jobs.get(job_id, at.now()):
            left += remains(job, at, frozenset(job_ids))
            _want_job(job, at)
    background.ask({"owner": owner.partition})
    return {"owner": name, "jobs": len(job_ids), "remains": [one.model_dump() for one in _each_once(left)]}


def linked(job: Job, links: tuple[str, ...], at: Clock) -> Iterator[Job]:
    """Yield the job and the jobs that these fields lead to, each once."""
    seen, left = set(), [job.id]
    while left:
        if (job_id := left.pop()) in seen or (found := jobs.get(job_id, at.now())) is None:
            continue
        seen.add(job_id)
        yield found
        left += [linked for name in links if (linked := getattr(found, name))]


def _want_job(job: Job, at: Clock) -> None:
    """Mark a job, and with it the recovery of it, or the job that it recovers: they hold the same images."""
    for other_id in filter(None, (job.recovered_by, job.recovered_from)):
        other = jobs.get(other_id, at.now())
        if other and not other.erase_requested_at:
            _mark(other, at)
    _mark(job, at)


def _mark(job: Job, at: Clock) -> None:
    _want(jobs.key(job.id), at, job_id=job.id)
    if not job.final:
        end_run(job)


def invoke_erase(key: dict[str, str], at: Clock, **event: str) -> None:
    """Call the erase function for an item, and let the sweep look at the item again in case that call fails."""
    set_due(key, clock.later(at.now(), GRACE))
    background.ask(event)


def erases(provider: CatalogueEntry) -> bool:
    """Return whether a provider deletes its copies when asked.

    Its entry says so, or the stage does for its key.
    """
    return provider.erases or settings().deployment.provider_settings.get(provider.id, {}).get("erases") is True


def remains(job: Job, at: Clock, with_it: Set[str] = frozenset()) -> list[Remaining]:
    """Return what stays of a job that is erased, and until when. `with_it`: jobs that are erased with it."""
    found: list[Remaining] = []
    for attempt in job.attempts.values():
        provider = entry(attempt.provider, at)
        references = provider.references(job.request)
        if attempt.claimed_at and not erases(provider):
            found += _kept(provider.id, at)
        bought_blind = attempt.charged == "unknown" and not attempt.provider_job_id
        broke_off = job.final and not (
            attempt.claimed_at or attempt.outcome or job.failure
        )  # in making a reference, perhaps
        own = [role for role, kind in references.items() if not kind.shared and role not in attempt.references]
        if erases(provider) and (bought_blind or (broke_off and own)):
            found.append(
                Remaining(
                    provider=provider.id,
                    what="what a call without an answer may have left",
                    until=provider.retention,
                )
            )
        if any(kind.shared for role, kind in references.items() if role in attempt.references):
            found.append(
                Remaining(
                    provider=provider.id,
                    what="references of garments that your other jobs use",
                    until=provider.retention,
                )
            )
    subject = subjects.get(job.subject, job.tenant, at.now()) if job.subject else None
    if subject and subject.status != "failed" and not subject.erase_requested_at:
        found.append(
            Remaining(
                provider=subject.provider,
                what=f"the subject {subject.id} that this job made",
                until=f"DELETE /v1/subjects/{subject.id}",
            )
        )
    if any(file_users.others(key, {job.id, *with_it}) for key in file_users.files(job)):
        found.append(Remaining(provider="", what="uploaded files that your other jobs use", until=_UPLOADS_GO))
    return _each_once(found)


def _each_once(found: list[Remaining]) -> list[Remaining]:
    return list({one.model_dump_json(): one for one in found}.values())


def _kept(provider_id: str, at: Clock) -> list[Remaining]:
    provider = entry(provider_id, at)
    return (
        []
        if erases(provider)
        else [Remaining(provider=provider.id, what="images sent and made", until=provider.retention)]
    )


def _want(key: dict[str, str], at: Clock, **event: str) -> None:
    request_erasure(key, event.get("job_id") or event["subject_id"], at.now(), clock.later(at.now(), GRACE))
    background.ask(event)


def _answer(item_id: str, left: list[Remaining]) -> dict[str, Any]:
    return {"id": item_id, "remains": [one.model_dump() for one in left]}
