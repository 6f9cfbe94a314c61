"""How adapters say that a call failed, and how they quote a vendor without storing what must not be stored."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterator
from typing import NamedTuple, TypedDict
from urllib.parse import quote, quote_plus

from fitting_room.jobs.errors import Fault
from fitting_room.jobs.outcome import Charged, Failed

LATER = "Submit again later."
SIMULATOR = "SimulatorFailed"
"""How a simulator of the local cloud says that it failed itself. No vendor says so."""
PAUSE_SECONDS = 15.0
"""How long a vendor is left alone that has had enough and does not say for how long. Ours."""
_REMOVED = "[removed]"
_SECRETIVE = re.compile(r"https?:[\\/]+\S+|data:\S+|[A-Za-z0-9+/_=-]{40,}")


class Told(NamedTuple):
    """The meaning of a vendor's name for a failure.

    `retryable` None: as the code's table says. `free`: the vendor says that this failure costs nothing. `pointer`:
    the field of the request that it is about.
    """

    code: str
    detail: str
    remedy: str
    retryable: bool | None = None
    free: bool = False
    pointer: str | None = None


class Words(TypedDict):
    """The vendor's own: its name or code for what happened, and what it says."""

    provider_code: str | None
    provider_detail: str | None


class Failures:
    """Makes the failures of one connection to `provider`. `secrets`: the parts of its key, which a vendor may echo."""

    def __init__(self, provider: str, *secrets: str) -> None:
        self.provider = provider
        forms = sorted({form for secret in secrets for form in _forms(secret)}, key=len, reverse=True)
        self._secrets = re.compile("|".join(map(re.escape, forms)), re.IGNORECASE) if forms else None

    def __call__(
        self,
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
        """Build a failure.

        A failure that may have been charged is never retryable: a repeat could be a second purchase.
        """
        if SIMULATOR in f"{provider_code} {provider_detail}":
            code, charged, retryable = "provider_error", "no", False
            detail = "The simulator of the local cloud failed. No provider was called, and nothing was bought."
            remedy = "Look for the cause in .local/logs/simulators.log."
        fault = Fault.of(
            code,
            detail,
            remedy,
            retryable=False if charged != "no" else retryable,
            pointer=pointer,
            provider=self.provider,
            provider_code=self.quoted(provider_code),
            provider_detail=self.quoted(provider_detail),
        )
        return Failed(fault, charged, retry_after)

    def quoted(self, words: str | None, limit: int = 300) -> str | None:
        """Return a vendor's words without this deployment's key, addresses (they may be signed) and images.

        The text has at most `limit` characters.
        """
        if not words:
            return None
        if self._secrets:  # first: a key may hold characters at which the other rule stops
            words = self._secrets.sub(_REMOVED, words)
        return _SECRETIVE.sub(_REMOVED, words)[:limit]


def _forms(secret: str) -> Iterator[str]:
    """Yield the forms in which a secret may stand in a text.

    They are the secret as it is, in an address, and in base64. The base64 has three forms, one for each place in the
    encoded text (`Bearer <secret>`, `user:<secret>`). Characters that hold bits of its neighbours are left out.
    """
    if not secret:
        return
    yield from (secret, quote(secret, safe=""), quote_plus(secret))
    raw = secret.encode()
    for before, shared in ((0, 0), (1, 2), (2, 3)):
        whole = b64encode(bytes(before) + raw).decode()[shared : (before + len(raw)) * 8 // 6]
        if len(whole) >= len(raw):  # of a key of one letter nothing is left to recognize
            yield from (whole, whole.replace("+", "-").replace("/", "_"))
