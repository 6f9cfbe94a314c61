"""FASHN: model `tryon-v1.6`, and by name the experimental `tryon-max`.

Results come by address: `return_base64` is never asked for, because the vendor keeps such results for 60 minutes
instead of 72 hours. Every status answer would also be as large as all pictures together. An answer in base64 is read
anyway.

Source of limits and values: the vendor's pages "API Fundamentals", "API Endpoints", "Error Handling", "Webhooks" and
"Data Retention & Privacy" (docs.fashn.ai) and its Python client 0.9.0 (`fashn/types/prediction_run_params.py`).
"""

from __future__ import annotations

from datetime import date

from pydantic import BaseModel, ConfigDict

from fitting_room.jobs.geometry import FitSpec
from fitting_room.jobs.rate import Rate
from fitting_room.providers.base import CatalogueEntry, Lifecycle, Model, Option, Price
from fitting_room.providers.shared.clothes import OPTIONS, unmoderated
from fitting_room.providers.shared.instructions import WORDS

ID = "fashn"
MODEL = "tryon-v1.6"
MAX = "tryon-max"
MAX_CREDITS = 4
_CHECKED, _MAX_CHECKED = date(2026, 11, 20), date(2026, 11, 25)
_DOCS = "https://docs.fashn.ai"


class Options(BaseModel):
    """Everything that is offered of FASHN is in the request itself."""

    model_config = ConfigDict(extra="forbid", frozen=True)


_MAX_OPTIONS = {
    "garment.category": Option(
        values=tuple(each for each in WORDS if each != "object"),
        default="auto",
        meaning="Not sent: the model takes any product that can be worn, and finds out which it is.",
    ),
    "garment.photo": Option(values=("auto", "flat_lay", "model"), default="auto", meaning="Not sent."),
    "prompt": Option(meaning="How the product is to be worn."),
    "output.count": Option(minimum=1, maximum=4, default=1, meaning="Every image is charged."),
    "output.quality": Option(
        values=("standard", "best"),
        default="standard",
        meanings={"standard": "The mode `balanced`.", "best": "The mode `quality`: slower and dearer."},
    ),
    "output.seed": OPTIONS["output.seed"],
}

ENTRY = CatalogueEntry(
    id=ID,
    title="FASHN",
    models=(
        Model(
            id=MODEL,
            tasks=("try_on",),
            lifecycle=Lifecycle(source=f"{_DOCS}/llms.txt lists it; no dates", checked=_CHECKED),
        ),
        Model(
            id=MAX,
            tasks=("try_on",),
            options={"try_on": _MAX_OPTIONS},
            named_only=True,
            base=FitSpec(max_side=2048),
            others=FitSpec(max_side=2048),
            keeps_framing=False,
            keeps_shape=True,
            lifecycle=Lifecycle(
                source=f"{_DOCS}/api-reference/tryon-max, experimental; no dates", checked=_MAX_CHECKED
            ),
        ),
    ),
    runner="http",
    secret=True,
    polled=True,
    tasks={"try_on": OPTIONS},
    base=FitSpec(canvas=(864, 1296)),
    others=FitSpec(max_side=1296),
    max_body=4_000_000,  # ours: the vendor names no limit, but says that oversized base64 pictures end in a 500
    sends_model=True,
    prices=(
        Price(model=MODEL, credits=1, source=f"{_DOCS}, FASHN Virtual Try-On v1.6", checked=_CHECKED),
        Price(
            model=MAX,
            credits=MAX_CREDITS,
            source=f"{_DOCS}/api-reference/tryon-max; `quality` costs more, how much is not documented",
            checked=_MAX_CHECKED,
        ),
    ),
    retention="Results 72 hours on the provider's servers; images sent in the request, as Fitting Room sends"
    " them, are not stored: "
    f"{_DOCS}/api-overview/data-retention-privacy",
    result_hosts=("fashn.ai",),
    failures_free=False,  # said of PipelineError only
    rate=Rate(submits=50, seconds=60),  # page API Endpoints
    usual=8,  # page FASHN Virtual Try-On v1.6: 5, 8, or 12 to 17 s by mode; balanced is the default
    concurrency=6,  # second-hand; the vendor names no figure, but an error for too many
    callbacks=True,
    status="2026-11-21: in service as far as its documents and client show; not tried with a real key.",
    options_model=Options,
    advice=(unmoderated("FASHN", f"{_DOCS}/api-reference/tryon-v1-6, Responsible Use Notice"),),
)
