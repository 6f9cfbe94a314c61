"""The two signatures that Aidge's gateway has had. Both are HMAC-SHA256 under the app secret, in capital hex digits."""

from __future__ import annotations

import hmac
from collections.abc import Mapping


def v2(secret: str, timestamp: str) -> str:
    """Sign the `timestamp` (milliseconds since 1970), but neither path nor body.

    A signed address works for any reader of it. Source: the vendor's sample `VirtualTryOnProHttpExample.java`.
    """
    return _signed(secret, secret + timestamp)


def iop(secret: str, path: str, parameters: Mapping[str, str]) -> str:
    """Sign in the way of the classic IopClient.

    The text is the API's path (`/ai/virtual/tryon-pro`), then every parameter that is not empty. Each has its name in
    front, in the order of the names.

    Source: the open platform's page on signatures. Unconfirmed: that Aidge's client signs as the other shops' do.
    """
    return _signed(secret, path + "".join(name + parameters[name] for name in sorted(parameters) if parameters[name]))


def _signed(secret: str, message: str) -> str:
    return hmac.digest(secret.encode(), message.encode(), "sha256").hex().upper()
