"""TryItOn.now: API v2 (`/tryon/fashion`), and the older `/tryon/clothes` for a request that names it.

Source of limits and values: the vendor's Python client 2.0.0 (github.com/tryiton-now/tryiton-python, README and
`tryiton/client.py`) and the vendor's page "Clothes Tryon" (docs.tryiton.now).
"""

from __future__ import annotations

from datetime import date
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from fitting_room.jobs.errors import Fault
from fitting_room.jobs.geometry import FitSpec
from fitting_room.jobs.rate import Rate
from fitting_room.jobs.tasks import AnyRequest, TryOn
from fitting_room.providers.base import CatalogueEntry, Lifecycle, Model, Option, Price
from fitting_room.providers.shared.clothes import OPTIONS, unmoderated

ID = "tryiton"
FASHION, CLOTHES = "fashion-v2", "clothes"
CATEGORIES: dict[str, tuple[str, str | None]] = {  # ours -> the vendor's category and subcategory
    "auto": ("auto", None),
    "tops": ("clothing", "tops"),
    "bottoms": ("clothing", "bottoms"),
    "one_piece": ("clothing", "dresses"),
    "footwear": ("footwear", None),
    "headwear": ("headwear", None),
    "eyewear": ("eyewear", None),
    "jewelry": ("jewelry", None),
    "accessories": ("accessories", None),
    "object": ("others", None),
}
NEED_SUBCATEGORY = ("jewelry", "accessories")


Subcategory = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,63}$"),
    Field(description="one word of at most 64 letters, digits, - and _ that begins with a letter, such as necklace"),
]


class Options(BaseModel):
    """`subcategory`: TryItOn's own word, needed for jewelry and accessories. TryItOn publishes no list of these."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    subcategory: Subcategory | None = None


def is_clothing(request: TryOn) -> bool:
    return CATEGORIES.get(request.garments[0].category, ("", None))[0] == "clothing"


def rules(request: AnyRequest) -> list[Fault]:
    model = ENTRY.model(request)
    if not isinstance(request, TryOn) or model is None:
        return []
    named = request.provider_options.get(ID, {}).get("subcategory") is not None
    if model.id == FASHION:
        return _of_fashion(request, named)
    return (
        [
            _fault(
                "invalid_input",
                "/provider_options/tryiton/subcategory",
                "The older call has no subcategories.",
                f"Leave it out, or use {ID} alone as the provider.",
            )
        ]
        if named
        else []
    )


def _of_fashion(request: TryOn, named: bool) -> list[Fault]:
    category, faults = request.garments[0].category, []
    if category in NEED_SUBCATEGORY and not named:
        faults.append(
            _fault(
                "invalid_input",
                "/provider_options/tryiton/subcategory",
                f"TryItOn needs a subcategory for {category}.",
                "Give the provider's word for the item.",
            )
        )
    if named and category not in NEED_SUBCATEGORY:
        faults.append(
            _fault(
                "invalid_input",
                "/provider_options/tryiton/subcategory",
                f"A subcategory only goes with {' or '.join(NEED_SUBCATEGORY)}.",
                "Leave it out.",
            )
        )
    if not is_clothing(request):
        if request.output.quality in ("fast", "best"):
            faults.append(_clothing_only("/output/quality"))
        if request.moderation is not None:
            faults.append(_clothing_only("/moderation"))
    return faults


def _clothing_only(pointer: str) -> Fault:
    return _fault(
        "unsupported_option",
        pointer,
        "TryItOn offers this choice only for clothing that is named as such.",
        "Leave it out, or name the garment's category (tops, bottoms, one_piece).",
    )


def _fault(code: str, pointer: str, detail: str, remedy: str) -> Fault:
    return Fault.of(code, detail, remedy, pointer=pointer, provider=ID)


_CHECKED = date(2026, 11, 20)
_SDK = "https://github.com/tryiton-now/tryiton-python"

ENTRY = CatalogueEntry(
    id=ID,
    title="TryItOn",
    models=(
        Model(
            id=FASHION,
            tasks=("try_on",),
            lifecycle=Lifecycle(launched=date(2026, 7, 14), source=f"{_SDK}, v2.0.0", checked=_CHECKED),
        ),
        Model(
            id=CLOTHES,
            tasks=("try_on",),
            opt_in=True,
            options={"try_on": OPTIONS},
            lifecycle=Lifecycle(
                legacy=date(2026, 7, 14),
                source=f"{_SDK}, v2.0.0 put /tryon/fashion in its place; whether the provider still"
                " answers it is not known",
                checked=_CHECKED,
            ),
        ),
    ),
    runner="http",
    secret=True,
    polled=True,
    tasks={
        "try_on": {
            "garment.category": Option(
                values=tuple(CATEGORIES),
                meaning="Modes and moderation are for clothing that is named: tops, bottoms or one_piece.",
            ),
            "moderation": OPTIONS["moderation"],
            "output.count": OPTIONS["output.count"],
            "output.quality": OPTIONS["output.quality"],
        },
    },
    base=FitSpec(canvas=(864, 1296)),
    others=FitSpec(max_side=1296),
    max_body=10_000_000,  # ours: the vendor names no limit, and works at 864 x 1296 px
    prices=(Price(credits=1, source="docs.tryiton.now, Clothes Tryon", checked=_CHECKED),),
    retention="Results 72 hours on the provider's servers; inputs sent in the request, as Fitting Room sends"
    " them, are not stored: "
    "https://docs.tryiton.now/api-overview/data-retention-and-privacy",
    result_hosts=("tryiton.now",),
    failures_free=True,
    usual=9,  # docs.tryiton.now, Clothes Tryon: 6, 9, or 12 to 18 s by mode
    rate=Rate(submits=60, seconds=60),  # ours: the vendor names no limit for submissions
    status="2026-11-21: in service as far as its documents and client show; not tried with a real key.",
    options_model=Options,
    rules=rules,
    advice=(unmoderated("TryItOn", "docs.tryiton.now, Clothes Tryon, Responsible Use Notice"),),
)
