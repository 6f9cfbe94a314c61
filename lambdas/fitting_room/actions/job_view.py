"""A job as its owner sees it: the answer of `GET /v1/jobs/{id}`, and a drop folder's `result.json`."""

from __future__ import annotations

from typing import Any

from fitting_room import clock
from fitting_room.actions.cost import cost_of
from fitting_room.clock import Clock
from fitting_room.jobs.errors import Refusal
from fitting_room.jobs.job import Attempt, Job, JobImage
from fitting_room.jobs.tombstone import Tombstone
from fitting_room.settings import settings
from fitting_room.stores import jobs, media, tombstones
from fitting_room.stores.api_keys import Caller
from fitting_room.stores.offers import entry

_FACTS = (
    "id",
    "task",
    "status",
    "step",
    "slot_at",
    "timeline",
    "provider",
    "subject",
    "batch",
    "warnings",
    "error",
    "usage",
    "created_at",
    "started_at",
    "finished_at",
    "expires_at",
    "erase_requested_at",
    "retried_from",
    "retried_by",
    "recovered_from",
    "recovered_by",
    "reused_from",
)
_ECHOED = ("owner", "reference", "metadata")


def find_job(job_id: str, caller: Caller, at: Clock) -> Job:
    """Return the caller's job, of the mode of the key.

    Raises `Refusal`: `erased`, or `not_found`, for another tenant's or mode's as for one that never was.
    """
    if not clock.is_id(job_id, "job"):
        raise _unknown()
    job = jobs.get(job_id, at.now())
    if job is None and (tombstone := tombstones.get(job_id, at.now())) and caller.owns(tombstone):
        raise _erased(tombstone)
    if job is None or not caller.owns(job):
        raise _unknown()
    return job


def _unknown() -> Refusal:
    return Refusal.of("not_found", "There is no such job.", "Check the id; a job is kept for a limited time only.")


def view(job: Job, at: Clock) -> dict[str, Any]:
    """Return the whole job, with fresh links to its images."""
    until = clock.later(at.now(), media.LINK_SECONDS)
    shown = {**summary(job, at), "retry_until": _retry_until(job)}
    for image, stored in [
        *zip(shown["images"], job.images, strict=True),
        *([(shown["mask"], job.mask)] if job.mask else []),
    ]:
        image |= {"url": media.link(stored.key, bucket=stored.bucket), "url_expires_at": until}
    return shown


def summary(job: Job, at: Clock) -> dict[str, Any]:
    """Return the job without links, so that it may be stored."""
    facts = {name: value for name, value in job.model_dump(mode="json").items() if name in _FACTS}
    request = job.request.model_dump(mode="json", include=set(_ECHOED))
    base, provider = f"/v1/jobs/{job.id}", provider_of(job)
    return {
        **facts,
        "provider": provider,
        "model": _model(job, provider, at),
        "attempts": [_attempt(job, job.attempts[n], at) for n in sorted(job.attempts, key=int)],
        "images": [_image(image) for image in job.images],
        "mask": _image(job.mask, number=False) if job.mask else None,
        **request,
        "links": {
            "self": base,
            "images": [f"{base}/images/{image.n}" for image in job.images],
            "mask": f"{base}/images/mask" if job.mask else None,
        },
    }


def provider_of(job: Job) -> str:
    """Return the provider of the latest attempt, or the one whose turn is first."""
    return job.latest.provider if job.latest else job.provider


def image_link(job: Job, name: str) -> str:
    """Return a fresh link to one image of a job.

    `name` is the image's number, counted from 1, or `mask`. Raises `Refusal` `not_found` while there is none.
    """
    named = {str(image.n): image for image in job.images} | ({"mask": job.mask} if job.mask else {})
    if image := named.get(name):
        return media.link(image.key, bucket=image.bucket)
    if name == "mask":
        raise Refusal.of(
            "not_found",
            f"This job has no mask; it is {job.status}.",
            "Wait until the job has succeeded; a mask is returned only where `output.mask` asked for it.",
        )
    raise Refusal.of(
        "not_found",
        f"This job has no such image; it is {job.status} and has {len(job.images)}.",
        "Wait until the job has succeeded, and count its images from 1.",
    )


def _erased(tombstone: Tombstone) -> Refusal:
    told = f"This job was erased on {tombstone.erased_at}."
    if not tombstone.owed:
        return Refusal.of("erased", told, "Nothing is left to do.")
    vendors = " and ".join(sorted({copy.provider for copy in tombstone.owed}))
    if tombstone.erase_failed_at:
        return Refusal.of(
            "erased",
            f"{told} {vendors} did not delete its copies.",
            "Ask the operator to delete them in the provider's account, or send DELETE again.",
        )
    return Refusal.of(
        "erased",
        f"{told} {vendors} has not deleted its copies yet.",
        "Nothing is left to do: the request to delete is repeated for 7 days.",
    )


def _attempt(job: Job, attempt: Attempt, at: Clock) -> dict[str, Any]:
    shown = attempt.model_dump(
        mode="json", include={"n", "provider", "outcome", "provider_job_id", "submitted_at", "finished_at", "error"}
    )
    recovered = attempt.recovered_n is not None  # another job has paid for it, and tells the cost
    cost = cost_of(job, attempt, at) if (attempt.over or job.final) and not recovered else None
    return {
        **shown,
        "model": _model(job, attempt.provider, at),
        "charged": attempt.charged,
        "cost": cost and cost._asdict(),
        "recovered": recovered,
    }


def _model(job: Job, provider: str, at: Clock) -> str | None:
    """Return the model that does the job at a provider, or did it: the catalogue may have lost it since."""
    if chosen := job.models.get(provider):
        return chosen
    model = entry(provider, at).model(job.request, job.made_for)
    return model.id if model else None


def _retry_until(job: Job) -> str | None:
    """Return the time until which a retry surely finds the images.

    None for a job that cannot be retried, or that never copied them.
    """
    over = job.status in ("failed", "cancelled") and not (job.retried_by or job.erase_requested_at)
    media_bucket = settings().media_bucket
    copied = all(source.staged or source.bucket == media_bucket for source in job.sources.values())
    return (
        clock.later(clock.parse(job.created_at), settings().deployment.staging_days * 86400)
        if over and copied
        else None
    )


def _image(image: JobImage, *, number: bool = True) -> dict[str, Any]:
    shown = image.model_dump(mode="json", exclude={"bucket", "key", "vendor_pixels"} | (set() if number else {"n"}))
    return {**shown, "s3": f"s3://{image.bucket}/{image.key}"}
