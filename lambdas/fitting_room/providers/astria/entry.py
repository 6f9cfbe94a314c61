"""Astria: the partner models, which work on references, and the older SD1.5 flow, which works on a trained person.

Source of limits and values: docs.astria.ai, as of its repository's commit 5704e93 (2026-08-21), and the vendor's
command line tool `astria` 1.11.0. Its skills (github.com/astriaai/skills) are the only source for the partner models.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import TypeGuard

from fitting_room.jobs.geometry import FitSpec
from fitting_room.jobs.rate import Rate
from fitting_room.jobs.tasks import AnyRequest, Task, TrainSubject, TryOn
from fitting_room.providers.astria.classes import CLASSES, references
from fitting_room.providers.astria.options import ID, AstriaSettings, Options
from fitting_room.providers.astria.prompts import PHOTOSHOOT
from fitting_room.providers.astria.rules import flow, has_input_image, rules
from fitting_room.providers.base import Advice, CatalogueEntry, Lifecycle, Model, Option, Price

_CHECKED = date(2026, 11, 20)
_DOCS = "https://docs.astria.ai"
_PAGE = f"{_DOCS}, Virtual Try-on, Overview"
_TRY_ON = {
    "person.subject": Option(values=(True,), meaning="One that was made for the same model. `sd15` needs one."),
    "garment.subject": Option(values=(True,), meaning="One that was made for the same model."),
    "garment.category": Option(
        values=tuple(CLASSES),
        meaning="`headwear`, `eyewear`, `jewelry` and `accessories` need a word in `provider_options.astria.garment_classes`.",
    ),
    "garment.photo": Option(
        values=("auto", "flat_lay", "model"), meaning="`flat_lay` is said in the title of the reference."
    ),
    "prompt": Option(meaning="Background and scene, and what else the person wears."),
    "output.count": Option(minimum=1, maximum=8, meaning="Always sent: the documents name no default."),
    "output.seed": Option(
        minimum=0,
        maximum=2**32 - 1,
        meaning="Absent: Fitting Room draws one. `provider`: none is sent, as in the example of the provider's try-on page.",
    ),
}
_MAKE = {"kind": Option(values=("person", "garment")), "pictures": Option()}
_PARTNER: dict[Task, Mapping[str, Option]] = {"try_on": _TRY_ON, "train_subject": _MAKE}
_RESOLUTIONS: dict[Task, Mapping[str, Option]] = {
    **_PARTNER,
    "try_on": _TRY_ON
    | {
        "output.quality": Option(
            values=("fast", "standard", "best"),
            default="standard",
            meanings={
                "fast": "The provider's resolution 1K.",
                "standard": "2K.",
                "best": "4K, where the model has it.",
            },
        )
    },
}
_LEGACY: dict[Task, Mapping[str, Option]] = {
    "try_on": _TRY_ON
    | {
        "negative_prompt": Option(),
        "input_image": Option(
            meaning="Pose, and by img2img some of the background, come from this image. Absent: from the garment image, where"
            " its `photo` is `model`."
        ),
        "mask": Option(values=("image",), meaning="Of the input image: black is redrawn."),
    },
    "train_subject": _MAKE,
}


def few_pictures(request: AnyRequest, seen: frozenset[str]) -> str | None:  # noqa: ARG001
    if not isinstance(request, TrainSubject) or request.kind != "person" or flow(request) != "sd15":
        return None
    return "/pictures" if len(request.pictures) < 4 else None


def undescribed(request: AnyRequest, seen: frozenset[str]) -> str | None:  # noqa: ARG001
    return "/prompt" if _older_try_on(request) and not request.prompt else None


def worn_without_input(request: AnyRequest, seen: frozenset[str]) -> str | None:  # noqa: ARG001
    """Return the pointer of the field that would bring the input image, or None.

    A garment that is said to lie flat can bring none.
    """
    if not _older_try_on(request) or has_input_image(request):
        return None
    garment = request.garments[0]
    if garment.subject:
        return "/input_image"
    return "/garments/0/photo" if garment.photo == "auto" else None


def _older_try_on(request: AnyRequest) -> TypeGuard[TryOn]:
    return isinstance(request, TryOn) and flow(request) == "sd15"


def _partner(model: str, source: str, options: Mapping[Task, Mapping[str, Option]] | None = None) -> Model:
    return Model(
        id=model,
        tasks=("try_on", "train_subject"),
        options=options,
        lifecycle=Lifecycle(source=source, checked=_CHECKED),
    )


_TOOL = "github.com/astriaai/skills, bin/astria 1.11.0 (2026-07); no dates"
ENTRY = CatalogueEntry(
    id=ID,
    title="Astria",
    models=(
        _partner("gemini", _TOOL, _RESOLUTIONS),
        _partner("seedream", _TOOL),
        _partner("gpt-image-2", f"{_DOCS}, Changes, 2026-04-21", _RESOLUTIONS),
        Model(
            id="sd15",
            tasks=("try_on", "train_subject"),
            named_only=True,
            options=_LEGACY,
            lifecycle=Lifecycle(
                legacy=date(2026, 8, 21),
                source=f'{_DOCS}, Virtual Try-on, a "Backend V1 feature"; the provider archived the'
                " page on 2026-08-21 (commit de76dad of its documents) and names no end",
                checked=_CHECKED,
            ),
        ),
    ),
    runner="http",
    editor=True,  # `gemini`, `seedream` and `gpt-image-2` follow an instruction; `sd15` is taken by name only
    secret=True,
    polled=True,
    tasks=_PARTNER,
    instead={"output.guidance": "Send provider_options.astria.cfg_scale, 0 to 15, with the provider astria/sd15."},
    max_garments=3,  # with the person four references: "Five or six references stacked in one prompt [...] compete"
    keeps_framing=False,
    base=FitSpec(
        min_side=512, max_side=2048
    ),  # "at least 512x512 pixels [...] 2048x2048 could be a good target resize"
    others=FitSpec(min_side=512, max_side=2048),
    max_image=3_000_000,  # files of a form: the vendor has "no hard limit" and calls 3 MB an image reasonable
    prices=(
        Price(
            source="https://www.astria.ai/pricing, which was not read: the documents name no price", checked=_CHECKED
        ),
    ),
    retention="Images, subjects and results 30 days, or until they are deleted here (also at the provider): "
    f"{_DOCS}/docs/api/overview, Storage",
    erases=True,
    result_hosts=("astria.ai", "sdbooth2-production.s3.amazonaws.com"),  # others are not documented
    failures_free=False,  # not documented
    rate=Rate(submits=30, seconds=60),  # ours: the vendor publishes no figure
    concurrency=20,  # ours: "All jobs are handled in parallel and there is no wait time or queuing"
    callbacks=True,
    references=references,
    settings_model=AstriaSettings,
    status="2026-11-21: in service as far as its documents show; not tried with a real key.",
    options_model=Options,
    rules=rules,
    advice=(
        Advice(
            code="few_pictures",
            applies=few_pictures,
            source=f"{_DOCS}, AI Photoshoot, Tips for training images",
            detail="A person is learned from variety: Astria advises 4 to 8 images from the waist or shoulders up, and 4"
            " more of the whole body.",
            remedy="Add images of other days, poses and backgrounds, of nobody else.",
        ),
        Advice(
            code="scene_undescribed",
            applies=undescribed,
            source=_PAGE,
            detail="Astria advises to describe the background or scene and the clothes. Without a prompt the text says only"
            f" `{PHOTOSHOOT}`.",
            remedy="Describe in `prompt` where the person is, and what else the person wears.",
        ),
        Advice(
            code="worn_garment_as_input",
            applies=worn_without_input,
            source=_PAGE,
            detail="If somebody wears the garment in its image, Astria advises to use that image also as the input image: for"
            " the pose, and for some of the background.",
            remedy="Set garments[0].photo to model for such an image; for a garment subject, or to follow another image,"
            " send `input_image`.",
        ),
    ),
)
