"""The facts of a provider that are neither a model nor an option, as a table of two columns."""

from __future__ import annotations

from collections.abc import Iterator

from fitting_room.jobs.geometry import FitSpec
from fitting_room.providers.base import CatalogueEntry
from fitting_room.providers.runners import RUNNERS
from local.providers_doc.markdown import code, counted, table

PHOTOS = {"account": "stay in the AWS account", "aws": "stay in AWS", None: "leave AWS"}
_LIMITS = FitSpec()


def of(entry: CatalogueEntry) -> str:
    rows = {
        "Tasks": code(entry.tasks),
        **{f"No `{task}`": why for task, why in entry.cannot.items()},
        "Needs": needs(entry),
        "Answers": _answers(entry),
        "Photos": PHOTOS[entry.photos_stay_in],
        "Retention": entry.retention,
        "Erasure": erasure(entry),
        "Cancelling": "the provider is told to stop" if entry.cancels else "",
        "Failed jobs": "free" if entry.failures_free else "may be charged",
        "Rate": _rate(entry),
        "Garments": _garments(entry),
        **dict(_images(entry)),
        "Bytes": _bytes(entry),
        "Results": _results(entry),
        "Result hosts": code(entry.result_hosts),
        "Model ids": "an operator may set another one" if entry.sends_model else "",
    }
    return table(("Fact", entry.title), ((name, text) for name, text in rows.items() if text))


def needs(entry: CatalogueEntry) -> str:
    runner = RUNNERS[entry.runner]
    if entry.secret:
        return "a key"
    if runner.setting:
        return f"the setting `{runner.setting}`"
    return "a Region in `bedrock_regions`" if runner.needs_region else "nothing"


def _answers(entry: CatalogueEntry) -> str:
    if not entry.polled:
        return f"with the images, within {entry.answers} s"
    woken = (
        ", or a webhook" if entry.callbacks else ", or an event of the media bucket" if entry.answers_in_media else ""
    )
    trains = f" ({_span(entry.training_deadline)} for a training)" if "train_subject" in entry.tasks else ""
    usual = f", usually {entry.usual} s" if entry.usual else ""
    return f"a job id; then the status is read{woken}{usual}. Deadline: {_span(entry.deadline)}{trains}"


def _span(seconds: int) -> str:
    return counted(seconds / 3600, "hour") if seconds % 3600 == 0 else f"{seconds // 60} minutes"


def erasure(entry: CatalogueEntry) -> str:
    if not entry.erases:
        setting = entry.settings_model and "erases" in entry.settings_model.model_fields
        return "only where the stage's setting `erases` says so" if setting else "nothing is deleted by a call"
    late = f", and again {_span(entry.late)} later" if entry.late else ""
    return f"`DELETE` deletes the copies{late}"


def _rate(entry: CatalogueEntry) -> str:
    rate = f"{entry.rate.submits} submits in {entry.rate.seconds:g} s" if entry.rate else ""
    together = f"{entry.concurrency} jobs at once" if entry.concurrency else ""
    return ", ".join(part for part in (rate, together) if part) or "not limited here"


def _garments(entry: CatalogueEntry) -> str:
    if "try_on" not in entry.tasks:
        return ""
    own = [f"`{model.id}`: {_most(model.max_garments)}" for model in entry.models if model.max_garments]
    return "; ".join([_most(entry.max_garments), *own])


def _most(garments: int) -> str:
    return f"1 to {garments}" if garments > 1 else "1"


def _images(entry: CatalogueEntry) -> Iterator[tuple[str, str]]:
    """Yield the limits of images, of the entry and of each model with its own."""
    yield from _limits("", entry)
    for model in entry.models:
        if model.base and entry.as_of(model) != entry:
            yield from _limits(f", `{model.id}`", entry.as_of(model))


def _limits(whose: str, entry: CatalogueEntry) -> Iterator[tuple[str, str]]:
    if entry.base == entry.others:
        yield f"Images{whose}", _fit(entry.base)
        return
    yield f"Base image{whose}", _fit(entry.base)
    yield f"Other images{whose}", _fit(entry.others)


def _fit(spec: FitSpec) -> str:
    if spec.canvas:
        return f"fitted into {spec.canvas[0]} x {spec.canvas[1]} px"
    least, most = (f"{side:,}" for side in (spec.min_side, spec.max_side))
    parts = (
        f"sides of {least} to {most} px" if spec.min_side > 1 and spec.max_side < _LIMITS.max_side else "",
        f"sides of at least {least} px" if spec.min_side > 1 and spec.max_side == _LIMITS.max_side else "",
        f"sides of at most {most} px" if spec.min_side == 1 and spec.max_side < _LIMITS.max_side else "",
        f"at most {spec.max_pixels:,} px in all" if spec.max_pixels < _LIMITS.max_pixels else "",
        f"aspect of at most {spec.max_aspect:g}:1" if spec.max_aspect < _LIMITS.max_aspect else "",
    )
    return "; ".join(part for part in parts if part)


def _bytes(entry: CatalogueEntry) -> str:
    if entry.max_image:
        return f"{entry.max_image:,} an image"
    return f"{entry.max_body:,} for all images of a submit, base64 included" if entry.max_body else ""


def _results(entry: CatalogueEntry) -> str:
    own = [
        f"`{model.id}`: {_frame(entry.as_of(model))}"
        for model in entry.models
        if model.keeps_framing is not None and _frame(entry.as_of(model)) != _frame(entry)
    ]
    return "; ".join([_frame(entry), *own])


def _frame(entry: CatalogueEntry) -> str:
    if entry.keeps_framing:
        return "in the frame of the base image"
    return "in a frame of the provider's" + (", of the base image's shape" if entry.keeps_shape else "")
