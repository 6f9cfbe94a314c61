"""The secrets that a tenant's webhooks are signed with: one, or two while a new one takes the place of the old.

They lie in an item of their own, which only the function that signs may read; the tenant's item says that there are any.
"""

from __future__ import annotations

import base64
import secrets
from datetime import datetime, timedelta
from typing import Any

from pydantic import BaseModel, Field

from fitting_room import clock
from fitting_room.stores import aws, tenants
from fitting_room.stores.items import to_item

OVERLAP = timedelta(hours=24)
"""How long the old secret signs beside the new one."""
_BYTES = 32


class SecretError(Exception):
    """A change of secrets that is refused: the error, and the remedy."""


class Secret(BaseModel):
    """`value` is what signs. It is shown once, when it is made."""

    id: str
    value: str = Field(repr=False)
    created_at: str
    expires_at: str | None = None

    def lives(self, now: datetime) -> bool:
        return self.expires_at is None or self.expires_at > clock.text(now)


def signed(tenant: str) -> bool:
    """Return whether the tenant has a secret, so that it may ask for webhooks."""
    found = tenants.read(tenant)
    return found is not None and found.webhook_secrets > 0


def living(tenant: str, now: datetime) -> list[str]:
    """Return the secrets to sign with, the newest first."""
    return [secret.value for secret in listed(tenant, now)]


def listed(tenant: str, now: datetime) -> list[Secret]:
    """Return the living secrets, the newest first."""
    found = aws.table().get_item(Key=_key(tenant), ConsistentRead=True).get("Item", {})
    stored: Any = found.get("secrets", [])
    return [secret for secret in map(Secret.model_validate, stored) if secret.lives(now)]


def create(tenant: str, now: datetime) -> Secret:
    """Make the tenant's first secret.

    Raises `SecretError`: it has one, or there is no such tenant.
    """
    if listed(tenant, now):
        raise SecretError(f"tenant `{tenant}` has a webhook secret: rotate it")
    return _add(tenant, [], now)


def rotate(tenant: str, now: datetime, overlap: timedelta = OVERLAP) -> Secret:
    """Make a new secret; the one before signs too for `overlap`.

    Raises `SecretError`: there is none, or there are two.
    """
    before = listed(tenant, now)
    if len(before) != 1:
        remedy = "revoke one of them first" if before else "create one"
        raise SecretError(f"tenant `{tenant}` has {len(before) or 'no'} webhook secrets: {remedy}")
    (old,) = before
    return _add(tenant, [old.model_copy(update={"expires_at": clock.text(now + overlap)})], now)


def revoke(tenant: str, secret_id: str, now: datetime) -> None:
    """Sign with a secret no more, from now on.

    If it was to take the place of another, that one lives on. Raises `SecretError` for a secret that the tenant does
    not have.
    """
    before = listed(tenant, now)
    left = [secret for secret in before if secret.id != secret_id]
    if left == before:
        raise SecretError(f"tenant `{tenant}` has no webhook secret {secret_id}: list them")
    if all(secret.expires_at for secret in left):  # or all would have ended while webhooks are still taken
        left = [secret.model_copy(update={"expires_at": None}) for secret in left]
    _write(tenant, left)


def _add(tenant: str, before: list[Secret], now: datetime) -> Secret:
    value = f"whsec_{base64.b64encode(secrets.token_bytes(_BYTES)).decode()}"
    new = Secret(id=f"whs_{secrets.token_hex(6)}", value=value, created_at=clock.text(now))
    _write(tenant, [new, *before])
    return new


def _write(tenant: str, left: list[Secret]) -> None:
    tenants.adopt_earlier(tenant)
    table = aws.table()
    client: Any = table.meta.client
    counted = {
        "TableName": table.name,
        "Key": tenants.key(tenant),
        "UpdateExpression": "SET webhook_secrets = :count",
        "ConditionExpression": "attribute_exists(pk)",
        "ExpressionAttributeValues": {":count": len(left)},
    }
    item = {**_key(tenant), "secrets": [to_item(secret) for secret in left]}
    try:
        client.transact_write_items(
            TransactItems=[{"Update": counted}, {"Put": {"TableName": table.name, "Item": item}}]
        )
    except client.exceptions.TransactionCanceledException:
        raise SecretError(f"there is no tenant `{tenant}`: create it with `tenant create {tenant}`") from None


def _key(tenant: str) -> dict[str, str]:
    return {"pk": f"WEBHOOK_SECRETS#{tenant}", "sk": "WEBHOOK_SECRETS"}
