"""Turn the vendor's images into the job's results: check it, undo the geometry, write it to the tenant's folder."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from PIL import Image

from fitting_room.clock import Clock
from fitting_room.images import provenance, sniff
from fitting_room.images.encode import to_jpeg, to_png, to_webp
from fitting_room.images.fit import Frame, undo, undo_mask
from fitting_room.images.openable import openable
from fitting_room.images.result_checks import REASONS, Expected, Rejection, check_result, decode_result, fingerprint
from fitting_room.jobs.errors import Fault, JobFailure, JobWarning
from fitting_room.jobs.job import Attempt, Job, JobImage, PreparedInput
from fitting_room.jobs.outcome import Step, step
from fitting_room.jobs.request import Output
from fitting_room.providers.base import CatalogueEntry
from fitting_room.settings import settings
from fitting_room.stores import aws, jobs, media
from fitting_room.stores.offers import entry

_CONVERTED = JobWarning(
    code="credentials_dropped",
    detail="The image was converted or cropped after the provider returned it, so its C2PA content credentials are gone.",
    remedy="Leave out `output.format` and `output.size` to keep them if no padding was added.",
)

_MENDED = JobWarning(
    code="metadata_dropped",
    detail="The provider's file had damaged or oversized metadata, or no end, so not every program would open it.",
    remedy="It was stored without metadata and content credentials; its pixels are as the provider sent them.",
)


SIDE_BY_SIDE = 2
"""Sent images that are read at once, to be compared with the results. Each is in memory with all its pixels."""


class Result(NamedTuple):
    data: bytes
    format: str
    width: int
    height: int
    mark: provenance.Provenance | None = None


def collect(job_id: str, at: Clock) -> Step:
    """Write the results of a job, or its failure, and return `ended`.

    Settling comes next. A repeat is harmless.
    """
    job = jobs.get(job_id, at.now())
    if job is None or job.final or job.images or job.latest is None or job.latest.outcome != "finished" or job.subject:
        return step("ended")
    if job.erase_requested_at:
        return step("ended")
    attempt = job.latest
    jobs.show_step(job, "collecting", at.now())
    frame = _frame(job, attempt, at)
    aws.s3()  # made here, for the SDK does not make clients in several threads at once
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        sent = list(pool.map(_fingerprint, attempt.inputs.values()))
    images: list[JobImage] = []
    warnings: list[JobWarning] = []
    for stored in attempt.results:
        data = media.read(stored.key) or b""
        verdict = check_result(data, _expected(job, attempt, frame, at), sent)
        if verdict.image is None:
            warnings.append(_rejected(verdict.reason))
            continue
        result, notes = _restored(data, verdict.image, frame, job.request.output)
        result = _marked(result, provenance.read(data).source_type or _source_type(job, attempt, at))
        warnings += [*verdict.warnings, *notes]
        written = _write(job, len(images) + 1, str(len(images) + 1), result, stored.seed)
        width, height = verdict.image.size
        images.append(written.model_copy(update={"vendor_pixels": width * height}))
    if not images:
        jobs.fail(
            job,
            Fault.of(
                "output_rejected",
                "None of the provider's images passed the quality check. " + " ".join(w.detail for w in warnings),
                "Check the input images, then submit a new job.",
                provider=attempt.provider,
            ),
        )
        return step("ended")
    mask = _mask(job, attempt, frame)
    if mask is None and job.request.output.mask:
        warnings.append(
            JobWarning(
                code="mask_missing",
                detail="The provider returned no readable mask.",
                remedy="The image is complete without it.",
                pointer="/output/mask",
            )
        )
    if not jobs.collected(job, images, mask, list(dict.fromkeys(warnings))):
        _take_back(job, [*images, *([mask] if mask else [])], at)
    return step("ended")


def _fingerprint(prepared: PreparedInput) -> Image.Image | None:
    return fingerprint(media.read(prepared.key) or b"")


def _take_back(job: Job, written: list[JobImage], at: Clock) -> None:
    """Remove the images just written if the job is erased or being erased.

    The job was ended or collected already. Pictures must not outlive their job.
    """
    now = jobs.get(job.id, at.now())
    if now is None or now.erase_requested_at:
        media.remove(image.key for image in written)


def _expected(job: Job, attempt: Attempt, frame: Frame | None, at: Clock) -> Expected:
    """Return the properties that the task promises of each picture."""
    provider = _provider(job, attempt, at)
    size = getattr(job.request, "size", None) if provider.exact_size else None
    shape = frame or (_fitted(job, attempt) if provider.keeps_shape else None)
    mask = getattr(job.request, "mask", None)
    return Expected(
        size=(size.width, size.height) if size else None,
        aspects=(shape.canvas, shape.source) if shape else (),
        alpha=job.request.task == "remove_background",
        edit=mask is not None and mask.type != "garment",
    )


def _rejected(reason: Rejection | None) -> JobWarning:
    return JobWarning(
        code="result_rejected",
        detail=f"A returned image {REASONS[reason or 'undecodable']}; it is not among the results.",
        remedy="Submit the job again with another seed or image.",
    )


def _frame(job: Job, attempt: Attempt, at: Clock) -> Frame | None:
    """Return the frame that undoes the fit of the base picture.

    None where the provider's results do not keep its framing, or where there is no such picture.
    """
    return _fitted(job, attempt) if _provider(job, attempt, at).keeps_framing else None


def _provider(job: Job, attempt: Attempt, at: Clock) -> CatalogueEntry:
    provider = entry(attempt.provider, at)
    return provider.as_of(provider.model(job.request, job.made_for, job.models))


def _fitted(job: Job, attempt: Attempt) -> Frame | None:
    """Return the frame by which the base picture was fitted, or None without one."""
    base = attempt.inputs.get(job.request.base or "")
    return Frame.model_validate(base.frame) if base else None


def _restored(
    data: bytes, decoded: Image.Image, frame: Frame | None, output: Output
) -> tuple[Result, list[JobWarning]]:
    """Return the picture in the original's framing, and warnings.

    Where nothing has to change, the file keeps the vendor's own bytes.
    """
    came = sniff.kind(data).lower()
    picture, warnings = undo(decoded, frame, size=output.size) if frame else (decoded, [])
    wanted = output.format or came
    if picture is decoded and wanted == came:  # so content credentials survive
        file = openable(data, picture.size)
        mended = [] if file is data else [_MENDED]
        return Result(file, came, *picture.size), [*warnings, *mended]
    dropped = [_CONVERTED] if provenance.read(data).c2pa else []
    return Result(_encoded(picture, wanted), wanted, *picture.size), [*warnings, *dropped]


def _source_type(job: Job, attempt: Attempt, at: Clock) -> provenance.SourceType:
    if not entry(attempt.provider, at).generative:
        return "algorithmicMedia"
    return provenance.SOURCE_TYPES[job.request.task]


def _marked(result: Result, source_type: str) -> Result:
    data, mark = provenance.mark(result.data, source_type)
    return result._replace(data=data, mark=mark)


def _encoded(picture: Image.Image, form: str) -> bytes:
    if form == "png":
        return to_png(picture)
    if form == "webp":
        return to_webp(picture.convert("RGBA" if picture.has_transparency_data else "RGB"), 95)
    return to_jpeg(picture.convert("RGB"), 95)


def _mask(job: Job, attempt: Attempt, frame: Frame | None) -> JobImage | None:
    """Store the vendor's mask in the original's framing, or return None.

    Black was changed, white was kept.
    """
    data = media.read(attempt.mask) if attempt.mask else None
    if data is None or frame is None:
        return None
    try:
        returned = decode_result(data)
    except JobFailure:  # the pictures are paid for and good: they do not fail with it
        return None
    mask, _ = undo_mask(returned.convert("L"), frame, size=job.request.output.size)
    return _write(job, 0, "mask", Result(to_png(mask), "png", *mask.size), None)


def _write(job: Job, n: int, name: str, result: Result, seed: int | None) -> JobImage:
    key = f"{job.results_prefix}/{name}.{result.format}"
    media.put(key, result.data, f"image/{result.format}")
    return JobImage(
        n=n,
        bucket=settings().media_bucket,
        key=key,
        width=result.width,
        height=result.height,
        format=result.format,
        bytes=len(result.data),
        sha256=hashlib.sha256(result.data).hexdigest(),
        seed=seed,
        provenance=result.mark,
    )
