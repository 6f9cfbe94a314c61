"""Make a job's images ready for the provider whose turn it is: copy once, check, one neutral master each, fit."""

from __future__ import annotations

import secrets
from typing import NamedTuple

from PIL import Image

from fitting_room import clock
from fitting_room.actions.workflow.failover import next_position
from fitting_room.actions.workflow.standing import standing
from fitting_room.clock import Clock
from fitting_room.images.encode import MediaType, to_png, within
from fitting_room.images.fetch import fetch
from fitting_room.images.fit import Frame, apply, apply_mask, plan_fit
from fitting_room.images.input_checks import look, warnings_of
from fitting_room.images.mask import normalise_mask
from fitting_room.images.master import Limits, Master, make_master
from fitting_room.jobs.errors import JobFailure, Warning
from fitting_room.jobs.job import Attempt, Job, PreparedInput, Source
from fitting_room.jobs.outcome import Step, step
from fitting_room.providers.base import CatalogueEntry
from fitting_room.providers.catalogue import entry
from fitting_room.settings import settings
from fitting_room.stores import jobs, media

LIMITS = Limits()
PLAIN_BACKDROP = "plain_backdrop"
_BASE64 = 0.74
"""Share of a body's bytes that are left for pictures once base64 and the JSON around them are paid for."""


class Fitted(NamedTuple):
    """One picture as the provider gets it, where it stood in the request, and how to undo the fit."""

    pointer: str
    image: Image.Image
    frame: Frame


def prepare(job_id: str, at: Clock) -> Step:
    """Outcome `prepared` with the runner to use, `failed`, or `ended`. Doing it twice gives the same attempt."""
    job = jobs.get(job_id, at.now())
    if job is None or job.final:
        return step("ended")
    if stands := standing(job, at):
        return stands
    jobs.move(job, "preparing", at.now())
    said = _next_attempt(job, at)
    if jobs.unwanted(job.id):
        staged = media.listing(settings().media_bucket, f"staging/{job.id}/", deep=True)
        media.remove([key for key, _ in staged])
    return said


def _next_attempt(job: Job, at: Clock) -> Step:
    last, position = job.latest, next_position(job)
    assert position is not None, "a job that stands nowhere is to be prepared"
    provider = entry(job.plan[position])
    n = last.n + 1 if last else 1
    try:
        sources, originals = _originals(job)
        inputs, warnings = _inputs(job, n, provider, originals)
    except JobFailure as failure:
        jobs.fail(job, failure.fault)
        return step("failed", again=False)
    attempt = Attempt(
        n=n, provider=provider.id, inputs=inputs, seed=_seed(job, provider), prepared_at=clock.text(at.now())
    )
    if warnings := [warning for warning in warnings if warning not in job.warnings]:
        jobs.warn(job, warnings)
    jobs.begin(job, attempt, position, sources)
    return step("prepared", runner=provider.runner)


def _originals(job: Job) -> tuple[dict[str, Source], dict[str, bytes]]:
    """The images as the client gave them, each with its copy in staging: a link is fetched once, a file outlives its upload."""
    sources, originals = {}, {}
    for role, pointer, _ in job.request.images():
        source = job.sources[role]
        if source.url:
            data = fetch(source.url, max_bytes=LIMITS.max_bytes, allow=settings().fetch_allow, pointer=pointer).data
        else:
            found = media.read(str(source.key), bucket=source.bucket, max_bytes=LIMITS.max_bytes)
            if found is None:
                raise JobFailure(
                    "image_unreadable",
                    "The picture is no longer where the request said.",
                    "Upload it again and submit a new job.",
                    pointer=pointer,
                )
            data = found
        copy = Source(bucket=settings().media_bucket, key=f"staging/{job.id}/input-{role}")
        if source != copy:
            media.put(str(copy.key), data, "application/octet-stream")
        sources[role], originals[role] = copy, data
    return sources, originals


def _inputs(
    job: Job, n: int, provider: CatalogueEntry, originals: dict[str, bytes]
) -> tuple[dict[str, PreparedInput], list[Warning]]:
    """Fitted copies in staging, within the provider's limits, and what there is to say about the pictures before they are
    paid for. The mask goes through its picture's transform."""
    masters: dict[str, Master] = {}
    warnings: list[Warning] = []
    fitted: dict[str, Fitted] = {}
    for role, pointer, _ in job.request.images():
        if role == "mask":
            base = str(job.request.masked)
            mask = normalise_mask(originals[role], masters[base], limits=LIMITS, pointer=pointer)
            frame = fitted[base].frame
            fitted[role] = Fitted(pointer, apply_mask(mask, frame), frame)
            continue
        masters[role] = make_master(originals[role], limits=LIMITS, pointer=pointer)
        warnings += _seen(job, role, pointer, masters[role], provider)
        spec = provider.base if role == job.request.base else provider.others
        frame = plan_fit(masters[role].size, spec, original=masters[role].original_size)
        fitted[role] = Fitted(pointer, apply(masters[role].image, frame), frame)
    inputs = {}
    for role, (data, media_type) in _encode(fitted, int(provider.max_body * _BASE64)).items():
        key = f"staging/{job.id}/{n}/{role}.{media_type.rpartition('/')[2]}"
        media.put(key, data, media_type)
        width, height = fitted[role].image.size
        inputs[role] = PreparedInput(
            key=key, media_type=media_type, width=width, height=height, frame=fitted[role].frame.model_dump(mode="json")
        )
    return inputs, warnings


def _seen(job: Job, role: str, pointer: str, master: Master, provider: CatalogueEntry) -> list[Warning]:
    """What was found in the file and on the picture, and the vendor's advice that follows from it."""
    found = warnings_of(look(master.image, original=master.original_size), role, pointer=pointer)
    codes = frozenset(warning.code for warning in found)
    advice = [
        warning
        for rule in provider.advice
        if role == job.request.base
        and (warning := rule.warning(job.request, codes))
        and rule.warning(job.request) is None
    ]
    told = [
        warning for warning in found if warning.code != PLAIN_BACKDROP
    ]  # no fault of a picture: only advice builds on it
    return [*master.warnings, *told, *advice]


def _encode(pictures: dict[str, Fitted], budget: int) -> dict[str, tuple[bytes, MediaType]]:
    """PNG for all of them if that fits, so that nothing is lost; otherwise each picture gets an equal share of the rest.
    A mask stays PNG: JPEG would grey its edges."""
    encoded: dict[str, tuple[bytes, MediaType]] = {role: (to_png(p.image), "image/png") for role, p in pictures.items()}
    if sum(len(data) for data, _ in encoded.values()) <= budget:
        return encoded
    mask = len(encoded["mask"][0]) if "mask" in encoded else 0
    share = (budget - mask) // sum(role != "mask" for role in pictures)
    return {
        role: encoded[role] if role == "mask" else within(picture.image, share, pointer=picture.pointer)
        for role, picture in pictures.items()
    }


def _seed(job: Job, provider: CatalogueEntry) -> int | None:
    """The client's seed, or one of ours for a provider that takes one, so that the result can be made again."""
    if job.request.output.seed is not None:
        return job.request.output.seed
    option = provider.honours(job.request.task, provider.model(job.request, job.made_for)).get("output.seed")
    if option is None or option.maximum is None:
        return None
    least = int(option.minimum or 0)
    return least + secrets.randbelow(int(option.maximum) - least + 1)
