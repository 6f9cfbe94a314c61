"""How adapters say that a call failed, and how they quote a vendor without storing what must not be stored."""

from __future__ import annotations

import re
from typing import NamedTuple

from fitting_room.jobs.errors import Fault
from fitting_room.jobs.outcome import Charged, Failed

LATER = "Submit again later."
SIMULATOR = "SimulatorFailed"
"""How a simulator of the local cloud says that it failed itself. No vendor says so."""

_SECRETIVE = re.compile(r"https?:[\\/]+\S+|data:\S+|[A-Za-z0-9+/_=-]{40,}")


class Told(NamedTuple):
    """What a vendor's name for a failure means to a client. `retryable` None: as the code's table says. `free`: the vendor
    says that this failure costs nothing."""

    code: str
    detail: str
    remedy: str
    retryable: bool | None = None
    free: bool = False


def failed(
    provider: str,
    code: str,
    charged: Charged,
    detail: str,
    remedy: str,
    *,
    retryable: bool | None = None,
    retry_after: float | None = None,
    pointer: str | None = None,
    provider_code: str | None = None,
    provider_detail: str | None = None,
) -> Failed:
    """A failure of `provider`. What may have been charged is never called retryable: a repeat could be a second
    purchase."""
    if SIMULATOR in f"{provider_code} {provider_detail}":
        code, charged, retryable = "provider_error", "no", False
        detail = "The simulator of the local cloud failed. No vendor was called, and nothing was bought."
        remedy = "Look for the cause in .local/logs/simulators.log."
    fault = Fault.of(
        code,
        detail,
        remedy,
        retryable=False if charged != "no" else retryable,
        pointer=pointer,
        provider=provider,
        provider_code=quoted(provider_code),
        provider_detail=quoted(provider_detail),
    )
    return Failed(fault, charged, retry_after)


def quoted(words: object, limit: int = 300) -> str | None:
    """A vendor's words, at most `limit` characters, without addresses (they may be signed), pictures or keys."""
    return _SECRETIVE.sub("[removed]", str(words))[:limit] if words else None
