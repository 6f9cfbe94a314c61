"""Aidge (AIDC, the AliExpress group), `/ai/virtual/tryon-pro`.

Source of limits and values: the vendor's page "Virtual Try-on Submit API Reference" (docs.aidc-ai.com); of hosts, the v2
signature and the trial quota: its sample `VirtualTryOnProHttpExample.java` (Apache-2.0).
"""

from __future__ import annotations

from datetime import date
from typing import Literal

from pydantic import BaseModel, ConfigDict

from fitting_room.jobs.errors import Fault
from fitting_room.jobs.geometry import FitSpec
from fitting_room.jobs.rate import Rate
from fitting_room.jobs.tasks import AnyRequest, TryOn
from fitting_room.providers.base import Advice, CatalogueEntry, Lifecycle, Model, Option, Price

ID = "aidge"
CATEGORIES = {"auto": None, "tops": "tops", "bottoms": "bottoms", "one_piece": "dresses"}  # ours -> the vendor's
_CHECKED = date(2026, 11, 20)
_PAGE = "https://docs.aidc-ai.com, Virtual Try-on Submit API Reference"


class Options(BaseModel):
    """The options of Aidge alone.

    `view`: how much of the body is shown; absent: the vendor's default, the full body. `quality_detect`: whether a
    garment picture that is poor or no complete flat lay is refused; absent: it is not.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    view: Literal["fullbody", "halfbody", "mixed"] | None = None
    quality_detect: bool | None = None


class AidgeSettings(BaseModel):
    """The operator's settings for Aidge.

    `sign`: v2, or the classic one of the IopClient. `payload`: the name of the parameter that holds the order. By
    default it is that of the document that describes the signature. `task_key`: the name of the task's id in a status
    read, which documents give differently. `trial`: use the account's free trial quota. `host`: where the key was
    bought.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    sign: Literal["v2", "iop"] = "v2"
    payload: Literal["requestParams", "paramJson"] | None = None
    task_key: Literal["task_id", "taskId"] = "task_id"
    trial: bool = False
    host: Literal["global", "china"] = "global"

    @property
    def parameter(self) -> str:
        return self.payload or ("requestParams" if self.sign == "v2" else "paramJson")


def rules(request: AnyRequest) -> list[Fault]:
    """Return the faults of a request for two garments that are not a top and a bottom.

    Source: "`clothesList` can contain 2 elements at most and the 'type' parameter in these elements MUST be 'tops'
    and 'bottoms'".
    """
    if not isinstance(request, TryOn) or len(request.garments) != 2:
        return []
    first, second = (garment.category for garment in request.garments)
    if {first, second} == {"tops", "bottoms"}:
        return []
    wrong = 0 if first not in ("tops", "bottoms") else 1
    return [
        Fault.of(
            "unsupported_option",
            "Aidge takes two garments only as a suit: one top and one bottom, each named.",
            "Give one garment the category tops and the other one bottoms, or send one job per garment.",
            pointer=f"/garments/{wrong}/category",
        )
    ]


def several_photos(request: AnyRequest, seen: frozenset[str]) -> str | None:  # noqa: ARG001
    photos = isinstance(request, TryOn) and request.person and request.person.photos
    return "/output/count" if photos and len(photos) > 1 else None


ENTRY = CatalogueEntry(
    id=ID,
    title="Aidge",
    models=(
        Model(id="tryon-pro", tasks=("try_on",), lifecycle=Lifecycle(source=f"{_PAGE}; no dates", checked=_CHECKED)),
    ),
    runner="http",
    secret=True,
    polled=True,
    tasks={
        "try_on": {
            "person.photos": Option(minimum=1, maximum=8),
            "person.stock": Option(
                values=(True,),
                meaning="Absent traits have the provider's defaults: gender female, style universal_1, body slim. A name has"
                " own traits.",
            ),
            "garment.category": Option(
                values=tuple(CATEGORIES),
                default="auto",
                meaning="`auto`: the provider finds the kind of a single garment.",
            ),
            "garment.photo": Option(  # 707: "not a complete flat lay"
                values=("auto", "flat_lay"),
                meaning="Nothing is sent: the provider wants garments that lie flat and whole.",
            ),
            "output.count": Option(
                minimum=1,
                maximum=8,
                default=4,
                meaning="Always sent: 1 where you say nothing, for four would cost more.",
            ),
        },
    },
    max_garments=2,
    keeps_framing=False,
    base=FitSpec(min_side=150, max_side=3000),
    others=FitSpec(min_side=150, max_side=3000),
    max_image=10_000_000,  # ours: the vendor fetches each image by a link, and names no limit of bytes
    prices=(Price(source=f"{_PAGE}: no price is published there, nor credits", checked=_CHECKED),),
    retention="Not documented, neither for the images nor for the results.",
    result_hosts=("aliexpress-media.com", "alicdn.com", "aliyuncs.com"),  # of the pictures in the vendor's samples
    failures_free=False,  # not documented
    rate=Rate(submits=3, seconds=60),  # "supports receiving up to three requests within 60 seconds"
    settings_model=AidgeSettings,
    status="2026-11-21: in service as far as its documents show; not tried with a real key.",
    options_model=Options,
    rules=rules,
    advice=(
        Advice(
            code="count_with_photos",
            applies=several_photos,
            source=f"{_PAGE}: it says neither",
            detail="Aidge does not document whether the number of images counts for each photo or for all of them.",
            remedy="Send one job per photo if the number matters.",
        ),
    ),
)
