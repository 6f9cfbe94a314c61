"""API keys: stored as a hash only, bound to a tenant."""

from __future__ import annotations

import hashlib
import time
from typing import Any, NamedTuple, Protocol

from fitting_room.jobs.job import Mode
from fitting_room.stores import aws

CACHE_SECONDS = 30
_cache: dict[str, tuple[float, Caller | None]] = {}


class Owned(Protocol):
    @property
    def tenant(self) -> str: ...

    @property
    def mode(self) -> Mode: ...


class Caller(NamedTuple):
    """`providers`: those the tenant may use; None: all."""

    tenant: str
    mode: Mode
    providers: frozenset[str] | None = None

    def owns(self, thing: Owned) -> bool:
        """Whether a job, a tombstone or an upload is the tenant's, and of the mode of this key."""
        return (thing.tenant, thing.mode) == (self.tenant, self.mode)


def find(api_key: str) -> Caller | None:
    """Whose key this is. An answer is kept for 30 s in this process, so that is how long a revoked key may live on."""
    digest = hashlib.sha256(api_key.encode()).hexdigest()
    known = _cache.get(digest)
    if known and known[0] > time.monotonic():
        return known[1]
    found = aws.table().get_item(Key={"pk": f"KEY#{digest}", "sk": "KEY"}).get("Item")
    caller = None
    if found and not found.get("revoked_at"):
        caller = Caller(
            str(found["tenant"]), "test" if found["mode"] == "test" else "live", allowed(str(found["tenant"]))
        )
    if len(_cache) > 1000:  # a guesser must not fill the memory
        _cache.clear()
    _cache[digest] = (time.monotonic() + CACHE_SECONDS, caller)
    return caller


def allowed(tenant: str) -> frozenset[str] | None:
    """The providers that a tenant may use; None: all."""
    found = aws.table().get_item(Key={"pk": f"TENANT#{tenant}", "sk": "TENANT"}).get("Item", {})
    providers: Any = found.get("providers")
    return None if providers is None else frozenset(map(str, providers))
