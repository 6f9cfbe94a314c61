"""Where each image of a request lies, and the part of the request that is stored with the job."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from fitting_room.clock import Clock
from fitting_room.jobs.data_url import decode
from fitting_room.jobs.errors import Fault, Refusal
from fitting_room.jobs.image_ref import ImageRef
from fitting_room.jobs.job import Source, folder_of
from fitting_room.jobs.tasks import AnyRequest
from fitting_room.settings import settings
from fitting_room.stores import media, uploads
from fitting_room.stores.api_keys import Caller

if TYPE_CHECKING:  # the model of a batch is built where batches are created
    from fitting_room.jobs.batch import ManifestRef


def located(
    request: AnyRequest, caller: Caller, at: Clock, *, find_uploads: bool
) -> tuple[dict[str, Source], list[Fault]]:
    """Return by role where each image lies that is no inline data, and the faults of those that cannot be used.

    `find_uploads`: each upload must be there; without it uploads are left out.
    """
    sources: dict[str, Source] = {}
    faults: list[Fault] = []
    for role, pointer, ref in request.images():
        if ref.data or (ref.upload and not find_uploads):
            continue
        try:
            sources[role] = source_of(ref, caller, at)
        except Refusal as refusal:
            faults += [fault.model_copy(update={"pointer": f"{pointer}/{ref.kind}"}) for fault in refusal.faults]
    return sources, faults


def inline(request: AnyRequest) -> dict[str, bytes]:
    """Return by role the images that a checked request holds itself."""
    return {role: decode(ref.data) for role, _, ref in request.images() if ref.data}


def source_of(ref: ImageRef | ManifestRef, caller: Caller, at: Clock) -> Source:
    """Return where a file lies that is no inline data. Raises `Refusal` for one that this caller cannot use."""
    if ref.upload:
        return uploaded(ref.upload, caller, at)
    if ref.s3:
        return stored_object(ref.s3, caller)
    return Source(url=ref.url)


def uploaded(upload_id: str, caller: Caller, at: Clock) -> Source:
    """Return the source of an upload. Raises `Refusal` while its file is not there."""
    upload = uploads.get(upload_id, caller, at.now())
    if upload is None or not media.exists(upload.key, bucket=settings().inbox_bucket):
        raise Refusal.of(
            "upload_missing",
            "This upload is unknown, expired, or its file has not arrived.",
            "Create an upload with POST /v1/uploads, send the file, then send this request again.",
        )
    return Source(bucket=settings().inbox_bucket, key=upload.key)


def stored_object(address: str, caller: Caller) -> Source:
    """Return the source of an `s3://...` address that this caller may name.

    Raises `Refusal` for any other.
    """
    tenant = caller.tenant
    if caller.mode == "test":
        raise Refusal.of(
            "invalid_input",
            "A test key cannot read the folders of live keys.",
            "Upload the file with POST /v1/uploads and the same key.",
        )
    bucket, _, key = address.removeprefix("s3://").partition("/")
    testing = tuple(f"{folder}/{folder_of(tenant, 'test')}/" for folder in ("uploads", "results"))
    if bucket in (settings().inbox_bucket, settings().media_bucket) and key.startswith(testing):
        raise Refusal.of(
            "invalid_input",
            "A live key cannot read the folders of test keys.",
            "Upload the file with POST /v1/uploads and the same key.",
        )
    own = {settings().inbox_bucket: ("uploads", "drop"), settings().media_bucket: ("results",)}
    others = sorted(name for name, tenants in settings().deployment.tenant_buckets.items() if tenant in tenants)
    mine = bucket in others or any(key.startswith(f"{folder}/{tenant}/") for folder in own.get(bucket, ()))
    if {"..", "."} & set(key.split("/")) or not mine:
        also = f", or the buckets {', '.join(others)}" if others else ""
        raise Refusal.of(
            "invalid_input",
            "An s3 reference must lie in the tenant's own folders of this deployment, or in a bucket that it may read.",
            f"Use uploads/{tenant}/ or drop/{tenant}/ of the inbox, or results/{tenant}/ of the media bucket{also}.",
        )
    return Source(bucket=bucket, key=key)


def kept_request(request: AnyRequest, providers: list[str]) -> AnyRequest:
    """Return the request as it is stored.

    It goes without inline images, which are in S3. It goes without links, which may be signed and stand in the
    sources until they are fetched. The options of providers outside the plan are left out, because they are
    unchecked.
    """

    def kept(value: Any) -> Any:
        if isinstance(value, ImageRef) and (value.url or value.data):
            return type(value)(data="data:;base64,")
        if isinstance(value, BaseModel):
            return value.model_copy(update={name: kept(part) for name, part in value})
        return [kept(part) for part in value] if isinstance(value, list) else value

    options = {provider: given for provider, given in request.provider_options.items() if provider in providers}
    stored: AnyRequest = kept(request)
    return stored.model_copy(update={"provider_options": options})
