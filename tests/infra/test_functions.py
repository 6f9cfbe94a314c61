"""Each function: what it runs on, what it is told, and a role and log of its own."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any

import pytest

from fitting_room.actions.batch import finish
from fitting_room.settings import DeploymentSettings, Settings, settings
from infra import config
from tests.infra.synthesized import ROOT, STAGES, WITH_KEYS, Synthesized

OPERATIONS = (ROOT / "docs" / "operations.md").read_text()
SIZES = {  # MB, seconds
    "Api": (512, 29),
    "Prepare": (1769, 120),
    "StartBedrock": (512, 900),
    "StartHttp": (1024, 480),
    "Poll": (1024, 300),
    "Collect": (1769, 120),
    "Settle": (512, 60),
    "Expand": (1769, 900),
    "Admit": (512, 30),
    "Finish": (1769, 900),
    "Ingest": (512, 60),
    "Sweep": (1769, 60),
    "WatchModels": (512, 120),
    "Wait": (256, 10),
    "Callback": (256, 10),
    "Erase": (512, 120),
    "Notify": (512, 30),
}
EVERYWHERE = {
    "TABLE",
    "INBOX_BUCKET",
    "MEDIA_BUCKET",
    "DEPLOYMENT",
    "POWERTOOLS_SERVICE_NAME",
    "POWERTOOLS_METRICS_NAMESPACE",
    "POWERTOOLS_LOG_LEVEL",
}
TOLD = {
    "Api": {"JOB_MACHINE_ARN", "BATCH_MACHINE_ARN", "ERASE_FUNCTION", "WEBHOOK_QUEUE", "API_URL"},
    "StartHttp": {"PROVIDER_SECRETS", "API_URL"},
    "Poll": {"PROVIDER_SECRETS"},
    "Ingest": {"JOB_MACHINE_ARN", "BATCH_MACHINE_ARN", "DROP_QUEUE"},
    "Finish": {"JOB_MACHINE_ARN", "WEBHOOK_QUEUE"},
    "Sweep": {"JOB_MACHINE_ARN", "BATCH_MACHINE_ARN", "ERASE_FUNCTION", "WEBHOOK_QUEUE"},
    "Settle": {"WEBHOOK_QUEUE", "ERASE_FUNCTION"},
    "Notify": {"WEBHOOK_QUEUE"},
    "Erase": {"PROVIDER_SECRETS"},
}


def _environment(stage: Synthesized, function: str) -> dict[str, str]:
    variables: dict[str, str] = stage.functions()[function]["Environment"]["Variables"]
    return variables


def _settings(stage: Synthesized) -> dict[str, Any]:
    """The settings that every function is told."""
    (told,) = {_environment(stage, name)["DEPLOYMENT"] for name in SIZES}
    settings: dict[str, Any] = json.loads(told)
    return settings


def test_the_functions_and_their_sizes(stage: Synthesized) -> None:
    assert {name: (item["MemorySize"], item["Timeout"]) for name, item in stage.functions().items()} == SIZES


def test_all_run_on_the_current_python_on_arm_with_tracing(stage: Synthesized) -> None:
    for item in stage.functions().values():
        assert (item["Runtime"], item["Architectures"], item["Handler"]) == ("python3.14", ["arm64"], "handler.handler")
        assert item["TracingConfig"] == {"Mode": "Active"}


def test_no_function_takes_concurrency_from_the_rest_of_the_account(stage: Synthesized) -> None:
    assert not [name for name, item in stage.functions().items() if "ReservedConcurrentExecutions" in item]


def test_every_function_is_in_one_group_whose_executions_may_be_reserved(every: Synthesized) -> None:
    of_no_group = {"WatchModels"}  # it runs once a day, and may run later
    grouped = Counter(function for group in config.FUNCTION_GROUPS.values() for function in group)
    assert grouped == Counter(every.functions().keys() - of_no_group)
    row = next(line for line in OPERATIONS.splitlines() if line.startswith("| `reserved_concurrency` |"))
    assert f"`{' '.join(config.FUNCTION_GROUPS)}`" in row


def test_the_scanner_s_findings_were_counted_over_as_many_functions_as_there_are(every: Synthesized) -> None:
    functions = every.functions()
    shared = [name for name, item in functions.items() if "ReservedConcurrentExecutions" not in item]
    assert f"which has {len(functions)} functions" in OPERATIONS
    for rule, count in (("115", len(shared)), ("116", len(functions)), ("117", len(functions))):
        assert re.search(rf"^\| CKV_AWS_{rule} [^|]+\| {count} \|", OPERATIONS, re.MULTILINE), (
            f"{rule}: run checkov again"
        )


def test_each_role_is_one_function_s_and_has_no_managed_policy(stage: Synthesized) -> None:
    used = Counter(item["Role"] for item in stage.functions().values())
    assert set(used.values()) == {1}
    roles = stage.service.of("AWS::IAM::Role")
    machines = {machine["RoleArn"] for machine in stage.service.of("AWS::StepFunctions::StateMachine").values()}
    assert {f"${{{name}.Arn}}" for name in roles} == used.keys() | machines
    assert not [name for name, role in roles.items() if role.get("ManagedPolicyArns")]
    for role in roles.values():
        (trust,) = role["AssumeRolePolicyDocument"]["Statement"]
        assert trust["Principal"]["Service"] in ("lambda.amazonaws.com", "states.amazonaws.com")


def test_each_function_writes_one_log_that_expires(dev: Synthesized, prod: Synthesized) -> None:
    for stage, days in ((dev, 7), (prod, 90)):
        groups = stage.service.of("AWS::Logs::LogGroup")
        assert {item["RetentionInDays"] for item in groups.values()} == {days}
        logs = {name: item["LoggingConfig"]["LogGroup"][2:-1] for name, item in stage.functions().items()}
        assert len(set(logs.values())) == len(SIZES)
        for role, statement in stage.statements():
            if role in SIZES and "logs:PutLogEvents" in statement["Action"]:
                assert statement["Action"] == ["logs:CreateLogStream", "logs:PutLogEvents"]
                assert statement["Resource"] == [f"${{{logs.pop(role)}.Arn}}"]
        assert not logs


def test_a_function_is_told_the_settings_and_the_addresses_of_what_it_calls(prod: Synthesized) -> None:
    for name in SIZES:
        assert _environment(prod, name).keys() == EVERYWHERE | TOLD.get(name, set()), name


def test_on_aws_every_vendor_is_at_its_own_address(prod: Synthesized) -> None:
    assert (_settings(prod)["endpoints"], _settings(prod)["fetch_allow"]) == ({}, [])


def test_a_laptop_redirects_vendors_by_configuration_only(dev: Synthesized) -> None:
    addresses = {
        (name, variable): value
        for name in SIZES
        for variable, value in _environment(dev, name).items()
        if variable.startswith("AWS_")
    }
    assert addresses == {
        ("StartBedrock", "AWS_ENDPOINT_URL_BEDROCK_RUNTIME"): "http://127.0.0.1:1",
        ("WatchModels", "AWS_ENDPOINT_URL_BEDROCK"): "http://127.0.0.1:1",
    }
    told = _settings(dev)
    assert told["endpoints"]["tryiton"] == "http://127.0.0.1:2"
    assert told["bedrock_regions"] == {"nova_canvas": "us-east-1", "stability": "us-west-2"}
    assert (told["fetch_allow"], told["private_access"]) == (["127.0.0.1:2"], ["nova_canvas"])


def test_settings_reach_the_functions(prod: Synthesized) -> None:
    assert _settings(prod) == {
        "endpoints": {},
        "bedrock_regions": {"nova_canvas": "us-east-1"},
        "private_access": [],
        "provider_order": ["fashn", "tryiton"],
        "legacy_models": [],
        "unmoderated": ["tryiton"],
        "limits": {"fashn": {"submits": 5, "concurrency": 2}},
        "provider_settings": {},
        "result_hosts": {"fashn": ["cdn.example"]},
        "callback_url": "https://hooks.example/fr",
        "fetch_allow": [],
        "cors_origins": ["https://shop.example"],
        "upload_days": 3,
        "staging_days": 3,
        "result_days": 14,
        "batch_rows": 10_000,
        "batch_concurrency": 20,
        "tenant_buckets": {},
        "daily_images": 1000,
        "daily_usd": 50.0,
        "daily_test_jobs": 500,
        "daily_owner_jobs": 1000,
        "daily_address_jobs": 100,
        "key_rate": 20.0,
        "key_burst": 40.0,
        "waiters": 3,
        "dialect_waiters": 3,
        "sagemaker": {},
    }


def test_a_function_reads_the_settings_as_they_were_chosen(prod: Synthesized, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in _environment(prod, "Api").items():
        monkeypatch.setenv(name, value)
    chosen = config.StageConfig.from_context(STAGES["prod"]).deployment
    settings.cache_clear()
    assert settings().deployment == chosen
    settings.cache_clear()


def test_a_function_ignores_a_setting_that_its_code_does_not_know_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TABLE", "INBOX_BUCKET", "MEDIA_BUCKET"):
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("DEPLOYMENT", '{"of_the_next_version": 1, "daily_images": 7}')
    settings.cache_clear()
    assert settings().deployment.daily_images == 7
    settings.cache_clear()


def test_functions_are_told_the_machine_and_the_keys_of_this_stage(prod: Synthesized) -> None:
    for workflow in ("Job", "Batch"):
        machine, _ = prod.service.one("AWS::StepFunctions::StateMachine", f"{workflow}Machine")
        name = f"{workflow.upper()}_MACHINE_ARN"
        assert {_environment(prod, function)[name] for function in ("Api", "Ingest", "Sweep")} == {f"${{{machine}}}"}
    for name in ("StartHttp", "Poll", "Erase"):
        secrets = json.loads(_environment(prod, name)["PROVIDER_SECRETS"])
        assert secrets == {vendor: f"${{Key{vendor}.Id}}" for vendor in WITH_KEYS}


@pytest.mark.parametrize(
    ("chosen", "address"),
    [
        ({}, "https://api.example"),
        ({"callback_url": ""}, ""),
        ({"callback_url": "https://h.example"}, "https://h.example"),
    ],
)
def test_vendors_call_back_to_the_api_s_own_address_unless_the_stage_names_another_or_none(
    stage: Synthesized, chosen: dict[str, str], address: str
) -> None:
    api, _ = stage.service.one("AWS::ApiGatewayV2::Api")
    assert _environment(stage, "StartHttp")["API_URL"] == f"${{{api}.ApiEndpoint}}"
    told = Settings(
        table="t", inbox_bucket="i", media_bucket="m", api_url="https://api.example", deployment=json.dumps(chosen)
    )
    assert told.callback_url == address


def test_what_a_function_is_told_is_what_it_reads(prod: Synthesized) -> None:
    """A name that no setting has would be told to nobody."""
    told = {name for function in SIZES for name in _environment(prod, function)}
    ours = {name for name in told if not name.startswith(("POWERTOOLS_", "AWS_"))}
    assert ours <= {name.upper() for name in Settings.model_fields}
    assert _settings(prod).keys() <= DeploymentSettings.model_fields.keys()


def test_the_outputs_an_operator_reads(stage: Synthesized, every: Synthesized) -> None:
    machine, _ = stage.service.one("AWS::StepFunctions::StateMachine", "JobMachine")
    batches, _ = stage.service.one("AWS::StepFunctions::StateMachine", "BatchMachine")
    api, _ = stage.service.one("AWS::ApiGatewayV2::Api")
    topics: set[str | None] = {f"${{{name}}}" for name in stage.service.of("AWS::SNS::Topic")}
    outputs = dict(stage.service.outputs)
    assert {outputs.pop("AlarmTopic", None)} == (topics or {None})
    assert outputs == {
        "ApiUrl": f"${{{api}.ApiEndpoint}}",
        "TableName": "${TableCD117FA1}",
        "InboxBucket": "${InboxA8E05DC3}",
        "MediaBucket": "${MediaA721A567}",
        "JobMachineArn": f"${{{machine}}}",
        "BatchMachineArn": f"${{{batches}}}",
        "ApiFunction": f"${{{stage.service.one('AWS::Lambda::Function', 'Api')[0]}}}",
        "ProviderSecrets": "{" + ",".join(f'"{vendor}":"${{Key{vendor}.Id}}"' for vendor in WITH_KEYS) + "}",
        "ProviderEndpoints": json.dumps(_settings(stage)["endpoints"]),
        "DeadLettersUrl": "${DeadLettersBBF8BAAB}",
        "DropsUrl": "${Drops4D66B0FE}",
        "WebhooksUrl": f"${{{stage.service.one('AWS::SQS::Queue', 'Webhooks')[0]}}}",
    }
    assert every.service.outputs["ApiUrl"] == "https://api.shop.example"
    domain, _ = every.service.one("AWS::ApiGatewayV2::DomainName")
    assert every.service.outputs["DomainTarget"] == f"${{{domain}.RegionalDomainName}}"
    assert every.service.outputs["EncryptionKeyArn"] == f"${{{every.storage.one('AWS::KMS::Key')[0]}.Arn}}"


def test_no_row_is_admitted_any_more_when_a_cancelled_batch_ends(stage: Synthesized) -> None:
    assert stage.functions()["Admit"]["Timeout"] < finish.ADMISSION.total_seconds()
