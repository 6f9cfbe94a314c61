"""Amazon Nova Canvas, task VIRTUAL_TRY_ON, on Amazon Bedrock.

Source of limits and values: the Amazon Nova user guide, pages `image-gen-vto`, `image-gen-req-resp-structure` and
`image-gen-access`; quota: AWS general reference, `bedrock`.
"""

from __future__ import annotations

from datetime import date

from pydantic import BaseModel, ConfigDict

from fitting_room.jobs.errors import Fault
from fitting_room.jobs.geometry import FitSpec
from fitting_room.jobs.request import GarmentMask
from fitting_room.jobs.tasks import AnyRequest, Garment, TryOn
from fitting_room.providers.base import CatalogueEntry, Lifecycle, Model, Option, Price, Rate

ID = "nova_canvas"
MODEL = "amazon.nova-canvas-v1:0"
BODY_LIMIT = 25_000_000
_FRAME = 16_384  # bytes of a request that are not pictures: a mask prompt of 1024 characters, keys and quotes, with room

BODY_PARTS = {"tops": "UPPER_BODY", "bottoms": "LOWER_BODY", "one_piece": "FULL_BODY", "outfit": "FULL_BODY",
              "footwear": "FOOTWEAR"}
TYPES = {
    "UPPER_BODY": ("long_sleeve_shirt", "short_sleeve_shirt", "no_sleeve_shirt", "other_upper_body"),
    "LOWER_BODY": ("long_pants", "short_pants", "other_lower_body"),
    "FULL_BODY": ("long_dress", "short_dress", "full_body_outfit", "other_full_body"),
    "FOOTWEAR": ("shoes", "boots", "other_footwear"),
}


def body_part(garment: Garment) -> str | None:
    """The coarse garment class, from the category or, where that is `auto`, from the type."""
    if garment.category == "auto" and garment.type:
        return next(part for part, types in TYPES.items() if garment.type in types)
    return BODY_PARTS.get(garment.category)


def garment_class(garment: Garment) -> str | None:
    """The value of `garmentClass`: the fine class where the client named one."""
    return garment.type.upper() if garment.type else body_part(garment)


def rules(request: AnyRequest) -> list[Fault]:
    return _try_on_rules(request) if isinstance(request, TryOn) else []


def _try_on_rules(request: TryOn) -> list[Fault]:
    garment, part = request.garments[0], body_part(request.garments[0])
    faults = []
    if garment.type and garment.type not in TYPES.get(part or "", ()):
        faults.append(_fault("invalid_input", "/garments/0/type",
                             f"The type `{garment.type}` does not fit the category `{garment.category}`.",
                             f"Use one of: {', '.join(TYPES[part])}, or leave the type out." if part
                             else "Leave the type out: there is none for this category."))
    own_mask = request.mask is None or isinstance(request.mask, GarmentMask)
    if own_mask and part is None:
        faults.append(_no_class(garment))
    for name, value in request.styling:
        if value is not None and not own_mask:
            faults.append(_fault("unsupported_option", f"/styling/{name}",
                                 "Nova Canvas styles a garment only together with a garment mask.",
                                 "Leave the styling out, or use a mask of type garment."))
        elif value is not None and part not in (None, "UPPER_BODY"):
            faults.append(_fault("unsupported_option", f"/styling/{name}",
                                 "Nova Canvas styles only garments for the upper body.",
                                 "Leave the styling out, or send a garment of category tops."))
    return faults


def _no_class(garment: Garment) -> Fault:
    if garment.category == "auto":
        return _fault("invalid_input", "/garments/0/category",
                      "Nova Canvas does not recognise the kind of garment by itself.",
                      f"Name the category ({', '.join(BODY_PARTS)}), use a prompt or image mask, "
                      "or choose another provider.")
    return _fault("unsupported_option", "/garments/0/category",
                  f"Nova Canvas finds no place for `{garment.category}` by itself.",
                  "Show the place with a prompt or image mask, or choose another provider.")


def _fault(code: str, pointer: str, detail: str, remedy: str) -> Fault:
    return Fault.of(code, detail, remedy, pointer=pointer, provider=ID)


class Options(BaseModel):
    """Everything Nova Canvas offers is in the request itself."""

    model_config = ConfigDict(extra="forbid", frozen=True)


_ANY = Option()
_INPUT = FitSpec(min_side=320, max_side=4096, max_pixels=2048 * 2048, max_aspect=4)
_PRICES = "github.com/awslabs/startups, ai pricing cache of 2026-08-20"

LIFECYCLE = Lifecycle(legacy=date(2026, 3, 30), end_of_life=date(2026, 9, 30),
                      source="https://docs.aws.amazon.com/bedrock/latest/userguide/model-lifecycle-legacy.html")

ENTRY = CatalogueEntry(
    id=ID,
    title="Amazon Nova Canvas",
    models=(Model(id=MODEL, tasks=("try_on",), lifecycle=LIFECYCLE),),
    runner="bedrock",
    secret=False,
    polled=False,
    tasks={
        "try_on": {
            "mask": _ANY, "keep.face": _ANY, "keep.hands": _ANY, "keep.pose": _ANY,
            "styling.sleeves": _ANY, "styling.tuck": _ANY, "styling.outer_layer": _ANY, "merge": _ANY,
            "output.count": Option(minimum=1, maximum=5),
            "output.quality": Option(values=("standard", "best")),
            "output.seed": Option(minimum=0, maximum=2_147_483_646),
            "output.guidance": Option(minimum=1.1, maximum=10),
            "output.mask": _ANY,
            # both facts describe the pictures; the vendor takes garments "on or off a body"
            "garment.category": _ANY, "garment.type": _ANY, "garment.photo": _ANY,
        },
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
)
