"""The state of models in their providers' own words, read by the planner.

The scheduled watcher asks Bedrock. Of other providers it is their answer to a job: "this model is gone".
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Literal

from boto3.dynamodb.conditions import Key
from botocore.exceptions import ClientError
from pydantic import BaseModel, ConfigDict

from fitting_room import clock
from fitting_room.stores import aws
from fitting_room.stores.cache import kept_for
from fitting_room.stores.items import to_item

BELIEVED_SECONDS = 86_400
"""How long a provider's "gone" counts: then a job asks it again, since nothing else does."""

State = Literal["active", "legacy", "gone", "unknown"]


class ObservedLifecycle(BaseModel):
    """The state of a model as its provider reported it.

    `state`: `gone` when the provider no longer knows the model. It is `unknown` when the lookup was refused from the
    beginning, so that only the catalogue's dates count. `checked_at`, `until`: RFC 3339; `until`: when it counts no more.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    state: State
    legacy: date | None = None
    end_of_life: date | None = None
    checked_at: str
    until: str | None = None


def put(model: str, observed: ObservedLifecycle) -> None:
    """Store the state that Bedrock reported.

    A refused lookup reports nothing, so it replaces nothing.
    """
    keep: dict[str, Any] = {}
    if observed.state == "unknown":
        keep = {
            "ConditionExpression": "attribute_not_exists(pk) OR #state = :unknown",
            "ExpressionAttributeNames": {"#state": "state"},
            "ExpressionAttributeValues": {":unknown": "unknown"},
        }
    try:
        aws.table().put_item(Item={"pk": "MODELS", "sk": model, **to_item(observed)}, **keep)
    except ClientError as error:
        if aws.reason(error) != "ConditionalCheckFailedException":
            raise


def put_gone(provider: str, known_as: str, now: datetime) -> None:
    """Store that a provider no longer knows the model by the ids that it was sent."""
    put(
        f"{provider}/{known_as}",
        ObservedLifecycle(state="gone", checked_at=clock.text(now), until=clock.later(now, BELIEVED_SECONDS)),
    )


def forget_gone(provider: str) -> None:
    """Believe a provider's "gone" no longer: its models are asked for again."""
    said = Key("pk").eq("MODELS") & Key("sk").begins_with(f"{provider}/")
    for item in aws.table().query(KeyConditionExpression=said)["Items"]:
        aws.table().delete_item(Key={"pk": "MODELS", "sk": item["sk"]})
    observed.clear()


@kept_for(60)
def observed() -> dict[str, ObservedLifecycle]:
    """Return the reported states: Bedrock's by model id, those of other providers by `provider/id as sent`."""
    found = aws.table().query(KeyConditionExpression=Key("pk").eq("MODELS"))["Items"]
    return {str(item["sk"]): ObservedLifecycle.model_validate(item) for item in found}
