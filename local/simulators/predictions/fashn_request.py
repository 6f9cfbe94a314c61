"""`POST /v1/run` of FASHN for `tryon-v1.6` as its documents state it: fields, enums, ranges.

Sources: docs.fashn.ai (API Fundamentals); the vendor's Python client 0.9.0, `types/prediction_run_params.py`.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator

from local.simulators.kit.strict import Strict
from local.simulators.predictions.request import ClothesTryOn, ImageInput


def _not_saved(given: Any) -> Any:
    if isinstance(given, str) and given.startswith("saved:"):
        raise ValueError(
            "no models are saved in this simulator: send an http(s) URL or base64 in the place of saved:<name>"
        )
    return given


class Inputs(ClothesTryOn):
    endpoint: ClassVar[str] = "tryon-v1.6"

    model_image: Annotated[ImageInput, BeforeValidator(_not_saved)]
    return_base64: bool = False


class RunRequest(Strict):
    model_name: Literal["tryon-v1.6"]
    inputs: Inputs
