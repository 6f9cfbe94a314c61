"""The rest of an erased job: its id, and the copies that providers have yet to delete.

Nothing of its images remains.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict


class _Record(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, defer_build=True)


class Remaining(_Record):
    """A copy that stays although its owner wanted it erased, its place, and its end."""

    provider: str
    what: str
    until: str


class VendorCopy(_Record):
    """Something that a vendor keeps and deletes when asked; `id` is the vendor's."""

    provider: str
    what: Literal["job", "reference"]
    id: str


class Tombstone(_Record):
    """The record that replaces that of an erased job.

    `owed`: the copies that vendors have yet to delete. They are not asked any more once `erase_failed_at` is set.
    """

    id: str
    tenant: str
    mode: Literal["live", "test"] = "live"
    erase_requested_at: str
    erased_at: str
    remains: list[Remaining] = []
    owed: list[VendorCopy] = []
    erase_failed_at: str | None = None
    expires_at: str

    @property
    def owner(self) -> None:
        """Nobody can tell any more whose job it was."""
