"""Amazon Nova Canvas on Amazon Bedrock: all of its tasks.

Source of limits and values: the Amazon Nova user guide, pages `image-gen-vto`, `image-gen-req-resp-structure` and
`image-gen-access`; quota: AWS general reference, `bedrock`.
"""

from __future__ import annotations

from datetime import date

from pydantic import BaseModel, ConfigDict

from fitting_room.jobs.geometry import FitSpec
from fitting_room.jobs.tasks import Task
from fitting_room.providers.base import CatalogueEntry, Lifecycle, Model, Option, Price, Rate
from fitting_room.providers.nova_canvas.advice import ADVICE
from fitting_room.providers.nova_canvas.rules import MAX_ASPECT, MAX_PIXELS, MAX_SIDE, MIN_SIDE, rules

ID = "nova_canvas"
MODEL = "amazon.nova-canvas-v1:0"
BODY_LIMIT = 25_000_000
_FRAME = 20_480  # bytes of a request that are not pictures: three texts of 1024 characters, keys and quotes, with room


class Options(BaseModel):
    """Everything Nova Canvas offers is in the request itself."""

    model_config = ConfigDict(extra="forbid", frozen=True)


_ANY = Option()
_SAMPLING = {
    "output.count": Option(minimum=1, maximum=5),
    "output.seed": Option(minimum=0, maximum=2_147_483_646),
    "output.guidance": Option(minimum=1.1, maximum=10),
}
_OUTPUT = {**_SAMPLING, "output.quality": Option(values=("standard", "best"))}
_NEGATIVE = {"negative_prompt": _ANY}
_MASK = {"mask": Option(values=("prompt", "image"))}

TASKS: dict[Task, dict[str, Option]] = {
    # no prompt: "virtual try-on does not support a text prompt or negative text prompt"
    "try_on": {
        **_OUTPUT,
        "output.mask": _ANY,
        "scene": _ANY,
        "mask": _ANY,
        "merge": _ANY,
        "keep.face": _ANY,
        "keep.hands": _ANY,
        "keep.pose": _ANY,
        "styling.sleeves": _ANY,
        "styling.tuck": _ANY,
        "styling.outer_layer": _ANY,
        # these describe the pictures; the vendor takes garments "on or off a body"
        "garment.category": _ANY,
        "garment.type": _ANY,
        "garment.photo": _ANY,
    },
    "text_to_image": {**_OUTPUT, **_NEGATIVE, "style": _ANY, "size": _ANY, "condition": _ANY},
    "color_guided": {**_OUTPUT, **_NEGATIVE, "size": _ANY, "reference_image": _ANY},
    "image_variation": {**_SAMPLING, **_NEGATIVE, "prompt": _ANY, "similarity": _ANY, "size": _ANY},
    "inpaint": {**_OUTPUT, **_NEGATIVE, **_MASK, "prompt": _ANY},
    "outpaint": {**_OUTPUT, **_NEGATIVE, **_MASK, "prompt": _ANY, "transition": _ANY},
    # no imageGenerationConfig, and the answer holds "a PNG image"
    "remove_background": {"output.count": Option(minimum=1, maximum=1)},
}
_INPUT = FitSpec(min_side=MIN_SIDE, max_side=MAX_SIDE, max_pixels=MAX_PIXELS, max_aspect=MAX_ASPECT)
_PRICES = "github.com/awslabs/startups, ai pricing cache of 2026-08-20"

LIFECYCLE = Lifecycle(
    launched=date(2024, 12, 3),
    legacy=date(2026, 3, 30),
    end_of_life=date(2026, 9, 30),
    source="https://docs.aws.amazon.com/bedrock/latest/userguide/model-lifecycle-legacy.html; launched: the"
    " day it was announced",
)

ENTRY = CatalogueEntry(
    id=ID,
    title="Amazon Nova Canvas",
    models=(Model(id=MODEL, tasks=tuple(TASKS), lifecycle=LIFECYCLE),),
    runner="bedrock",
    secret=False,
    polled=False,
    tasks=TASKS,
    instead={
        "prompt": "Leave it out: virtual try-on takes no text.",
        "negative_prompt": "Leave it out: virtual try-on takes no text.",
        "garments": "Send one image that shows all pieces, with the category outfit.",
    },
    base=_INPUT,
    others=_INPUT,
    max_body=BODY_LIMIT - _FRAME,
    prices=(
        Price(amount=0.04, quality="standard", max_side=1024, source=_PRICES),
        Price(amount=0.06, quality="best", max_side=1024, source=_PRICES),
        Price(amount=0.06, quality="standard", source=_PRICES),
        Price(amount=0.08, quality="best", source=_PRICES),
    ),
    retention="As the account's Bedrock data retention setting says: "
    "https://docs.aws.amazon.com/bedrock/latest/userguide/data-retention.html",
    failures_free=False,
    rate=Rate(submits=100, seconds=60),
    status="2026-11-20: past its end of life (2026-09-30) in every Region. Only an account with a private arrangement "
    "with AWS can still call it.",
    options_model=Options,
    rules=rules,
    advice=ADVICE,
)
