"""Your own endpoint: SageMaker Asynchronous Inference in the account and region of the deployment.

The stage's setting `sagemaker` names the endpoints; each is a model. The only try-on whose photos do not leave the account.
Source of limits: API reference of InvokeEndpointAsync, and the service model in botocore 1.44.5.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, JsonValue

from fitting_room.jobs.geometry import FitSpec
from fitting_room.providers.base import CatalogueEntry, Lifecycle, Model, Option, Price
from fitting_room.settings import DeploymentSettings, SageMakerEndpoint

ID = "sagemaker"
TITLE = "Your SageMaker endpoint"
DEADLINE = 3600
IN_QUEUE, AT_WORK = 2400, 900
"""Seconds that a request may wait for an instance, and that it may take: both end before the deadline. An endpoint at zero
takes about ten minutes to wake."""
_SETTING = "the setting `sagemaker` of this deployment"


class Options(BaseModel):
    """Whatever the model behind the endpoint takes: it is handed on as `options` of the document."""

    model_config = ConfigDict(extra="allow", frozen=True)

    __pydantic_extra__: dict[str, JsonValue]


def of_stage(stage: DeploymentSettings) -> Mapping[str, Any]:
    """Return the models and the prices that the stage names."""
    if not stage.sagemaker:
        return {}
    return {
        "models": tuple(_model(name, endpoint) for name, endpoint in stage.sagemaker.items()),
        "prices": tuple(_price(name, endpoint) for name, endpoint in stage.sagemaker.items()),
    }


def _model(name: str, endpoint: SageMakerEndpoint) -> Model:
    return Model(id=name, tasks=("try_on",), lifecycle=Lifecycle(source="yours"), licence=endpoint.licence)


def _price(name: str, endpoint: SageMakerEndpoint) -> Price:
    if endpoint.price_per_hour is None:
        return Price(model=name, amount=endpoint.price_per_image, source=_SETTING)
    return Price(model=name, amount=endpoint.price_per_hour, basis="hour", source=_SETTING)


_INPUT = FitSpec(max_side=2048)

ENTRY = CatalogueEntry(
    id=ID,
    title=TITLE,
    models=(),
    runner="sagemaker",
    secret=False,
    polled=True,
    tasks={
        "try_on": {
            "garment.category": Option(values=("auto", "tops", "bottoms", "one_piece"), default="auto"),
            "garment.photo": Option(values=("auto", "flat_lay", "model"), default="auto"),
            "output.count": Option(minimum=1, maximum=4, default=1),
            "output.quality": Option(values=("fast", "standard", "best"), default="standard"),
            "output.seed": Option(
                minimum=0,
                maximum=2**32 - 1,
                meaning="Absent: Fitting Room draws one. `provider`: none is sent, so the model takes its own.",
            ),
        }
    },
    base=_INPUT,
    others=_INPUT,
    max_body=19_000_000,  # of 20 MB that a document may have
    prices=(Price(source=_SETTING),),
    retention="Nothing leaves the AWS account: request and answer lie in the media bucket, in `staging/`, for the days that"
    " the deployment keeps working copies.",
    erases=True,
    late=DEADLINE,
    failures_free=True,  # an endpoint is billed by the hour, whatever becomes of a request
    deadline=DEADLINE,
    answers_in_media=True,
    status="Off until the operator names an endpoint. Not tried with a live account: see docs/sagemaker.md.",
    options_model=Options,
    of_stage=of_stage,
)
