"""When each provider last refused a call, by error code: so that the operator checks keys, credits and limits."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from boto3.dynamodb.conditions import Key

from fitting_room import clock
from fitting_room.stores import aws

CODES = ("provider_auth", "quota_exhausted", "rate_limited", "provider_unavailable", "provider_error", "model_retired")
_PARTITION = "REFUSALS"


def note(provider: str, code: str, job_id: str, now: datetime) -> None:
    aws.table().update_item(
        Key={"pk": _PARTITION, "sk": provider},
        UpdateExpression="SET #code = :refusal",
        ExpressionAttributeNames={"#code": code},
        ExpressionAttributeValues={":refusal": {"at": clock.text(now), "job_id": job_id}},
    )


def listed() -> dict[str, dict[str, Any]]:
    """Return `{at, job_id}` of the last refusal, by provider and code."""
    found = aws.every(KeyConditionExpression=Key("pk").eq(_PARTITION))
    return {str(item["sk"]): {code: item[code] for code in CODES if code in item} for item in found}
