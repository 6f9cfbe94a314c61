"""API keys: stored as a hash only, bound to a tenant."""

from __future__ import annotations

import hashlib
from typing import Any, Literal, NamedTuple, Protocol, get_args

from fitting_room.clock import Clock
from fitting_room.jobs.job import Mode
from fitting_room.stores import aws
from fitting_room.stores.cache import kept_for


class Owned(Protocol):
    @property
    def tenant(self) -> str: ...

    @property
    def mode(self) -> Mode: ...


Scope = Literal["submit", "read", "erase", "admin"]
ALL_SCOPES: frozenset[Scope] = frozenset(get_args(Scope))


class Caller(NamedTuple):
    """`providers`: those the tenant may use; None: all. `scopes`: what its key may do over HTTP."""

    tenant: str
    mode: Mode
    providers: frozenset[str] | None
    scopes: frozenset[Scope] = frozenset()

    def owns(self, thing: Owned) -> bool:
        """Whether a job, a tombstone or an upload is the tenant's, and of the mode of this key."""
        return (thing.tenant, thing.mode) == (self.tenant, self.mode)


def find_caller(api_key: str, at: Clock) -> Caller | None:
    """Return whose key this is. An answer is kept for 30 s in this process: so long may a revoked key live on."""
    return caller_of(hashlib.sha256(api_key.encode()).hexdigest(), at)


@kept_for(30)
def caller_of(digest: str) -> Caller | None:
    found = aws.table().get_item(Key={"pk": f"KEY#{digest}", "sk": "KEY"}).get("Item")
    if not found or found.get("revoked_at"):
        return None
    tenant = str(found["tenant"])
    return Caller(tenant, "test" if found["mode"] == "test" else "live", allowed(tenant), _scopes(found.get("scopes")))


def _scopes(stored: Any) -> frozenset[Scope]:
    """Return the stored scopes; all for a key without. One that this release does not know gives nothing."""
    return ALL_SCOPES if stored is None else ALL_SCOPES & frozenset(map(str, stored))


def allowed(tenant: str) -> frozenset[str] | None:
    """The providers that a tenant may use; None: all."""
    found = aws.table().get_item(Key={"pk": f"TENANT#{tenant}", "sk": "TENANT"}).get("Item", {})
    providers: Any = found.get("providers")
    return None if providers is None else frozenset(map(str, providers))
