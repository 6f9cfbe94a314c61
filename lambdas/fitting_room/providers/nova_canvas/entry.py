"""Amazon Nova Canvas on Amazon Bedrock: all of its tasks.

Source of limits and values: the Amazon Nova user guide, pages `image-gen-vto`, `image-gen-req-resp-structure` and
`image-gen-access`; quota: AWS general reference, `bedrock`.
"""

from __future__ import annotations

from datetime import date

from pydantic import BaseModel, ConfigDict

from fitting_room.jobs.geometry import FitSpec
from fitting_room.jobs.rate import Rate
from fitting_room.jobs.tasks import Task
from fitting_room.providers.base import CatalogueEntry, Lifecycle, Model, Option, Price
from fitting_room.providers.nova_canvas.advice import ADVICE
from fitting_room.providers.nova_canvas.rules import MAX_ASPECT, MAX_PIXELS, MAX_SIDE, MIN_SIDE, rules

ID = "nova_canvas"
MODEL = "amazon.nova-canvas-v1:0"
REGIONS = ("us-east-1", "eu-west-1", "ap-northeast-1")
BODY_LIMIT = 25_000_000
_FRAME = 28_672  # bytes of a request that are not pictures: texts of 4096, 1024 and 1024 characters, keys, with room


class Options(BaseModel):
    """Everything Nova Canvas offers is in the request itself."""

    model_config = ConfigDict(extra="forbid", frozen=True)


_ANY = Option()
_SAMPLING = {
    "output.count": Option(
        minimum=1, maximum=5, default=1, meaning="The provider may hold back some of the images, so fewer may come."
    ),
    "output.seed": Option(
        minimum=0,
        maximum=2_147_483_646,
        drawn=858_993_459,  # the end of the range in the vendor's older samples: such a seed is right in both
        default=12,
        meaning="The same seed and settings give the same image; another seed gives another image. Absent: Fitting Room"
        " draws one. `provider`: none is sent.",
    ),
    "output.guidance": Option(
        minimum=1.1,
        maximum=10,
        default=6.5,
        meaning="How strictly the model follows the prompt. 1.1 to 3: more freedom, low contrast. 4 to 7: recommended for"
        " most images. 8 to 10: strict, at times at the cost of a natural look and with too much colour.",
    ),
}
_QUALITY = Option(
    values=("standard", "best"),
    default="standard",
    meanings={"standard": "The provider's `standard`.", "best": "The provider's `premium`: dearer and slower."},
)
_OUTPUT = {**_SAMPLING, "output.quality": _QUALITY}
_NEGATIVE = {"negative_prompt": Option(meaning="What must not be seen, without negating words.")}
_REMOVES = Option(
    meaning="What is to be seen in the changed area. Absent: the model removes what the mask covers, and continues the"
    " background there."
)
_MASK = {"mask": Option(values=("prompt", "image"))}


_KEEP = Option(
    values=(True, False, "default"),
    meaning="Whether this part of a person stays as in the photo or is redrawn. Absent: nothing is sent. The document does"
    " not say what the provider then does, nor whether its DEFAULT is the same.",
    meanings={
        "true": "ON: kept, and taken out of the mask of any type.",
        "false": "OFF: redrawn.",
        "default": "DEFAULT.",
    },
)

