"""The secret that signs links to results. The function that first needs it makes it; without it all links end."""

from __future__ import annotations

import secrets

from fitting_room.stores import aws
from fitting_room.stores.cache import kept_for
from fitting_room.stores.items import put_new

_KEY = {"pk": "LINK_SECRET", "sk": "LINK_SECRET"}


@kept_for(300)
def secret() -> str:
    """Return the stage's secret."""
    return _stored() or _made()


def _made() -> str:
    put_new({**_KEY, "secret": secrets.token_hex(32)})  # another process may be faster: its secret counts
    found = _stored()
    assert found, "the secret was stored a moment ago"
    return found


def _stored() -> str | None:
    found = aws.table().get_item(Key=_KEY, ConsistentRead=True).get("Item")
    return str(found["secret"]) if found else None
