"""A rate limit, of the catalogue or of a stage."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Rate(BaseModel):
    """At most `submits` submissions in any window of `seconds`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    submits: int
    seconds: float
