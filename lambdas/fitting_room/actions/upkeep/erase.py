"""Erase a job, a subject, or all of an owner: what is ours at once, then what vendors keep and delete when asked.

The data in this deployment go at once. Vendors are then asked to delete their copies, as long as they need.
Everything here may be done again: data that are gone count as erased.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import cast

from fitting_room import clock
from fitting_room.actions.batch.reports import forget_row
from fitting_room.actions.drops import results as drop_results
from fitting_room.actions.requests.delete import GRACE, erases, remains
from fitting_room.actions.workflow.attempts import connect
from fitting_room.actions.workflow.settle import pay_debt
from fitting_room.clock import Clock
from fitting_room.jobs.job import Attempt, Job
from fitting_room.jobs.tombstone import Tombstone, VendorCopy
from fitting_room.observability import MetricUnit, error_facts, logger, metrics
from fitting_room.providers.adapter import Eraser
from fitting_room.settings import settings
from fitting_room.stores import (
    batch_rows,
    batches,
    debts,
    deliveries,
    file_users,
    jobs,
    media,
    owners,
    reusable,
    subjects,
    tokens,
    tombstones,
    uploads,
    usage,
)
from fitting_room.stores.items import clear_due, request_erasure, set_due
from fitting_room.stores.offers import entry

LOOK_AGAIN = 60
"""Seconds until an item is looked at again whose job is not over yet."""
KEEP_ASKING = timedelta(days=7)
LONGEST_PAUSE = 6 * 3600
KEEP_TOMBSTONE = timedelta(days=30)
METRIC = "ErasureFailed"


def erase_job(job_id: str, at: Clock) -> None:
    """Erase a job that is marked for it.

    A job that is not over yet is examined later, because its later results would outlive it.
    """
    job = jobs.get(job_id, at.now())
    if job is None:
        if tombstone := tombstones.get(job_id, at.now()):
            _ask_vendors(tombstone, at)
    elif job.erase_requested_at and not job.final:
        set_due(jobs.key(job.id), clock.later(at.now(), LOOK_AGAIN))
    elif job.erase_requested_at:
        _ask_vendors(_bury(job, at), at)


def erase_subject(subject_id: str, tenant: str, at: Clock) -> None:
    """Erase a subject that is marked for it, the vendor's copy first.

    A subject is gone only when that copy is.
    """
    subject = subjects.get(subject_id, tenant, at.now())
    if subject is None or not subject.erase_requested_at:
        return
    job = jobs.get(subject.job_id, at.now())
    copy = _made(subject, job, at)
    deleted = copy is None or _deleted(copy, at)
    if job and not job.final:
        set_due(subjects.key(tenant, subject_id), clock.later(at.now(), LOOK_AGAIN))
    elif deleted and subjects.remove(subject):
        if subject.owner:
            owners.forget(owners.find(tenant, "live", subject.owner), subject_id)
        logger.info("subject erased", subject_id=subject_id)
    elif look_at := _next_try(subject.erase_requested_at, at):
        set_due(subjects.key(tenant, subject_id), look_at)
    else:
        subjects.give_up(subject, at.now())
        _alarm(subject_id)


def erase_owner(partition: str, at: Clock) -> None:
    """Mark all that an owner had when erasing was asked for; the sweep calls for each of them. Uploads go at once.

    A form may still be sent after that, so uploads are looked at once more when it has ended.
    """
    owner = owners.at(partition)
    before = owners.erased_before(owner)
    if before is None:
        return
    again = clock.later(clock.parse(before), media.LINK_SECONDS + LOOK_AGAIN)
    forms_open = False
    for name in owners.belongings(owner):
        if name.startswith("upl_"):
            forms_open |= _remove_upload(owner, name, before, last=clock.text(at.now()) >= again)
        else:
            _mark(owner, name, before, at)
    if forms_open:
        set_due(owner.mark, again)
    else:
        clear_due(owner.mark)


def _remove_upload(owner: owners.Owner, upload_id: str, before: str, *, last: bool) -> bool:
    """Whether the upload's file may still arrive."""
    upload = uploads.find(upload_id)
    if upload and upload.created_at > before:
        return False
    if upload:
        media.remove([upload.key], bucket=settings().inbox_bucket)
    if upload is None or last:
        uploads.remove(upload_id)
        owners.forget(owner, upload_id)
        return False
    return True


def _mark(owner: owners.Owner, name: str, before: str, at: Clock) -> None:
    now = at.now()
    if name.startswith("sub_"):
        subject = subjects.get(name, owner.tenant, now)
        if subject and subject.created_at <= before and not subject.erase_requested_at:
            request_erasure(subjects.key(owner.tenant, name), name, now, clock.text(now))
        return
    if name.startswith("tok_"):
        if tokens.remove(name.removeprefix("tok_"), before):
            owners.forget(owner, name)
        return
    if name.startswith(usage.OF_OWNER):
        if jobs.get(usage.job_of(name), now) is None:  # it has expired; other jobs are erased with their figures
            usage.forget_owner(owner, name)
        return
    job = jobs.get(name, now)
    if job and job.created_at <= before and not job.erase_requested_at:
        request_erasure(jobs.key(name), name, now, clock.text(now))


