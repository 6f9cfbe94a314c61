"""How much the API takes, of everybody and of one key, and which functions have executions of their own."""

from __future__ import annotations

import json
from typing import Any

import pytest

from infra.config import StageConfig
from tests.infra.synthesized import Synthesized


def config(**context: Any) -> StageConfig:
    return StageConfig.from_context(context)


def throttled(stage: Synthesized) -> dict[str, int]:
    _, settings = stage.service.one("AWS::ApiGatewayV2::Stage")
    limits: dict[str, int] = settings["DefaultRouteSettings"]
    return limits


@pytest.mark.parametrize(
    ("context", "throttle"),
    [
        ({}, (100, 200)),
        ({"stage": "prod"}, (100, 200)),
        ({"lambda_quota": 99}, (100, 200)),
        ({"lambda_quota": 100}, (1000, 2000)),
        ({"api_rate": 300}, (300, 600)),
        ({"lambda_quota": 1000, "api_burst": 500}, (1000, 500)),
        ({"api_rate": "50", "api_burst": "60"}, (50, 60)),
    ],
)
def test_the_api_s_rate_follows_the_account_s_quota_unless_it_is_set(
    context: dict[str, Any], throttle: tuple[int, int]
) -> None:
    assert config(**context).throttle == throttle


def test_the_gateway_is_told_the_rate(prod: Synthesized, every: Synthesized) -> None:
    assert throttled(prod) == {"ThrottlingRateLimit": 100, "ThrottlingBurstLimit": 200}
    assert throttled(every) == {"ThrottlingRateLimit": 300, "ThrottlingBurstLimit": 500}


def test_the_api_function_is_told_the_limits_of_a_key(prod: Synthesized, every: Synthesized) -> None:
    for stage, told in ((prod, (20, 40, 3, 500)), (every, (5, 10, 20, 100))):
        chosen = json.loads(stage.functions()["Api"]["Environment"]["Variables"]["DEPLOYMENT"])
        names = ("key_rate", "key_burst", "waiters", "daily_test_jobs")
        assert tuple(chosen[name] for name in names) == told


def test_only_the_functions_of_a_named_group_reserve_executions(every: Synthesized) -> None:
    reserved = {
        name: item["ReservedConcurrentExecutions"]
        for name, item in every.functions().items()
        if "ReservedConcurrentExecutions" in item
    }
    starts = {"StartBedrock": 50, "StartHttp": 50, "StartSagemaker": 50}
    assert reserved == {"Api": 20, "BedrockDialect": 10, **starts}


@pytest.mark.parametrize(
    ("context", "says"),
    [
        ({"api_rate": 0}, ["api_rate", "at least 1"]),
        ({"key_burst": 0.5}, ["key_burst", "at least 1"]),
        ({"daily_test_jobs": -1}, ["daily_test_jobs"]),
        ({"reserved_concurrency": {"Api": 5}, "lambda_quota": 1000}, ["reserved_concurrency", "unknown Api", "api"]),
        ({"reserved_concurrency": {"api": 0}, "lambda_quota": 1000}, ["reserved_concurrency.api"]),
        ({"reserved_concurrency": {"api": 5}}, ["reserved_concurrency", "10 unreserved", "lambda_quota"]),
        ({"reserved_concurrency": {"start": 51}, "lambda_quota": 200}, ["102 in all", "Reserve less"]),
    ],
)
def test_a_slip_names_the_setting_and_what_it_takes(context: dict[str, Any], says: list[str]) -> None:
    with pytest.raises(ValueError) as refused:
        config(**context)
    assert [word for word in says if word not in str(refused.value)] == [], str(refused.value)


def test_what_fits_beside_the_unreserved_executions_is_taken() -> None:
    chosen = config(reserved_concurrency={"start": 50}, lambda_quota=200)
    assert (chosen.reserved("StartHttp"), chosen.reserved("Api")) == (50, None)
