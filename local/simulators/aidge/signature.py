"""Both ways to sign a call to Aidge, and the check of a call that came in.

Sources: the vendor's HTTP samples for `sign_ver=v2`; the signing rules of the open platform that the IopClient of the
vendor's pages comes from, for a call without `sign_ver`. That Aidge's own IopClient signs exactly so is not documented.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping

WINDOW = 15 * 60.0
"""Seconds between the caller's clock and ours. Our choice: how old a timestamp may be at the vendor is not documented."""
SYSTEM = frozenset({"access_token", "app_key", "partner_id", "sign", "sign_method", "sign_ver", "timestamp"})
"""The parameters that are about the call; all others are the API's own."""


class SignatureError(Exception):
    """The text says what is wrong, for the log of requests: the vendor tells its callers nothing more than that it is."""


def v2_signature(secret: str, timestamp: str) -> str:
    return _hmac(secret, secret + timestamp)


def iop_signature(secret: str, api: str, parameters: Mapping[str, str]) -> str:
    """Sign a call as the IopClient does.

    api: the path below `/rest`. parameters: all of the call's; `sign` and those without a value do not count.
    """
    pairs = sorted((name, value) for name, value in parameters.items() if value and name != "sign")
    return _hmac(secret, api + "".join(name + value for name, value in pairs))


def check(key: str, secret: str, api: str, query: Mapping[str, str], form: Mapping[str, str], now: float) -> None:
    """Check the signature of a call. Raises SignatureError.

    form: what the body adds to the query when it is signed, too. now: seconds since 1970.
    """
    given = {**form, **query}
    v2 = given.get("sign_ver") == "v2"
    needed = ("app_key", "sign_method", "timestamp", "sign", *(["partner_id"] if v2 else []))
    if missing := [name for name in needed if not given.get(name)]:
        raise SignatureError(f"{missing[0]} is missing")
    if given["app_key"] != key:
        raise SignatureError(f"app_key: there is no key {given['app_key']}")
    if given["sign_method"] != "sha256":
        raise SignatureError("sign_method must be sha256")
    if v2 and given["partner_id"] != "aidge":
        raise SignatureError("partner_id must be aidge")
    _check_time(given["timestamp"], now)
    right = v2_signature(secret, given["timestamp"]) if v2 else iop_signature(secret, api, given)
    if not hmac.compare_digest(right.encode(), given["sign"].encode()):
        raise SignatureError(f"sign is not that of {'version 2' if v2 else 'these parameters'}")


def _check_time(timestamp: str, now: float) -> None:
    if not timestamp.isascii() or not timestamp.isdecimal():
        raise SignatureError("timestamp must be milliseconds since 1970")
    if abs(int(timestamp) / 1000 - now) > WINDOW:
        raise SignatureError(f"timestamp is more than {WINDOW / 60:g} minutes off")


def _hmac(secret: str, message: str) -> str:
    return hmac.new(secret.encode(), message.encode(), hashlib.sha256).hexdigest().upper()
