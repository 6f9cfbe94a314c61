"""`POST /v1/run` of FASHN for `tryon-v1.6` as its documents state it: fields, enums, ranges.

Sources: docs.fashn.ai (API Fundamentals); the vendor's Python client 0.9.0, `types/prediction_run_params.py`.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator

from local.simulators.strict import Strict
from local.simulators.try_on_request import ClothesTryOn


def _no_base64(wanted: bool) -> bool:
    if wanted:
        raise ValueError("this simulator answers with addresses only, not with base64")
    return wanted


class Inputs(ClothesTryOn):
    endpoint: ClassVar[str] = "tryon-v1.6"

    return_base64: Annotated[bool, AfterValidator(_no_base64)] = False


class RunRequest(Strict):
    model_name: Literal["tryon-v1.6"]
    inputs: Inputs
