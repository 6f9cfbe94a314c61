"""Put right where the emulator's IAM answers differently from AWS in a way this product can see."""

from __future__ import annotations

import dataclasses
import importlib
import json
import re
from typing import Any

from local.emulator import dynamodb

VARIABLE = re.compile(r"\$\{([a-zA-Z0-9-]+:[^}]+)\}")
NOTHING = "\0"
"""Stands for a variable that the request gives no value for: no resource and no condition matches it."""


def resolve_variables() -> None:
    """Resolve the variables of a policy.

    AWS: `${aws:PrincipalTag/tenant}` in a resource or in a condition's value is the caller's own.
    ministack: taken literally, so a role that is scoped that way is denied everything.
    """
    evaluator: Any = importlib.import_module("ministack.core.iam_evaluator")
    first_match = evaluator._first_match

    def asked_for(key: str, context: Any) -> str:
        value = evaluator._resolve_condition_key(key, context)
        return value if isinstance(value, str) else NOTHING

    def resolved(value: Any, context: Any) -> Any:
        if isinstance(value, str):
            return VARIABLE.sub(lambda match: asked_for(match[1], context), value)
        if isinstance(value, list):
            return [resolved(each, context) for each in value]
        if isinstance(value, dict):
            return {key: resolved(each, context) for key, each in value.items()}
        return value

    def first_match_resolved(context: Any, statements: list[Any], effect: str) -> Any:
        fields = ("resources", "not_resources", "conditions")
        ready = [
            dataclasses.replace(each, **{field: resolved(getattr(each, field), context) for field in fields})
            for each in statements
        ]
        return first_match(context, ready, effect)

    evaluator._first_match = first_match_resolved


def tell_leading_keys() -> None:
    """Tell policies the partition keys of a request.

    AWS: `dynamodb:LeadingKeys` holds them. ministack: it is never set, so `ForAllValues:` lets every
    tenant's keys through and `ForAnyValue:` denies the caller's own.
    """
    actions: Any = importlib.import_module("ministack.core.iam_actions")
    plain = actions.dynamodb_service_context

    def with_leading_keys(body: bytes) -> dict[str, Any]:
        context: dict[str, Any] = plain(body)
        try:
            request = json.loads(body or b"{}")
        except ValueError:
            return context
        named = [key for action in dynamodb.actions(request) for key in dynamodb.partition_keys(action)]
        return {**context, "dynamodb:LeadingKeys": named} if named else context

    actions.dynamodb_service_context = with_leading_keys
