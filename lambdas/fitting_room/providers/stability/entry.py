"""Stability AI on Amazon Bedrock: pictures from text, inpainting, and a background removed.

Source of shapes and limits: the Amazon Bedrock user guide, pages `stable-image-services` and
`model-parameters-diffusion-stable-image-core-text-image-request-response`, `...-stable-ultra-text-image-request-response`.
"""

from __future__ import annotations

from datetime import date

from pydantic import BaseModel, ConfigDict

from fitting_room.jobs.errors import Fault
from fitting_room.jobs.geometry import FitSpec
from fitting_room.jobs.rate import Rate
from fitting_room.jobs.tasks import AnyRequest, Inpaint, Outpaint, Size, TextToImage
from fitting_room.providers.base import Advice, CatalogueEntry, Lifecycle, Model, Option, Price

ID = "stability"
TITLE = "Stability AI on Bedrock"
CORE = "stability.stable-image-core-v1:1"
ULTRA = "stability.stable-image-ultra-v1:1"
INPAINT = "us.stability.stable-image-inpaint-v1:0"
REMOVE_BACKGROUND = "us.stability.stable-image-remove-background-v1:0"
US = ("us-east-1", "us-east-2", "us-west-2")
WEST = ("us-west-2",)

RATIOS = ("16:9", "1:1", "21:9", "2:3", "3:2", "4:5", "5:4", "9:16", "9:21")
SIDES = range(640, 1537)
"""Of a generated picture, in px; which side belongs to which ratio is not documented."""
BODY_LIMIT = 25_000_000
_FRAME = 16_384  # bytes of a request that are not pictures: two prompts of 1024 characters, keys and quotes, with room


def aspect_ratio(size: Size) -> str | None:
    """Return the vendor's ratio that a size has exactly, or None."""
    for ratio in RATIOS:
        width, height = map(int, ratio.split(":"))
        if size.width * height == size.height * width:
            return ratio
    return None


def rules(request: AnyRequest) -> list[Fault]:
    if isinstance(request, Inpaint | Outpaint) and request.prompt is None:
        return [
            Fault.of(
                "invalid_input",
                "Stability AI draws only what a prompt describes; it has no plain removal.",
                "Say in `prompt` what is to be seen there.",
                pointer="/prompt",
                provider=ID,
            )
        ]
    size = request.size if isinstance(request, TextToImage) else None
    if size and not (aspect_ratio(size) and size.width in SIDES and size.height in SIDES):
        return [
            Fault.of(
                "unsupported_option",
                f"Stability AI draws no image of {size.width} x {size.height} px.",
                f"Use sides of {SIDES[0]} to {SIDES[-1]:,} px in one of the shapes {', '.join(RATIOS)}, or leave the"
                " size out.",
                pointer="/size",
                provider=ID,
            )
        ]
    return []


def _sized(request: AnyRequest, _seen: frozenset[str]) -> str | None:
    return "/size" if isinstance(request, TextToImage) and request.size else None


class Options(BaseModel):
    """Everything we offer of Stability AI is in the request itself."""

    model_config = ConfigDict(extra="forbid", frozen=True)


_CHECKED = date(2026, 11, 20)
_GUIDE = "https://docs.aws.amazon.com/bedrock/latest/userguide/"
_ANY = Option()
_ONE = Option(minimum=1, maximum=1)
_SEED = Option(
    minimum=1,
    maximum=4_294_967_294,
    default=0,
    meaning="To the provider 0 means a random one, so it is refused. Absent: Fitting Room draws one. `provider`: none is sent,"
    " so the provider takes a random one.",
)
_EDIT = {
    "mask": Option(values=("image",)),
    "prompt": Option(meaning="What is to be seen in the changed area; needed."),
    "negative_prompt": _ANY,
    "output.count": _ONE,
    "output.seed": _SEED,
}
_INPUT = FitSpec(min_side=64, max_pixels=9_437_184, max_aspect=2.5)
_LIFECYCLE = Lifecycle(source=_GUIDE + "model-cards-stability-ai.html", checked=_CHECKED)

ENTRY = CatalogueEntry(
    id=ID,
    title=TITLE,
    models=(
        Model(id=CORE, tasks=("text_to_image",), qualities=("standard",), lifecycle=_LIFECYCLE, regions=WEST),
        Model(id=ULTRA, tasks=("text_to_image",), qualities=("best",), lifecycle=_LIFECYCLE, regions=WEST),
        Model(id=INPAINT, tasks=("inpaint", "outpaint"), lifecycle=_LIFECYCLE, inference_regions=US),
        Model(id=REMOVE_BACKGROUND, tasks=("remove_background",), lifecycle=_LIFECYCLE, inference_regions=US),
    ),
    runner="bedrock",
    secret=False,
    polled=False,
    tasks={
        "text_to_image": {
            "negative_prompt": _ANY,
            "size": Option(meaning="Honoured as a shape. Absent: 1:1."),
            "output.count": _ONE,
            "output.seed": _SEED,
            "output.quality": Option(
                values=("standard", "best"),
                meanings={"standard": "Stable Image Core.", "best": "Stable Image Ultra: dearer."},
            ),
        },
        "inpaint": _EDIT,
        "outpaint": _EDIT
        | {
            "transition": Option(
                values=("soft", "precise"),
                default="soft",
                meanings={
                    "soft": "The changed area grows by 5 px with a blurred edge, the provider's default.",
                    "precise": "It does not grow.",
                },
            )
        },
        "remove_background": {"output.count": _ONE},
    },
    cannot={
        "try_on": "None of Stability AI's services on Bedrock takes an image of a garment: they edit by text, so a given "
        "product cannot be put on a person."
    },
    exact_size=False,
    base=_INPUT,
    others=_INPUT,
    max_body=BODY_LIMIT - _FRAME,
    prices=(
        Price(
            model=CORE,
            amount=0.04,
            source="github.com/awslabs/startups, ai pricing cache of 2026-08-20",
            checked=_CHECKED,
        ),
        Price(
            model=ULTRA,
            amount=0.14,
            source="the dearer of two figures: 0.08 in github.com/awslabs/startups of "
            "2026-08-20, and 0.14 in other public price tables",
            checked=_CHECKED,
        ),
        Price(model=INPAINT, amount=0.07, source="github.com/stdapi-ai/stdapi.ai", checked=_CHECKED),
        Price(model=REMOVE_BACKGROUND, amount=0.07, source="github.com/stdapi-ai/stdapi.ai", checked=_CHECKED),
    ),
    retention="As the account's Bedrock data retention setting says: "
    "https://docs.aws.amazon.com/bedrock/latest/userguide/data-retention.html",
    failures_free=False,
    answers=600,  # AWS recommends at least 300 for a model of images
    rate=Rate(submits=10, seconds=60),  # ours: AWS sets a quota per model and account, and documents none for these
    status="2026-11-20: in service by AWS's documents. Needs a US Region in the deployment's bedrock_regions (us-west-2 has "
    "all its models) and a subscription of the AWS account. Never called with a live account.",
    options_model=Options,
    rules=rules,
    advice=(
        Advice(
            code="size_is_a_shape",
            detail="Stability AI draws in the shape of this size; the number of pixels is its own "
            f"choice, {SIDES[0]} to {SIDES[-1]} a side.",
            remedy="Read width and height of the result.",
            source=_GUIDE + "model-parameters-diffusion-stable-image-core-text-image-request-response.html",
            applies=_sized,
        ),
    ),
)
