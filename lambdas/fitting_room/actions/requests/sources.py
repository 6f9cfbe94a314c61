"""Where each image of a request lies, and what of the request is stored with the job."""

from __future__ import annotations

from typing import Any, NamedTuple

from pydantic import BaseModel

from fitting_room.clock import Clock
from fitting_room.jobs.errors import Fault, JobFailure, Refusal
from fitting_room.jobs.image_ref import ImageRef
from fitting_room.jobs.job import Source
from fitting_room.jobs.tasks import AnyRequest
from fitting_room.settings import settings
from fitting_room.stores import media, uploads
from fitting_room.stores.api_keys import Caller


class Sources(NamedTuple):
    """By role: where each image lies. `inline`: by key in staging, the data URLs' bytes, which are not stored yet."""

    by_role: dict[str, Source]
    inline: dict[str, bytes]


def sources_of(request: AnyRequest, caller: Caller, job_id: str, at: Clock) -> Sources:
    """Find every image of a request. Raises `Refusal` with all faults at once."""
    faults: list[Fault] = []
    found = Sources({}, {})
    for role, pointer, ref in request.images():
        try:
            if ref.data:
                from fitting_room.images.fetch import data_url  # imports an imaging library: only for those who need it

                key = f"staging/{job_id}/input-{role}"
                found.inline[key] = data_url(ref.data, pointer=pointer)
                found.by_role[role] = Source(bucket=settings().media_bucket, key=key)
            else:
                found.by_role[role] = _source(ref, caller, at)
        except JobFailure as failure:
            faults.append(Fault.of("invalid_input", failure.fault.detail, failure.fault.remedy, pointer=pointer))
        except Refusal as refusal:
            faults += [fault.model_copy(update={"pointer": f"{pointer}/{ref.kind}"}) for fault in refusal.faults]
    if faults:
        raise Refusal(*faults)
    return found


def _source(ref: ImageRef, caller: Caller, at: Clock) -> Source:
    if ref.upload:
        upload = uploads.get(ref.upload, caller, at.now())
        if upload is None or not media.exists(upload.key, bucket=settings().inbox_bucket):
            raise Refusal.of(
                "upload_missing",
                "This upload is unknown, expired, or its file has not arrived.",
                "Create an upload with POST /v1/uploads, send the file, then submit the job.",
            )
        return Source(bucket=settings().inbox_bucket, key=upload.key)
    if ref.s3:
        tenant = caller.tenant
        if caller.mode == "test":
            raise Refusal.of(
                "invalid_input",
                "A test key cannot read the folders of live keys.",
                "Upload the image with POST /v1/uploads and the same key.",
            )
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


def kept_request(request: AnyRequest, providers: list[str]) -> AnyRequest:
    """Return the request as it is stored.

    It goes without inline images, which are in S3; without links, which may be signed and stand in the sources until they are
    fetched; and without the options of providers outside the plan, which nobody has checked.
    """

    def kept(value: Any) -> Any:
        if isinstance(value, ImageRef) and (value.url or value.data):
            return type(value)(data="data:image/x;base64,")
        if isinstance(value, BaseModel):
            return value.model_copy(update={name: kept(part) for name, part in value})
        return [kept(part) for part in value] if isinstance(value, list) else value

    options = {provider: given for provider, given in request.provider_options.items() if provider in providers}
    stored: AnyRequest = kept(request)
    return stored.model_copy(update={"provider_options": options})
