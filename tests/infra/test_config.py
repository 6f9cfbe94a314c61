"""What a user may set, and what a slip answers."""

from __future__ import annotations

from typing import Any

import pytest
from aws_cdk.aws_logs import RetentionDays
from pydantic import BaseModel, ConfigDict

from fitting_room.providers import catalogue
from infra.config import StageConfig
from local import cloud
from tests.infra.synthesized import WITH_KEYS


def config(**context: Any) -> StageConfig:
    return StageConfig.from_context({"@aws-cdk/core:x": True, "aws:cdk:y": 1, "cli-telemetry": False, **context})


def test_nothing_set_is_a_trial_stage_for_aws() -> None:
    plain = config()
    assert (plain.stage, plain.wheels, plain.retain) == ("dev", "arm64", False)
    assert plain.alarm_email is None
    chosen = plain.deployment
    assert (chosen.endpoints, chosen.fetch_allow, chosen.private_access) == ({}, (), ())
    assert chosen.bedrock_regions == {"nova_canvas": "us-east-1"}


def test_what_the_laptop_s_cloud_is_told_is_a_stage_with_every_vendor_at_its_simulator() -> None:
    told = cloud._context(cloud.State(ports=dict.fromkeys(("emulator", *cloud.SERVERS), 7)))
    chosen = config(**told).deployment
    assert chosen.endpoints.keys() == {"bedrock", "bedrock-runtime", *WITH_KEYS}
    assert set(chosen.fetch_allow) == {"127.0.0.1:7"}
    assert cloud.VENDORS.keys() == set(WITH_KEYS)


def test_the_command_line_wins_over_the_stage_s_object_and_that_over_the_default() -> None:
    context = {
        "stage": "prod",
        "prod": {"result_days": 7, "daily_images": 5},
        "dev": {"daily_usd": 1},
        "result_days": "9",
    }
    chosen = config(**context)
    assert (chosen.deployment.result_days, chosen.deployment.daily_images) == (9, 5)
    assert chosen.deployment.daily_usd == 50.0
    assert (chosen.retain, chosen.log_retention) == (True, RetentionDays.THREE_MONTHS)


def test_lists_and_maps_may_come_as_text() -> None:
    chosen = config(
        cors_origins="https://a.example, https://b.example", endpoints='{"tryiton": "http://127.0.0.1:1"}'
    ).deployment
    assert chosen.cors_origins == ("https://a.example", "https://b.example")
    assert chosen.endpoints == {"tryiton": "http://127.0.0.1:1"}


@pytest.mark.parametrize(
    ("context", "says"),
    [
        ({"stage": "staging"}, ["stage", "'staging'", "-c stage=prod"]),
        ({"reslt_days": 3}, ["reslt_days", "no such setting", "result_days"]),
        ({"prod": {"retains": True}, "stage": "prod"}, ["retains", "no such setting"]),
        ({"deployment": {"result_days": 3}}, ["deployment", "no such setting", "result_days"]),
        ({"stage": "prod", "fetch_allow": "127.0.0.1:9000"}, ["fetch_allow", "nothing on loopback", "-c stage=dev"]),
        ({"result_days": "soon"}, ["result_days", "integer", "-c result_days="]),
        ({"upload_days": 0}, ["upload_days", "greater than or equal to 1"]),
        ({"daily_usd": -1}, ["daily_usd", "greater than 0"]),
        ({"wheels": "x86"}, ["wheels", "'arm64' or 'host'"]),
        ({"endpoints": "http://127.0.0.1"}, ["endpoints", "JSON object"]),
        ({"endpoints": {"trytion": "http://x"}}, ["endpoints", "unknown trytion", "tryiton"]),
        ({"bedrock_regions": {"stability": "eu-west-1"}}, ["bedrock_regions", "stability", "eu-west-1", "us-west-2"]),
        ({"bedrock_regions": {"tryiton": "us-east-1"}}, ["bedrock_regions", "unknown tryiton", "nova_canvas"]),
        ({"private_access": "nova"}, ["private_access", "unknown nova", "nova_canvas"]),
        ({"provider_order": "fashn,sandbox"}, ["provider_order", "unknown sandbox", "tryiton"]),
        ({"legacy_models": "fashn/tryon-v1.6"}, ["legacy_models", "unknown fashn/tryon-v1.6"]),
        ({"unmoderated": "everybody"}, ["unmoderated", "unknown everybody", "tryiton"]),
        ({"limits": {"fash": {"submits": 3}}}, ["limits", "unknown fash", "fashn"]),
        ({"limits": '{"fashn": {"submits": 0}}'}, ["limits.fashn.submits", "greater than or equal to 1"]),
        ({"limits": {"fashn": {"per_minute": 3}}}, ["limits.fashn.per_minute"]),
        ({"provider_settings": {"nova_canvas": {"trial": True}}}, ["provider_settings", "unknown nova_canvas"]),
        ({"result_hosts": {"fashn": ["https://cdn.example/"]}}, ["result_hosts.fashn.0", "match pattern"]),
        ({"result_hosts": {"stability": ["cdn.example"]}}, ["result_hosts", "unknown stability", "fashn"]),
        ({"callback_url": "hooks.example"}, ["callback_url", "match pattern"]),
    ],
)
def test_a_slip_names_the_setting_and_what_it_takes(context: dict[str, Any], says: list[str]) -> None:
    with pytest.raises(ValueError) as refused:
        config(**context)
    assert [word for word in says if word not in str(refused.value)] == [], str(refused.value)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ({}, None),
        ({"callback_url": ""}, ""),
        ({"callback_url": "https://hooks.example/fr"}, "https://hooks.example/fr"),
    ],
)
def test_no_callback_address_is_the_api_s_own_and_an_empty_one_is_none(given: dict[str, str], kept: str | None) -> None:
    assert config(**given).deployment.callback_url == kept


def test_a_vendor_s_settings_are_checked_by_its_own_model(monkeypatch: pytest.MonkeyPatch) -> None:
    class Account(BaseModel):
        model_config = ConfigDict(extra="forbid")
        trial: bool = False

    fashn = catalogue.entry("fashn").model_copy(update={"settings_model": Account})
    monkeypatch.setattr(catalogue, "entries", lambda: (fashn,))
    plain: dict[str, Any] = {"bedrock_regions": {}}
    chosen = config(**plain, provider_settings='{"fashn": {"trial": true}}')
    assert chosen.deployment.provider_settings == {"fashn": {"trial": True}}
    for given, says in (
        ({"trail": 1}, "provider_settings.fashn.trail"),
        ({"trial": "maybe"}, "provider_settings.fashn.trial"),
    ):
        with pytest.raises(ValueError, match=rf"{says}.*Settings of fashn are: trial"):
            config(**plain, provider_settings={"fashn": given})


def test_settings_that_do_not_fit_into_the_environment_of_a_function_are_refused_at_the_synth() -> None:
    origins = [f"https://shop-{number}.example" for number in range(100)]
    with pytest.raises(ValueError, match=r"bytes as JSON.*Shorten.*cors_origins"):
        config(cors_origins=origins)


def test_all_slips_are_named_at_once() -> None:
    with pytest.raises(ValueError, match=r"(?s)wheels.*result_days|result_days.*wheels"):
        config(wheels="x86", result_days=0)
