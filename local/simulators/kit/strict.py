"""A part of a vendor's request that takes what its documents list and nothing else."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator


class Strict(BaseModel):
    """No unknown field, no conversion between types, no null; an optional field that is absent is None."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _no_null(cls, data: Any) -> Any:
        if isinstance(data, dict) and (nulls := sorted(key for key, value in data.items() if value is None)):
            raise ValueError(f"{', '.join(nulls)} must not be null")
        return data
