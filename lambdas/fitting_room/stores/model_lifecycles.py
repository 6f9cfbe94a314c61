"""The state of Bedrock's models, in its own words: written by the scheduled watcher, read by the planner."""

from __future__ import annotations

from datetime import date
from typing import Any, Literal

from boto3.dynamodb.conditions import Key
from botocore.exceptions import ClientError
from pydantic import BaseModel, ConfigDict

from fitting_room.stores import aws
from fitting_room.stores.cache import kept_for
from fitting_room.stores.items import to_item

State = Literal["active", "legacy", "gone", "unknown"]


class ObservedLifecycle(BaseModel):
    """The state of a model as Bedrock reported it.

    `state`: `gone` when Bedrock no longer knows the model. It is `unknown` when the lookup was refused from the
    beginning, so that only the catalogue's dates count. `checked_at`: RFC 3339.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    state: State
    legacy: date | None = None
    end_of_life: date | None = None
    checked_at: str


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


@kept_for(60)
def observed() -> dict[str, ObservedLifecycle]:
    """Return the states that Bedrock reported, by model id."""
    found = aws.table().query(KeyConditionExpression=Key("pk").eq("MODELS"))["Items"]
    return {str(item["sk"]): ObservedLifecycle.model_validate(item) for item in found}
