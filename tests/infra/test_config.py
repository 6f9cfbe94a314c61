"""What a user may set, and what a slip answers."""

from __future__ import annotations

import json
from typing import Any

import pytest
from aws_cdk.aws_logs import RetentionDays
from pydantic import BaseModel, ConfigDict

from fitting_room.providers import catalogue
from fitting_room.settings import DeploymentSettings
from infra.config import _LOCAL_ONLY, StageConfig
from local import cloud
from tests.infra.synthesized import EVERY, WITH_KEYS


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
    assert chosen.endpoints.keys() == {"bedrock", "bedrock-runtime", "sagemaker-runtime", *WITH_KEYS}
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


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"stage": "staging"}, "stage: 'staging' is not a stage. Use -c stage=dev or -c stage=prod."),
    # misspelt
    ({"reslt_days": 3}, "reslt_days: no such setting. Did you mean result_days? Use one of: stage, wheels, "),
    ({"stage": "prod", "prod": {"retains": True}}, "retains: no such setting. Did you mean retain? Use one of: "),
    ({"daily-images": 5}, "daily-images: no such setting. Did you mean daily_images?"),
    (
        {"limits.aidge.submits": "5"},
        "limits.aidge.submits: a part of a setting cannot be set alone. Write the whole as JSON",
    ),
    ({"deployment": {"result_days": 3}}, "deployment: no such setting. Use one of: "),
    ({"stage": "prod", "prod": "x"}, 'prod: not an object of settings. Write "prod": {"daily_usd": 200} in cdk.json.'),
    ({"dev": {"daily-usd": 3}}, "daily-usd: no such setting. Did you mean daily_usd?"),
    # numbers and choices
    (
        {"result_days": "soon"},
        "result_days: 'soon' is not a whole number from 1 to 3,650. Set result_days in cdk.json under context",
    ),
    ({"upload_days": 0}, "upload_days: 0 is not a whole number from 1 to 3,650."),
    ({"staging_days": 4000}, "staging_days: 4000 is not a whole number from 1 to 3,650."),
    ({"daily_usd": -1}, "daily_usd: -1 is not a number above 0."),
    ({"daily_usd": "inf"}, "daily_usd: 'inf' is not a number above 0."),
    ({"daily_images": 0}, "daily_images: 0 is not a whole number, at least 1."),
    ({"daily_test_jobs": "many"}, "daily_test_jobs: 'many' is not a whole number, at least 1."),
    ({"daily_owner_jobs": 0}, "daily_owner_jobs: 0 is not a whole number, at least 1."),
    ({"daily_address_jobs": "few"}, "daily_address_jobs: 'few' is not a whole number, at least 1."),
    ({"key_rate": 0}, "key_rate: 0 is not a number above 0."),
    ({"key_rate": "inf"}, "key_rate: 'inf' is not a number above 0."),
    ({"key_burst": 0.5}, "key_burst: 0.5 is not a number, at least 1."),
    ({"key_burst": "nan"}, "key_burst: 'nan' is not a number, at least 1."),
    ({"batch_rows": 1_000_000}, "batch_rows: 1000000 is not a whole number from 1 to 100,000."),
    ({"batch_concurrency": 0}, "batch_concurrency: 0 is not a whole number from 1 to 1,000."),
    (
        {"tenant_buckets": {"s3://photos": ["acme"]}},
        "tenant_buckets.s3://photos: 's3://photos' is not the name of a bucket",
    ),
    ({"tenant_buckets": {"photos": ["Bad Tenant"]}}, "tenant_buckets.photos.0: 'Bad Tenant' is not a tenant's name: "),
    ({"tenant_buckets": {"photos": []}}, "tenant_buckets.photos: [] is not a list of at least 1 entry."),
    ({"tenant_buckets": "photos"}, """'photos' is not an object such as {"photos-of-shop": ["shop"]}."""),
    ({"waiters": -1}, "waiters: -1 is not a whole number, at least 0."),
    ({"dialect_waiters": -1}, "dialect_waiters: -1 is not a whole number, at least 0."),
    ({"bedrock_dialect": "perhaps"}, "bedrock_dialect: 'perhaps' is not true or false."),
    ({"lambda_quota": 0}, "lambda_quota: 0 is not a whole number, at least 1."),
    ({"api_rate": "fast"}, "api_rate: 'fast' is not a whole number, at least 1."),
    (
        {"reserved_concurrency": {"start": 5}},
        "reserved_concurrency: 10 in all, but Lambda keeps 100 of the account's 10",
    ),
    (
        {"reserved_concurrency": {"sweep": 5}},
        "reserved_concurrency: unknown sweep. Known: api, batch, callback, collect, ",
    ),
    ({"retain": "perhaps"}, "retain: 'perhaps' is not true or false."),
    ({"log_retention": "FOREVER"}, "log_retention: 'FOREVER' is not one of: ONE_DAY, "),
    ({"wheels": "x86"}, "wheels: 'x86' is not one of: arm64, host."),
    # addresses and hosts
    (
        {"alarm_email": "not an email"},
        "alarm_email: 'not an email' is not an e-mail address. Set alarm_email in cdk.json",
    ),
    ({"alarm_email": ""}, "alarm_email: '' is not an e-mail address."),
    (
        {"alarm_email": "ops@shop.example"},
        "alarm_email: this stage has no alarms to send. Set alarms=true, or leave it out.",
    ),
    (
        {"cors_origins": "shop.example"},
        "cors_origins.0: 'shop.example' is not an origin such as https://shop.example, ",
    ),
    ({"cors_origins": ["https://shop.example/"]}, "cors_origins.0: 'https://shop.example/' is not an origin such as "),
    (
        {"callback_url": "hooks.example"},
        "callback_url: 'hooks.example' is not an address such as https://hooks.example.com.",
    ),
    (
        {"result_hosts": {"fashn": ["https://cdn.example/"]}},
        "result_hosts.fashn.0: 'https://cdn.example/' is not a host such",
    ),
    (
        {"result_hosts": {"stability": ["cdn.example"]}},
        "result_hosts: unknown stability. Known: aidge, astria, fal, ",
    ),
    (
        {"endpoints": "http://127.0.0.1"},
        """endpoints: 'http://127.0.0.1' is not an object such as {"tryiton": "http://127.0.0.1:9000"}. Set endpoints in""",
    ),
    ({"endpoints": {"trytion": "http://x"}}, "endpoints: unknown trytion. Known: "),
    ({"endpoints": {"tryiton": "ftp://x"}}, "endpoints.tryiton: 'ftp://x' is not an address such as "),
    (
        {"fetch_allow": "10.0.0.1:80"},
        "fetch_allow.0: '10.0.0.1:80' is not a port on this machine such as 127.0.0.1:9000.",
    ),
    ({"domain_name": "https://api.example.com"}, "domain_name: 'https://api.example.com' is not a host such as "),
    ({"domain_name": "api.example.com"}, "certificate_arn: missing beside domain_name. Set both, or neither."),
    (
        {"certificate_arn": "api.example.com"},
        "certificate_arn: 'api.example.com' is not the ARN of a certificate, such as ",
    ),
    # providers and models
    ({"bedrock_regions": {"nova_canvas": "mars-1"}}, "cannot be called in mars-1. Use one of us-east-1, eu-west-1, "),
    (
        {"bedrock_regions": {"nova_canvas": "us-west-2"}},
        "cannot be called in us-west-2. Use one of us-east-1, eu-west-1, ",
    ),
    (
        {"bedrock_regions": {"stability": "eu-west-1"}},
        "of stability cannot be called in eu-west-1. Use one of us-west-2.",
    ),
    ({"bedrock_regions": "x"}, """bedrock_regions: 'x' is not an object such as {"stability": "us-west-2"}."""),
    ({"bedrock_regions": {"tryiton": "us-east-1"}}, "bedrock_regions: unknown tryiton. Known: nova_canvas, stability."),
    ({"private_access": "tryiton"}, "private_access: unknown tryiton. Known: nova_canvas, stability."),
    ({"provider_order": "fashn,sandbox"}, "provider_order: unknown sandbox. Known: aidge, astria, fal, "),
    ({"prefer": "account"}, "prefer: 'account' is not in_account."),
    ({"legacy_models": "fashn/tryon-v1.6"}, "legacy_models: unknown fashn/tryon-v1.6. Known: tryiton/clothes."),
    (
        {"sagemaker": {"vton": {"endpoint": "my vton", "licence": "MIT", "price_per_hour": 1}}},
        "sagemaker.vton.endpoint: 'my vton' is not the name of an endpoint: letters, digits and hyphens",
    ),
    (
        {"sagemaker": {"vton": {"endpoint": "vton", "price_per_hour": 1}}},
        "sagemaker.vton.licence: missing. It must be a text of 1 to 100 characters. Set sagemaker in cdk.json",
    ),
    (
        {"sagemaker": {"vton": {"endpoint": "vton", "license": "MIT", "price_per_hour": 1}}},
        "sagemaker.vton.license: no such setting. Did you mean licence? Use one of: endpoint, licence, ",
    ),
    (
        {"sagemaker": {"vton": {"endpoint": "vton", "licence": "MIT", "price_per_image": float("inf")}}},
        "sagemaker.vton.price_per_image: inf is not a number, at least 0.",
    ),
    ({"unmoderated": "everybody"}, "unmoderated: unknown everybody. Known: aidge, astria, fal, "),
    ({"limits": {"fash": {"submits": 3}}}, "limits: unknown fash. Known: aidge, astria, fal, "),
    (
        {"limits": '{"fashn": {"submits": 0}}'},
        "limits.fashn.submits: 0 is not a whole number, at least 1. Set limits",
    ),
    ({"limits": '{"fashn": {"seconds": Infinity}}'}, "limits.fashn.seconds: inf is not a number above 0."),
    (
        {"limits": {"aidge": {"submit": 3}}},
        "limits.aidge.submit: no such setting. Did you mean submits? Use one of: submits, seconds, concurrency.",
    ),
    ({"provider_settings": {"nova_canvas": {"trial": True}}}, "provider_settings: unknown nova_canvas. Known: "),
    (
        {"provider_settings": {"aidge": {"trail": True}}},
        "provider_settings.aidge.trail: no such setting. Settings of aidge are: ",
    ),
    (
        {"provider_settings": {"aidge": {"trial": "maybe"}}},
        "provider_settings.aidge.trial: 'maybe' is not true or false.",
    ),
    # of the local cloud, in prod
    (
        {"stage": "prod", "wheels": "host"},
        "wheels: 'host' is for the local cloud. Leave it out in prod, or use stage=dev.",
    ),
    (
        {"stage": "prod", "fetch_allow": "127.0.0.1:9"},
        "fetch_allow: ('127.0.0.1:9',) is for the local cloud. Leave it out",
    ),
    (
        {"stage": "prod", "endpoints": {"tryiton": "http://127.0.0.1:9"}},
        "endpoints: {'tryiton': 'http://127.0.0.1:9'} is for the local cloud. Leave it out in prod",
    ),
]


