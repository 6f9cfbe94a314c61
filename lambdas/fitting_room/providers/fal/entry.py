"""fal, a gateway to other vendors' models: four of them, each with its own options.

Results come by address: anyone with the address can read the files, so fal is asked to delete them after three days.
Source: the vendor's pages "Queue", "Webhooks", "Errors", "Common parameters", "Media expiration", "Payloads" and
"FAQ" (fal.ai/docs), its clients `fal-client` 1.0.3 (PyPI) and `@fal-ai/client` 1.10.1 (npm), and the models' own
pages.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from fitting_room.jobs.geometry import FitSpec
from fitting_room.providers.base import CatalogueEntry
from fitting_room.providers.fal.models import MODELS, PRICES
from fitting_room.providers.shared.clothes import OPTIONS, unmoderated

ID = "fal"
KEPT_SECONDS = 3 * 24 * 3600
DEADLINE = 1800


class Options(BaseModel):
    """Everything that is offered of fal is in the request itself."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Settings(BaseModel):
    """The operator's settings for fal."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    erases: Annotated[
        bool, Field(description="The stored key has fal's ADMIN scope, without which fal deletes nothing.")
    ] = False
    store_io: Annotated[
        bool,
        Field(
            description="`false` asks fal not to keep the JSON of requests and answers. No document says whether a"
            " result can then be read later, so try it first."
        ),
    ] = True


ENTRY = CatalogueEntry(
    id=ID,
    title="fal",
    models=MODELS,
    runner="http",
    secret=True,
    polled=True,
    tasks={"try_on": OPTIONS},
    instead={"garments": "Send one job per garment, or name fal/fal-ai/nano-banana-2/edit, which takes several."},
    base=FitSpec(canvas=(864, 1296)),
    others=FitSpec(max_side=1296),
    max_body=4_000_000,  # ours: fal names no limit of a request
    prices=PRICES,
    retention="Results 3 days, by request of Fitting Room, at public addresses. The JSON of requests 30 days unless the"
    " stage sets store_io to false. Both go at once with a key of ADMIN scope: "
    "https://fal.ai/docs/documentation/model-apis/media-expiration",
    cancels=True,
    result_hosts=("fal.media",),
    failures_free=False,  # 5xx are never charged; a 422 may be, if a runner had worked
    concurrency=2,  # "2 requests at once for a new account": more would only wait there
    deadline=DEADLINE,
    usual=10,  # of the default model; ours
    callbacks=True,
    sends_model=True,
    settings_model=Settings,
    status="2026-11-25: in service as far as its documents and client show; not tried with a real key.",
    options_model=Options,
    advice=(unmoderated("fal", "https://fal.ai/models/fal-ai/fashn/tryon/v1.6/llms.txt, moderation_level"),),
)
