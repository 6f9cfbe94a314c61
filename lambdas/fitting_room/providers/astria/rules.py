"""The rules of Astria's two flows that concern more than one option."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

from pydantic import ValidationError

from fitting_room.jobs.errors import Fault
from fitting_room.jobs.tasks import AnyRequest, TrainSubject, TryOn
from fitting_room.providers.astria.classes import CLASSES, garment_class
from fitting_room.providers.astria.options import ID, INPUT_IMAGE, PARTNER, SD15, TRAINING, Options

_OPTIONS = f"/provider_options/{ID}"
_SYNTAX = re.compile(r"[<>]|--")
"""Of the vendor's prompts: `<faceid:1:1>` would bring in a person or garment of anybody who shares the account, and
`--flags` could buy other things, such as a video."""
_EDGES = {
    **dict.fromkeys(PARTNER, "Name a partner model as the provider, such as astria/gemini, or leave it out."),
    **dict.fromkeys(SD15, "Name astria/sd15 as the provider, with a person made for it, or leave it out."),
    **dict.fromkeys(TRAINING, "It goes with the training of a person on astria/sd15; leave it out."),
    **dict.fromkeys(("person_class", "garment_classes"), "A training has `class_name`; leave this out."),
}


def rules(request: AnyRequest) -> list[Fault]:
    try:
        options = Options.model_validate(request.provider_options.get(ID, {}))
    except ValidationError:  # the planner checks the options against their model and reports these
        return []
    faults = [*_elsewhere(request, options)]
    if isinstance(request, TryOn):
        faults += [
            *_person(request, options),
            *_garments(request, options),
            *_pictures(request, options),
            *_texts(request),
        ]
    return faults


def flow(request: AnyRequest) -> Literal["sd15", "partner"]:
    """Return the flow of the model that the request names.

    Rules are shown the model that would do it as if it were named.
    """
    names = (name.partition("/") for name in (request.provider, *request.fallback))
    named = next((model for provider, _, model in names if provider == ID), "")
    return "sd15" if named == "sd15" else "partner"


def _elsewhere(request: AnyRequest, options: Options) -> Iterator[Fault]:
    """Yield the options that the flow of this request does not have.

    They would be lost without a word.
    """
    if isinstance(request, TrainSubject):
        had = set(TRAINING if flow(request) == "sd15" and request.kind == "person" else ())
    else:
        had = {"person_class", "garment_classes", *{"sd15": SD15, "partner": PARTNER}[flow(request)]}
    for name, value in options:
        if value is not None and name not in had:
            yield _fault(f"{_OPTIONS}/{name}", "The model that would do the job has no such option.", _EDGES[name])


def _person(request: TryOn, options: Options) -> Iterator[Fault]:
    picture = request.person is not None and request.person.kind is not None
    if picture and flow(request) == "sd15":
        yield Fault.of(
            "unsupported_option",
            "astria/sd15 dresses a person it was trained on, not an image.",
            "Create a subject with POST /v1/subjects (kind person, provider astria/sd15), then send person.subject;"
            " or use astria/gemini.",
            pointer="/person",
            provider=ID,
        )
    elif picture and options.person_class is None:
        yield _fault(
            f"{_OPTIONS}/person_class",
            "Astria needs to know whether this is a woman, a man, a girl or a boy.",
            f"Add provider_options.{ID}.person_class: one of woman, man, girl, boy, baby.",
        )
    if request.person and request.person.subject and options.person_class:
        yield _fault(f"{_OPTIONS}/person_class", "A subject has its own class.", "Leave it out.")


def _garments(request: TryOn, options: Options) -> Iterator[Fault]:
    if len(request.garments) > 1 and flow(request) == "sd15":  # the page of the older flow knows one
        yield Fault.of(
            "unsupported_option",
            "astria/sd15 puts on one garment.",
            "Send one garment, or name a partner model as "
            "the provider, such as astria/gemini, with a person made for it.",
            pointer="/garments/1",
            provider=ID,
        )
    for index, garment in enumerate(request.garments):
        if garment.image and garment.category in CLASSES and garment_class(request, index, options) is None:
            yield _fault(
                f"{_OPTIONS}/garment_classes",
                f"`{garment.category}` is too coarse a word for Astria.",
                f"Name in garment_classes, at place {index}, what the image shows: hat, ring, necklace, bag.",
            )
    for index, name in enumerate(options.garment_classes or []):
        if name and (index >= len(request.garments) or request.garments[index].subject):
            yield _fault(
                f"{_OPTIONS}/garment_classes/{index}",
                "There is no garment image at this place.",
                "Use null for a garment that is a subject, which has its own class, and name no more than there are.",
            )


def _pictures(request: TryOn, options: Options) -> Iterator[Fault]:
    if options.resolution and request.output.quality:
        yield _fault(f"{_OPTIONS}/resolution", "`output.quality` says the resolution already.", "Send one of them.")
    if not has_input_image(request) and flow(request) == "sd15":
        for name in INPUT_IMAGE:
            if getattr(options, name) is not None:
                yield _fault(
                    f"{_OPTIONS}/{name}",
                    "This option is about the input image, and the request has none.",
                    "Leave it out; or send `input_image`, or a garment image with somebody in it and its `photo` as model.",
                )


def has_input_image(request: TryOn) -> bool:
    """Return whether there is an image whose pose and surroundings can be followed.

    It is the request's own, or the garment's with a person in it.
    """
    return request.input_image is not None or request.garments[0].worn


def _texts(request: TryOn) -> Iterator[Fault]:
    for name in ("prompt", "negative_prompt"):
        if _SYNTAX.search(getattr(request, name) or ""):
            yield _fault(f"/{name}", "`<`, `>` and `--` are the provider's own syntax.", "Describe it in plain words.")


def _fault(pointer: str, detail: str, remedy: str) -> Fault:
    return Fault.of("invalid_input", detail, remedy, pointer=pointer, provider=ID)