@pytest.mark.parametrize(("context", "says"), REFUSED, ids=lambda value: value[:50] if isinstance(value, str) else "")
def test_a_wrong_setting_is_refused_by_name_with_the_remedy(context: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError) as refused:
        config(**context)
    assert says in str(refused.value)
    assert "Input should" not in str(refused.value), "the words are ours"


def test_the_stage_with_every_setting_has_every_setting_that_prod_may_have() -> None:
    known = {*StageConfig.model_fields, *DeploymentSettings.model_fields} - {"deployment", *_LOCAL_ONLY}
    assert EVERY.keys() == known


def test_every_setting_has_a_wrong_value_in_the_table_of_refusals() -> None:
    known = {*StageConfig.model_fields, *DeploymentSettings.model_fields} - {"deployment", "alarms", "customer_key"}
    known -= {"api_burst"}  # the type of api_rate
    assert known <= {key.partition(".")[0] for context, _ in REFUSED for key in context}


@pytest.mark.parametrize("model", [StageConfig, DeploymentSettings])
def test_the_example_that_a_refusal_names_is_accepted(model: type[BaseModel]) -> None:
    examples = {name: field.examples[0] for name, field in model.model_fields.items() if field.examples}
    assert len(examples) == (1 if model is StageConfig else 7)
    for name, example in examples.items():
        config(**{name: json.dumps(example), "lambda_quota": 1000})


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