TASKS: dict[Task, dict[str, Option]] = {
    # no prompt: "virtual try-on does not support a text prompt or negative text prompt"
    "try_on": {
        **_OUTPUT,
        "output.mask": Option(meaning="The mask that was used comes back with the images."),
        "scene": Option(
            meaning="A room or a wall in the place of the person, with a prompt or image mask that says where the object"
            " goes."
        ),
        "mask": Option(
            values=("garment", "prompt", "image"),
            meaning="Absent: a garment mask.",
            meanings={
                "garment": "The provider makes the mask, by the class of the garment.",
                "prompt": "The provider makes the mask, around the thing that the prompt names.",
                "image": "Your own mask: black changes, white stays.",
            },
        ),
        "mask.shape": Option(
            values=("bounding_box", "contour", "default"),
            meaning="The shape of the mask around the thing. The provider's default for a prompt mask is the bounding box; for"
            " a garment mask no document names one.",
            meanings={
                "bounding_box": "Recommended for most prompt masks. It may reach over face and hands.",
                "contour": "Tight: the new product must have the outline of the old one.",
                "default": "The provider's word DEFAULT is sent. The document does not say what it comes to.",
            },
        ),
        "merge": Option(
            values=("balanced", "seamless", "detailed"),
            meaning="How the new part is joined to the photo. The document names no default.",
            meanings={
                "balanced": "All pixels outside the mask stay as they are; before a plain backdrop a ghost of the mask's"
                " shape may show.",
                "seamless": "Never a seam, but all pixels change a little and fine detail may fade.",
                "detailed": "Much finer logos and text, above all in a small area; a seam may show.",
            },
        ),
        "keep.face": _KEEP,
        "keep.hands": _KEEP,
        "keep.pose": _KEEP,
        "styling.sleeves": Option(
            values=("up", "down"),
            meaning="Of a shirt with long sleeves. `up` needs a person who does not wear long sleeves down.",
        ),
        "styling.tuck": Option(values=("in", "out"), meaning="`in` needs a person whose shirt is tucked in."),
        "styling.outer_layer": Option(
            values=("open", "closed"),
            default="closed",
            meanings={
                "open": "What the person wears stays, and the jacket or coat goes over it.",
                "closed": "Everything on the upper body is replaced; a jacket may still come out open.",
            },
        ),
        "garment.category": Option(
            meaning="With a prompt or image mask any. With a garment mask `tops`, `bottoms`, `one_piece`, `outfit` or"
            " `footwear`, or `auto` with a `type`. An image of several pieces is an `outfit`."
        ),
        "garment.type": Option(meaning="Any that fits the category."),
        "garment.photo": Option(meaning="Nothing is sent: the provider takes garments on or off a body."),
    },
    "text_to_image": {
        **_OUTPUT,
        **_NEGATIVE,
        "style": _ANY,
        "size": Option(meaning="Absent: 1024 x 1024 px."),
        "condition": Option(meaning="An image whose layout the result follows."),
        "condition.control": Option(
            values=("canny_edge", "segmentation"),
            default="canny_edge",
            meanings={
                "canny_edge": "The result follows the contours of the image closely.",
                "segmentation": "The result follows the areas of the image, and is freer within each.",
            },
        ),
        "condition.strength": Option(
            minimum=0, maximum=1, default=0.7, meaning="How closely the layout is followed: lower is freer."
        ),
    },
    "color_guided": {
        **_OUTPUT,
        **_NEGATIVE,
        "size": Option(meaning="Absent: 1024 x 1024 px."),
        "reference_image": Option(
            meaning="Guides subject and style. Its colours go into the result too, so `colors` have less effect."
        ),
    },
    "image_variation": {
        **_SAMPLING,
        **_NEGATIVE,
        "prompt": _ANY,
        "similarity": Option(
            minimum=0.2,
            maximum=1,
            meaning="How like the given images the result is: lower is freer. The document names no default.",
        ),
        "size": Option(meaning="Absent: 1024 x 1024 px."),
    },
    "inpaint": {**_OUTPUT, **_NEGATIVE, **_MASK, "prompt": _REMOVES},
    "outpaint": {
        **_OUTPUT,
        **_NEGATIVE,
        **_MASK,
        "prompt": _REMOVES,
        "transition": Option(
            values=("soft", "precise"),
            meaning="The document names no default.",
            meanings={
                "soft": "The provider's DEFAULT mode: blends into the old background, whose colours show through; around a"
                " very different one a halo may show.",
                "precise": "Keeps to the edge of the mask: for a background that differs much.",
            },
        ),
    },
    # no imageGenerationConfig, and the answer holds "a PNG image"
    "remove_background": {"output.count": Option(minimum=1, maximum=1)},
}
_INPUT = FitSpec(min_side=MIN_SIDE, max_side=MAX_SIDE, max_pixels=MAX_PIXELS, max_aspect=MAX_ASPECT)
_CHECKED = date(2026, 11, 20)
_PRICES = "github.com/awslabs/startups, ai pricing cache of 2026-08-20"

LIFECYCLE = Lifecycle(
    launched=date(2024, 12, 3),
    legacy=date(2026, 3, 30),
    end_of_life=date(2026, 9, 30),
    source="https://docs.aws.amazon.com/bedrock/latest/userguide/model-lifecycle-legacy.html; launched: the"
    " day it was announced",
    checked=_CHECKED,
)

ENTRY = CatalogueEntry(
    id=ID,
    title="Amazon Nova Canvas",
    models=(Model(id=MODEL, tasks=tuple(TASKS), lifecycle=LIFECYCLE, regions=REGIONS),),
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
        Price(amount=0.04, quality="standard", max_side=1024, source=_PRICES, checked=_CHECKED),
        Price(amount=0.06, quality="best", max_side=1024, source=_PRICES, checked=_CHECKED),
        Price(amount=0.06, quality="standard", source=_PRICES, checked=_CHECKED),
        Price(amount=0.08, quality="best", source=_PRICES, checked=_CHECKED),
    ),
    retention="As the account's Bedrock data retention setting says: "
    "https://docs.aws.amazon.com/bedrock/latest/userguide/data-retention.html",
    failures_free=False,
    answers=600,  # AWS recommends at least 300 for a model of images
    rate=Rate(submits=100, seconds=60),
    status="2026-11-20: past its end of life (2026-09-30) in every Region. Only an account with a private arrangement "
    "with AWS can still call it.",
    options_model=Options,
    rules=rules,
    advice=ADVICE,
)
