"""Where the pictures of a request lie, as far as this can be known before anything is stored."""

from __future__ import annotations

from fitting_room.clock import Clock
from fitting_room.jobs.errors import Fault, Refusal
from fitting_room.jobs.image_ref import ImageRef
from fitting_room.jobs.job import Source
from fitting_room.jobs.tasks import AnyRequest
from fitting_room.settings import settings
from fitting_room.stores import media, uploads


def located(request: AnyRequest, tenant: str, at: Clock, *, look: bool) -> tuple[dict[str, Source], list[Fault]]:
    """By role, where each picture lies that is no inline data; and the faults of those that cannot be used. `look`: ask
    whether an upload is there; without it uploads are left out."""
    sources: dict[str, Source] = {}
    faults: list[Fault] = []
    for role, pointer, ref in request.images():
        if ref.data or (ref.upload and not look):
            continue
        try:
            sources[role] = _source(ref, tenant, at)
        except Refusal as refusal:
            faults += [fault.model_copy(update={"pointer": f"{pointer}/{ref.kind}"}) for fault in refusal.faults]
    return sources, faults


def _source(ref: ImageRef, tenant: str, at: Clock) -> Source:
    if ref.upload:
        upload = uploads.get(ref.upload, tenant, at.now())
        if upload is None or not media.exists(upload.key, bucket=settings().inbox_bucket):
            raise Refusal.of(
                "upload_missing",
                "This upload is unknown, expired, or its file has not arrived.",
                "Create an upload with POST /v1/uploads, send the file, then submit the job.",
            )
        return Source(bucket=settings().inbox_bucket, key=upload.key)
    if ref.s3:
        bucket, _, key = ref.s3.removeprefix("s3://").partition("/")
        own = {settings().inbox_bucket: ("uploads", "drop"), settings().media_bucket: ("results",)}
        folders = own.get(bucket, ())
        if {"..", "."} & set(key.split("/")) or not any(key.startswith(f"{folder}/{tenant}/") for folder in folders):
            raise Refusal.of(
                "invalid_input",
                "An s3 reference must lie in the tenant's own folders of this deployment.",
                f"Use uploads/{tenant}/ or drop/{tenant}/ of the inbox, or results/{tenant}/ of the media bucket.",
            )
        return Source(bucket=bucket, key=key)
    return Source(url=ref.url)
