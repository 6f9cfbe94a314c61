"""Aidge (AIDC, the AliExpress group), `/ai/virtual/tryon-pro`.

Source of limits and values: the vendor's page "Virtual Try-on Submit API Reference" (docs.aidc-ai.com); of hosts, the v2
signature and the trial quota: its sample `VirtualTryOnProHttpExample.java` (Apache-2.0).
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

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
    """The options of Aidge alone."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    view: Annotated[
        Literal["fullbody", "halfbody", "mixed"] | None,
        Field(description="How much of the body is shown. Absent: the provider's default, the full body."),
    ] = None
    quality_detect: Annotated[
        bool | None,
        Field(
            description="Whether a garment image that is poor or no complete flat lay is refused. Absent: it is not."
        ),
    ] = None


class AidgeSettings(BaseModel):
    """The operator's settings for Aidge, for what its documents contradict or only the account knows."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    sign: Annotated[
        Literal["v2", "iop"],
        Field(description="The signature of the provider's HTTP samples, or the classic one of its IopClient."),
    ] = "v2"
    payload: Annotated[
        Literal["requestParams", "paramJson"] | None,
        Field(
            description="The parameter that holds the order. Absent: that of the document which describes the"
            " signature, so the first with `v2` and the second with `iop`."
        ),
    ] = None
    task_key: Annotated[
        Literal["task_id", "taskId"],
        Field(description="The name of the task's id in a status read, which documents give differently."),
    ] = "task_id"
    trial: Annotated[bool, Field(description="Use the account's free trial quota.")] = False
    host: Annotated[Literal["global", "china"], Field(description="Where the key was bought.")] = "global"

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
            "person.photos": Option(minimum=1, maximum=8, meaning="Several images of the person."),
            "person.stock": Option(
                values=(True,),
                meaning="Absent traits have the provider's defaults: gender female, style universal_1, body slim. A name has"
                " own traits.",
            ),
            "garment.category": Option(
                values=tuple(CATEGORIES),
                default="auto",
                meaning="`auto`: the provider finds the kind of a single garment. Of two, one is `tops` and one `bottoms`.",
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
