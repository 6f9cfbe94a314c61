"""API keys: stored as a hash only, bound to a tenant. They share one partition, so that a list of them is one query."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime
from typing import Annotated, Any, Literal, NamedTuple, Protocol, get_args

from boto3.dynamodb.conditions import Key
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from fitting_room import clock
from fitting_room.clock import Clock
from fitting_room.jobs.job import Mode
from fitting_room.jobs.token import Token
from fitting_room.providers import catalogue
from fitting_room.stores import aws, tenants
from fitting_room.stores.cache import kept_for
from fitting_room.stores.items import adopt, put_new, read_either, update_if

_PARTITION = "KEYS"


class Owned(Protocol):
    @property
    def tenant(self) -> str: ...

    @property
    def mode(self) -> Mode: ...

    @property
    def owner(self) -> str | None: ...


Scope = Literal["submit", "read", "erase", "admin"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
ALL_SCOPES: frozenset[Scope] = frozenset(SCOPES)


class Caller(NamedTuple):
    """Who sends a request.

    `providers`: those that the tenant may use; None: all. `scopes`: what its key may do over HTTP. `key`: the digest of
    that key. `token`: that of a shopper, sent from the internet `address`; None: the key itself was sent.
    """

    tenant: str
    mode: Mode
    providers: frozenset[str] | None
    scopes: frozenset[Scope] = frozenset()
    key: str = ""
    token: Token | None = None
    address: str = ""

    def owns(self, thing: Owned) -> bool:
        """Whether a job, a tombstone or an upload is the tenant's, of the mode of this key, and of the token's owner."""
        ours = (thing.tenant, thing.mode) == (self.tenant, self.mode)
        return ours and (self.token is None or thing.owner == self.token.owner)


def _known(stored: Any) -> frozenset[Scope]:
    """Return the stored scopes.

    One that this release does not know gives nothing.
    """
    return ALL_SCOPES & frozenset(map(str, stored))


class ApiKey(BaseModel):
    """A key as it is stored.

    The key itself cannot be derived from it.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)

    digest: str = Field(alias="sk", exclude=True, repr=False)
    tenant: str
    mode: Mode
    name: str = ""
    scopes: Annotated[frozenset[Scope], BeforeValidator(_known)] = ALL_SCOPES
    created_at: str = ""
    revoked_at: str | None = None

    @property
    def id(self) -> str:
        return f"key_{self.digest[:16]}"


def create(tenant: str, mode: Mode, name: str, scopes: frozenset[Scope], now: datetime) -> tuple[str, ApiKey]:
    """Store a new key and return it, this once, with its stored record."""
    secret = f"fr_{mode}_{secrets.token_urlsafe(24)}"
    key = ApiKey(digest=_digest(secret), tenant=tenant, mode=mode, name=name, scopes=scopes, created_at=clock.text(now))
    put_new({**_key(key.digest), **key.model_dump(exclude={"scopes", "revoked_at"}), "scopes": set[str](scopes)})
    return secret, key


def find_caller(api_key: str, at: Clock) -> Caller | None:
    """Return the caller that a key belongs to.

    An answer is kept for 30 s in this process, so a revoked key may live on for as long.
    """
    return caller_of(_digest(api_key), at)


@kept_for(30)
def caller_of(digest: str) -> Caller | None:
    key = _read(digest)
    if key is None or key.revoked_at:
        return None
    return Caller(key.tenant, key.mode, allowed(key.tenant), key.scopes, digest)


def listed(tenant: str | None = None) -> list[ApiKey]:
    """Return the keys of a tenant, or of all, the oldest first."""
    keys = (ApiKey.model_validate(item) for item in aws.every(KeyConditionExpression=Key("pk").eq(_PARTITION)))
    return sorted((key for key in keys if tenant in (None, key.tenant)), key=lambda key: (key.tenant, key.created_at))


def named(name: str) -> ApiKey | None:
    """Return the key with this id, or the key that this is; None when there is none."""
    if name.startswith("fr_"):
        return _read(_digest(name))
    start = name.removeprefix("key_")
    if len(start) < 16:
        return None
    here = Key("pk").eq(_PARTITION) & Key("sk").begins_with(start)
    return next((ApiKey.model_validate(item) for item in aws.every(KeyConditionExpression=here)), None)


def revoke(key: ApiKey, now: datetime) -> None:
    """End a key; the first time that this was said stays."""
    adopt(_key(key.digest), _earlier(key.digest))
    update_if(
        _key(key.digest),
        "SET revoked_at = if_not_exists(revoked_at, :now)",
        "attribute_exists(pk)",
        values={":now": clock.text(now)},
    )


def allowed(tenant: str) -> frozenset[str] | None:
    """Return the providers that a tenant may use; None: all."""
    found = tenants.read(tenant)
    if found and found.in_account:
        return frozenset(entry.id for entry in catalogue.entries() if entry.photos_stay_in == "account")
    return found.providers if found else None


def _read(digest: str) -> ApiKey | None:
    found = read_either(_key(digest), _earlier(digest))
    return ApiKey.model_validate(found) if found else None


def _digest(api_key: str) -> str:
    return hashlib.sha256(api_key.encode()).hexdigest()


def _earlier(digest: str) -> dict[str, str]:
    return {"pk": f"KEY#{digest}", "sk": "KEY"}


def _key(digest: str) -> dict[str, str]:
    return {"pk": _PARTITION, "sk": digest}