def _bury(job: Job, at: Clock) -> Tombstone:
    """Delete its pictures, and put a tombstone in the place of its record.

    Pictures first: only the record knows them.
    """
    if job.subject:  # or the subject would be in training for ever
        pay_debt(job, "subject", at)
    config, now = settings(), at.now()
    media.remove(found.key for found in media.listing(config.media_bucket, f"staging/{job.id}/", deep=True))
    media.remove(_results(job, at))
    files = file_users.files(job)
    unused = [key for key in files if file_users.forget(key, job.id)]
    if job.drop and unused == files:  # its owner may stand in it; without it, files that stay would look like a pair
        unused.append(f"drop/{job.tenant}/{job.drop}/job.json")
    media.remove(unused, bucket=config.inbox_bucket)
    debts.remove_all(job.id)
    usage.forget_owner_of(job)
    deliveries.remove(job.id)
    owners.forget_job(job)
    reusable.forget(job)
    _forget_row(job, at)
    tombstone = Tombstone(
        id=job.id,
        tenant=job.tenant,
        mode=job.mode,
        erase_requested_at=str(job.erase_requested_at),
        erased_at=clock.text(now),
        remains=remains(job, at),
        owed=list(_copies(job, at)),
        expires_at=clock.text(now + KEEP_TOMBSTONE),
    )
    tombstones.put(tombstone, clock.later(now, GRACE) if tombstone.owed else None)
    logger.info("job erased", job_id=job.id)
    return tombstone


def _results(job: Job, at: Clock) -> list[str]:
    """Return the keys of its results. Other jobs have theirs in the same drop folder.

    Release 0.1.0 put images of test keys into another folder.
    """
    if job.drop:
        return list(drop_results.files_of(job, at))
    listed = {found.key for found in media.listing(settings().media_bucket, f"{job.results_prefix}/")}
    return sorted(listed | {image.key for image in (*job.images, job.mask) if image})


def _forget_row(job: Job, at: Clock) -> None:
    """Blank the job's row, and remove what the batch has stored of it."""
    if job.batch is None or job.row is None:
        return
    batch_rows.blank(job.batch, job.row)
    if batch := batches.get(job.batch, at.now()):
        forget_row(batch, job.row)


def _ask_vendors(tombstone: Tombstone, at: Clock) -> None:
    if not tombstone.owed:
        clear_due(jobs.key(tombstone.id))
        return
    kept = [copy for copy in tombstone.owed if not _deleted(copy, at)]
    late = [copy for copy in tombstone.owed if copy not in kept and at.now() < _last_write(copy, tombstone, at)]
    owed, look_at = kept + late, None
    if kept:
        look_at = _next_try(tombstone.erase_requested_at, at)
    elif late:
        look_at = clock.text(max(_last_write(copy, tombstone, at) for copy in late))
    failed_at = clock.text(at.now()) if owed and look_at is None else None
    tombstones.put(tombstone.model_copy(update={"owed": owed, "erase_failed_at": failed_at}), look_at)
    if failed_at:
        _alarm(tombstone.id)


def _copies(job: Job, at: Clock) -> Iterator[VendorCopy]:
    """Yield the copies that providers keep of this job alone.

    References that other jobs of the tenant use stay. A subject has a DELETE of its own.
    """
    for attempt in job.attempts.values():
        provider = entry(attempt.provider, at)
        if not erases(provider):
            continue
        if attempt.provider_job_id and not (job.subject and _made_the_subject(job, attempt, at)):
            yield VendorCopy(
                provider=provider.id, what="reference" if job.subject else "job", id=attempt.provider_job_id
            )
        kinds = provider.references(job.request)
        yield from (
            VendorCopy(provider=provider.id, what="reference", id=made)
            for role, made in attempt.references.items()
            if not kinds[role].shared
        )


def _made_the_subject(job: Job, attempt: Attempt, at: Clock) -> bool:
    """Return whether the attempt made the subject.

    A failed job has made it too if its recovery fetched it.
    """
    if job.status == "succeeded" and job.latest is attempt:
        return True
    subject = subjects.get(str(job.subject), job.tenant, at.now())
    return subject is not None and subject.made_id == attempt.provider_job_id


def _made(subject: subjects.StoredSubject, job: Job | None, at: Clock) -> VendorCopy | None:
    """Return the vendor's copy of a subject, made or in the making.

    None where nothing was made, or where the vendor does not delete it.
    """
    made_id, provider = subject.made_id, subject.provider
    if made_id is None and job and job.latest:
        made_id, provider = job.latest.provider_job_id, job.latest.provider
    if made_id is None or not erases(entry(provider, at)):
        return None
    return VendorCopy(provider=provider, what="reference", id=made_id)


def _deleted(copy: VendorCopy, at: Clock) -> bool:
    try:
        vendor = cast(Eraser, connect(entry(copy.provider, at), at))
        return vendor.erase_job(copy.id) if copy.what == "job" else vendor.erase_reference(copy.id)
    except (
        Exception
    ) as error:  # a key that is missing, an adapter that breaks: the other copies are asked for all the same
        logger.error("a provider could not be asked to delete", provider=copy.provider, **error_facts(error))
        return False


def _last_write(copy: VendorCopy, tombstone: Tombstone, at: Clock) -> datetime:
    """Return the time until which a provider may still write what it made for an erased job."""
    return clock.parse(tombstone.erase_requested_at) + timedelta(seconds=entry(copy.provider, at).late)


def _next_try(requested_at: str, at: Clock) -> str | None:
    """Return the time of the next try, or None when it is time to give up.

    The pause grows with the time since the request.
    """
    since = at.now() - clock.parse(requested_at)
    if since >= KEEP_ASKING:
        return None
    return clock.later(at.now(), min(max(LOOK_AGAIN, since.total_seconds() / 4), LONGEST_PAUSE))


def _alarm(item_id: str) -> None:
    logger.error("a provider does not delete its copies", item=item_id)
    metrics.add_metric(METRIC, MetricUnit.Count, 1)
