"""Give a job the images of an earlier one that was asked for the same, so that nothing is bought."""

from __future__ import annotations

import hashlib
import json

from fitting_room.clock import Clock
from fitting_room.jobs.document import path_of, put
from fitting_room.jobs.job import Attempt, Job, JobImage, Source
from fitting_room.observability import logger
from fitting_room.providers.base import CatalogueEntry
from fitting_room.settings import settings
from fitting_room.stores import jobs, media, reusable

_SAYS_NOTHING_OF_THE_IMAGES = {
    "owner",
    "reference",
    "metadata",
    "webhook",
    "reuse",
    "provider",
    "fallback",
    "provider_options",
}


def content_of(job: Job, attempt: Attempt, provider: CatalogueEntry) -> str:
    """Return the hash of what a prepared attempt asks of its model, and of whose it is.

    Images count by the bytes that the provider gets, and by what undoes their fit. A seed counts if the client gave it.
    """
    request = job.request.model_dump(mode="json", by_alias=True, exclude=_SAYS_NOTHING_OF_THE_IMAGES)
    for _, pointer, _ in job.request.images():
        put(request, path_of(pointer), None)
    model = provider.model(job.request, job.made_for, job.models)
    content = {
        "whose": [job.tenant, job.mode, job.owner],
        "model": [provider.id, model and model.id, model and model.sent_as],
        "options": job.request.provider_options.get(provider.id),
        "request": request,
        "inputs": {role: [made.sha256, made.frame] for role, made in attempt.inputs.items()},
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def reuse(job: Job, content: str, sources: dict[str, Source], at: Clock) -> bool:
    """Copy the images of the latest job of this content. False when there is none, or when it does not do."""
    earlier_id = reusable.find(content)
    earlier = jobs.get(earlier_id, at.now()) if earlier_id else None
    if earlier is None or not _does(earlier, job):
        return False
    images, mask = [_copied(image, job) for image in earlier.images], earlier.mask and _copied(earlier.mask, job)
    copies = [copy for copy in (*images, mask) if copy]
    complete = len(copies) == len(earlier.images) + (earlier.mask is not None)
    if not complete or jobs.unwanted(earlier.id) or not jobs.reused(job, earlier, copies[: len(images)], mask, sources):
        theirs = {image.key for image in (*earlier.images, earlier.mask) if image}
        media.remove(copy.key for copy in copies if copy.key not in theirs)
        return False
    logger.info("an earlier result is reused", job_id=job.id, reused_from=earlier.id)
    return True


def _does(earlier: Job, job: Job) -> bool:
    ours = (earlier.tenant, earlier.mode, earlier.owner) == (job.tenant, job.mode, job.owner)
    whole = len(earlier.images) == job.request.output.count and (earlier.mask is not None) == job.request.output.mask
    return ours and whole and earlier.status == "succeeded" and earlier.erase_requested_at is None


def _copied(image: JobImage, job: Job) -> JobImage | None:
    """Return an image in the job's own folder; None if it is gone.

    A later job of the same drop folder may have put another image in its place, and this job may be of the same folder.
    """
    key, data = f"{job.results_prefix}/{image.key.rpartition('/')[2]}", media.read(image.key, bucket=image.bucket)
    if data is None or hashlib.sha256(data).hexdigest() != image.sha256:
        return None
    if key != image.key:
        media.put(key, data, f"image/{image.format}")
    return image.model_copy(update={"bucket": settings().media_bucket, "key": key})
