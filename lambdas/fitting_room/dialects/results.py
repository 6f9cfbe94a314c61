"""Links to results that need no key, because a vendor's client downloads without one, and that live as long as a vendor's.

Both vendors keep a result for 72 hours. A link of S3 ends with the session of the role that signed it, so these are
addresses of our own: they name the job, and each is signed until its end. Erasing the job ends them at once.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from base64 import b64encode, urlsafe_b64encode

from fitting_room.actions.requests.throttle import admit
from fitting_room.clock import Clock
from fitting_room.dialects.http import Answer
from fitting_room.jobs.errors import Refusal
from fitting_room.jobs.job import Job, JobImage
from fitting_room.settings import settings
from fitting_room.stores import jobs, link_secret, media

SECONDS = 72 * 3600
MOST_BYTES = 4_400_000
"""Of images in one answer. Base64 makes it 5.9 MB, and Lambda answers with 6 MB at most."""
_HOUR = 3600
_LINK = re.compile(
    r"(?P<job>job_[0-9A-Z]{26})/(?P<until>[0-9]{10})-(?P<signature>[A-Za-z0-9_-]{22})/output_(?P<n>[0-9])\.[a-z]+"
)


def links(job: Job, at: Clock) -> list[str]:
    """Return one link for each image. Its end is a full hour, so that reads within an hour tell the same link."""
    until = -(-(at.ms() // 1000 + SECONDS) // _HOUR) * _HOUR
    start = f"{settings().api_url}/dialects/results/{job.id}/{until}-{_signature(job.id, until, at)}"
    return [f"{start}/output_{image.n - 1}.{image.format}" for image in job.images]


def inline(job: Job) -> list[str] | None:
    """Return the images as data URLs, or None where they are too large for an answer, or gone."""
    if sum(image.bytes for image in job.images) > MOST_BYTES:
        return None
    read = [(image.format, media.read(image.key, bucket=image.bucket)) for image in job.images]
    found = [f"data:image/{name};base64,{b64encode(data).decode()}" for name, data in read if data is not None]
    return found if len(found) == len(read) else None


def serve(path: str, at: Clock) -> Answer:
    """Answer the image that a link names.

    The bytes themselves, because few programs follow a redirect unasked; only an image too large for that is redirected.
    """
    link = _signed(path, at)
    admit(link and link["signature"], at)
    image = link and _image(link["job"], int(link["n"]) + 1, at)
    if not image:
        raise Refusal.of(
            "not_found", "There is no such result, or its link has ended.", "Read the status of the job for a new link."
        )
    if image.bytes > MOST_BYTES:
        return Answer(302, "", {"Location": media.link(image.key, bucket=image.bucket)})
    data = media.read(image.key, bucket=image.bucket)
    if data is None:
        raise Refusal.of("not_found", "This result has expired.", "Submit the job again.")
    return Answer(200, data, {"Content-Type": f"image/{image.format}", "X-Content-Type-Options": "nosniff"})


def _signed(path: str, at: Clock) -> re.Match[str] | None:
    """Return the parts of a link that was given out here and has not ended."""
    link = _LINK.fullmatch(path)
    if link is None or int(link["until"]) * 1000 < at.ms():
        return None
    ours = _signature(link["job"], int(link["until"]), at)
    return link if hmac.compare_digest(link["signature"], ours) else None


def _image(job_id: str, n: int, at: Clock) -> JobImage | None:
    job = jobs.get(job_id, at.now())
    if job is None or job.erase_requested_at:
        return None
    return next((image for image in job.images if image.n == n), None)


def _signature(job_id: str, until: int, at: Clock) -> str:
    digest = hmac.new(link_secret.secret(at).encode(), f"{job_id}/{until}".encode(), hashlib.sha256).digest()
    return urlsafe_b64encode(digest[:16]).decode().rstrip("=")
