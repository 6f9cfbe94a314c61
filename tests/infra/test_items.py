"""Each function reaches the items of its own rows and no others: the policies, judged as IAM judges a request."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase

import pytest

from fitting_room.stores import webhooks
from infra import items
from tests.infra.synthesized import Synthesized
from tests.infra.test_permissions import FUNCTIONS

TABLE = "${TableCD117FA1.Arn}"
KEYS = {pattern: pattern.replace("*", "shop-1") for pattern in items.ITEMS}
"""A key of each kind of item."""


def may(stage: Synthesized, function: str, action: str, keys: Iterable[str]) -> bool:
    """Whether a statement allows an action on the table, for a request that names these partition keys."""
    named = list(keys)
    for role, statement in stage.statements():
        if role != function or f"dynamodb:{action}" not in statement["Action"] or TABLE not in statement["Resource"]:
            continue
        conditions = statement["Condition"]
        assert conditions.keys() == {"ForAllValues:StringLike", "Null"}, f"{function}: {action} on any key"
        assert conditions["Null"] == {"dynamodb:LeadingKeys": "false"}
        patterns = conditions["ForAllValues:StringLike"]["dynamodb:LeadingKeys"]
        patterns = [patterns] if isinstance(patterns, str) else patterns
        if named and all(any(fnmatchcase(key, pattern) for pattern in patterns) for key in named):
            return True
    return False


def test_each_call_that_the_walk_allows_is_allowed_by_the_policy(stage: Synthesized) -> None:
    """The integration tests compare every call with `items.py`; this compares `items.py` with what is deployed."""
    denied = [
        f"{function} {action} {pattern}"
        for pattern in items.ITEMS
        for function in FUNCTIONS
        for action in (items.GET, items.BATCH, items.QUERY, items.PUT, items.UPDATE, items.DELETE, items.WRITE)
        if items.allows(function, action, KEYS[pattern]) and not may(stage, function, action, [KEYS[pattern]])
    ]
    assert denied == []
    named = {function for row in items.ITEMS.values() for function in row}
    of_endpoints = {"StartSagemaker", "Wake"}  # of a stage that has some: test_sagemaker.py
    assert named - FUNCTIONS == {"Starts", "StartsWithKeys", "BedrockDialect"} | of_endpoints


def test_a_transaction_is_allowed_even_if_it_is_judged_by_all_of_its_keys_at_once(stage: Synthesized) -> None:
    accepted = [KEYS[each] for each in ("JOB#*", "IDEMPOTENCY#*", "USED#*")]
    assert may(stage, "Ingest", "PutItem", accepted)
    accepted += [KEYS[each] for each in ("OWNER#*", "TOKEN#*")]
    assert all(may(stage, "Api", action, accepted) for action in ("PutItem", "UpdateItem"))
    settled = [KEYS[each] for each in ("JOB#*", "BUDGET#*", "USAGE#*", "MADE#*", "OWNER#*")]
    admitted = [KEYS[each] for each in ("JOB#*", "USED#*", "OWNER#*", "BATCH#*", "SUBJECTS#*")]
    assert all(may(stage, "Admit", action, admitted) for action in ("PutItem", "UpdateItem"))
    expanded = [KEYS[each] for each in ("BATCH#*", "BUDGET#*", "TESTS#*")]
    assert may(stage, "Expand", "UpdateItem", expanded)
    finished = [KEYS[each] for each in ("BATCH#*", "BUDGET#*")]
    assert all(may(stage, "Finish", action, finished) for action in ("PutItem", "UpdateItem"))
    settled.append(KEYS["BATCH#*"])
    for function in ("Settle", "Sweep"):
        assert all(may(stage, function, action, settled) for action in ("PutItem", "UpdateItem")), function


def test_a_request_that_names_no_key_is_refused(stage: Synthesized) -> None:
    for function in FUNCTIONS:
        for action in ("GetItem", "BatchGetItem", "Query", "PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem"):
            assert not may(stage, function, action, []), (function, action)


def test_one_foreign_key_among_a_function_s_own_refuses_the_request(stage: Synthesized) -> None:
    assert may(stage, "Callback", "UpdateItem", ["CALLBACK#a"])
    assert not may(stage, "Callback", "UpdateItem", ["CALLBACK#a", "JOB#a"])


@pytest.mark.parametrize("kind", ["KEYS", "TENANTS", "PROVIDERS", "OVERRIDES"])
def test_no_function_makes_a_key_or_changes_a_tenant_or_the_offer(stage: Synthesized, kind: str) -> None:
    writers = {
        (function, action)
        for function in FUNCTIONS
        for action in ("PutItem", "UpdateItem", "DeleteItem")
        if may(stage, function, action, [kind])
    }
    assert writers == set()


def test_the_functions_that_strangers_reach_write_only_what_a_request_needs(stage: Synthesized) -> None:
    def written(function: str) -> set[str]:
        actions = ("PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem")
        return {kind for kind, key in KEYS.items() if any(may(stage, function, action, [key]) for action in actions)}

    assert written("Callback") == {"CALLBACK#*"}
    assert written("Ingest") == {"JOB#*", "BATCH#*", "USED#*", "OWNER#*", "TODAY#*", "IDEMPOTENCY#*", "BUDGET#*"}
    shoppers = {"OWNER#*", "TOKEN#*", "TODAY#*", "SALT"}
    jobs = {"JOB#*", "BATCH#*", "USED#*", "UPLOAD#*", "SUBJECTS#*", "IDEMPOTENCY#*", "BUDGET#*", "TESTS#*"}
    assert written("Api") == jobs | shoppers | {"LEASE#waiters", "REPEATS#*", "LINK_SECRET"}
    assert not any(may(stage, "Api", "DeleteItem", [key]) for key in KEYS.values())


def test_only_the_sweep_reads_the_index_of_what_is_due(stage: Synthesized) -> None:
    index = f"{TABLE}/index/due"
    assert {role for role, statement in stage.statements() if index in statement["Resource"]} == {"Sweep"}


def test_only_the_api_and_the_end_of_a_batch_read_the_list_of_jobs(stage: Synthesized) -> None:
    index = f"{TABLE}/index/listed"
    assert {role for role, statement in stage.statements() if index in statement["Resource"]} == {"Api", "Finish"}


def test_what_webhooks_are_signed_with_is_readable_by_the_function_that_signs_alone(stage: Synthesized) -> None:
    key = webhooks._key("shop")["pk"]
    readers = {name for name in FUNCTIONS for action in (items.GET, items.QUERY) if may(stage, name, action, [key])}
    assert readers == {"Notify"}
    assert not any(may(stage, "Notify", action, [key]) for action in (items.PUT, items.UPDATE, items.DELETE))
