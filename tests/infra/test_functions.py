"""Each function: what it runs on, what it is told, and a role and log of its own."""

from __future__ import annotations

import json
from collections import Counter

from fitting_room.settings import Settings
from tests.infra.synthesized import WITH_KEYS, Synthesized

SIZES = {  # MB, seconds
    "Api": (512, 29),
    "Prepare": (1769, 120),
    "StartBedrock": (1024, 900),
    "StartHttp": (1024, 180),
    "Poll": (1024, 300),
    "Collect": (1769, 120),
    "Settle": (512, 60),
    "Ingest": (512, 60),
    "Sweep": (1769, 60),
    "WatchModels": (512, 120),
    "Wait": (256, 10),
    "Callback": (256, 10),
    "Erase": (512, 120),
}
EVERYWHERE = {
    "TABLE",
    "INBOX_BUCKET",
    "MEDIA_BUCKET",
    "POWERTOOLS_SERVICE_NAME",
    "POWERTOOLS_METRICS_NAMESPACE",
    "POWERTOOLS_LOG_LEVEL",
}
PLANS = {
    "JOB_MACHINE_ARN",
    "BEDROCK_REGIONS",
    "PRIVATE_ACCESS",
    "DAILY_IMAGES",
    "DAILY_USD",
    "RESULT_DAYS",
    "PROVIDER_ORDER",
    "LEGACY_MODELS",
    "UNMODERATED",
}
CALLS = {"PROVIDER_ENDPOINTS", "PROVIDER_SECRETS", "FETCH_ALLOW", "PROVIDER_SETTINGS", "RESULT_HOSTS"}
TOLD = {
    "Api": PLANS
    | {
        "CORS_ORIGINS",
        "UPLOAD_DAYS",
        "STAGING_DAYS",
        "ERASE_FUNCTION",
        "DAILY_TEST_JOBS",
        "KEY_RATE",
        "KEY_BURST",
        "FETCH_ALLOW",
    },
    "Prepare": {"FETCH_ALLOW"},
    "StartBedrock": {"PROVIDER_ENDPOINTS", "BEDROCK_REGIONS", "LIMITS"},
    "StartHttp": CALLS | {"LIMITS", "CALLBACK_URL"},
    "Poll": CALLS,
    "Wait": set(),
    "Callback": set(),
    "Collect": set(),
    "Settle": set(),
    "Ingest": PLANS | {"FETCH_ALLOW"},
    "Sweep": {"JOB_MACHINE_ARN", "ERASE_FUNCTION"},
    "Erase": {"PROVIDER_ENDPOINTS", "PROVIDER_SECRETS", "PROVIDER_SETTINGS"},
    "WatchModels": {"BEDROCK_REGIONS"},
}


def _environment(stage: Synthesized, function: str) -> dict[str, str]:
    variables: dict[str, str] = stage.functions()[function]["Environment"]["Variables"]
    return variables


def test_the_functions_and_their_sizes(stage: Synthesized) -> None:
    assert {name: (item["MemorySize"], item["Timeout"]) for name, item in stage.functions().items()} == SIZES


def test_all_run_on_the_current_python_on_arm_with_tracing(stage: Synthesized) -> None:
    for item in stage.functions().values():
        assert (item["Runtime"], item["Architectures"], item["Handler"]) == ("python3.14", ["arm64"], "handler.handler")
        assert item["TracingConfig"] == {"Mode": "Active"}


def test_no_function_takes_concurrency_from_the_rest_of_the_account(stage: Synthesized) -> None:
    assert not [name for name, item in stage.functions().items() if "ReservedConcurrentExecutions" in item]


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


def test_a_function_is_told_what_it_needs_and_no_more(prod: Synthesized) -> None:
    for name in SIZES:
        assert _environment(prod, name).keys() == EVERYWHERE | TOLD[name], name


def test_on_aws_every_vendor_is_at_its_own_address(prod: Synthesized) -> None:
    for name in ("StartBedrock", "StartHttp", "Poll"):
        assert json.loads(_environment(prod, name)["PROVIDER_ENDPOINTS"]) == {}
    for name in ("Prepare", "StartHttp", "Poll"):
        assert _environment(prod, name)["FETCH_ALLOW"] == ""


def test_a_laptop_redirects_vendors_by_configuration_only(dev: Synthesized) -> None:
    bedrock = _environment(dev, "StartBedrock")
    assert bedrock["AWS_ENDPOINT_URL_BEDROCK_RUNTIME"] == "http://127.0.0.1:1"
    watcher = _environment(dev, "WatchModels")
    assert watcher["AWS_ENDPOINT_URL_BEDROCK"] == "http://127.0.0.1:1"
    for function in (bedrock, watcher, _environment(dev, "Api"), _environment(dev, "Ingest")):
        assert json.loads(function["BEDROCK_REGIONS"]) == {"nova_canvas": "us-east-1", "stability": "us-west-2"}
    for name in ("StartHttp", "Poll"):
        assert json.loads(_environment(dev, name)["PROVIDER_ENDPOINTS"]) == {"tryiton": "http://127.0.0.1:2"}
        assert _environment(dev, name)["FETCH_ALLOW"] == "127.0.0.1:2"
        assert "AWS_ENDPOINT_URL_BEDROCK_RUNTIME" not in _environment(dev, name)
    assert _environment(dev, "Api")["PRIVATE_ACCESS"] == "nova_canvas"


def test_settings_reach_the_functions(prod: Synthesized) -> None:
    api = _environment(prod, "Api")
    assert (api["DAILY_IMAGES"], api["DAILY_USD"], api["RESULT_DAYS"], api["CORS_ORIGINS"]) == (
        "1000",
        "50.0",
        "14",
        "https://shop.example",
    )
    machine, _ = prod.service.one("AWS::StepFunctions::StateMachine")
    assert {_environment(prod, name)["JOB_MACHINE_ARN"] for name in ("Api", "Ingest", "Sweep")} == {f"${{{machine}}}"}
    assert json.loads(_environment(prod, "Poll")["PROVIDER_SECRETS"]) == {
        vendor: f"${{Key{vendor}.Id}}" for vendor in WITH_KEYS
    }
    for name in ("Api", "Ingest"):
        assert json.loads(_environment(prod, name)["PROVIDER_ORDER"]) == ["fashn", "tryiton"]
        assert (_environment(prod, name)["UNMODERATED"], _environment(prod, name)["LEGACY_MODELS"]) == ("tryiton", "")
    for name in ("StartBedrock", "StartHttp"):
        assert json.loads(_environment(prod, name)["LIMITS"]) == {"fashn": {"submits": 5, "concurrency": 2}}
    for name in ("StartHttp", "Poll"):
        assert json.loads(_environment(prod, name)["RESULT_HOSTS"]) == {"fashn": ["cdn.example"]}


def test_vendors_call_back_to_the_api_s_own_address_unless_the_stage_names_another(
    dev: Synthesized, prod: Synthesized
) -> None:
    api, _ = dev.service.one("AWS::ApiGatewayV2::Api")
    assert _environment(dev, "StartHttp")["CALLBACK_URL"] == f"${{{api}.ApiEndpoint}}"
    assert _environment(prod, "StartHttp")["CALLBACK_URL"] == "https://hooks.example/fr"


def test_what_a_function_is_told_is_what_it_reads(prod: Synthesized) -> None:
    """A name that no setting has would be told to nobody."""
    told = {name for function in SIZES for name in _environment(prod, function)}
    ours = {name for name in told if not name.startswith(("POWERTOOLS_", "AWS_"))}
    assert ours <= {name.upper() for name in Settings.model_fields}


def test_the_outputs_an_operator_reads(stage: Synthesized) -> None:
    machine, _ = stage.service.one("AWS::StepFunctions::StateMachine")
    api, _ = stage.service.one("AWS::ApiGatewayV2::Api")
    assert stage.service.outputs == {
        "ApiUrl": f"${{{api}.ApiEndpoint}}",
        "TableName": "${TableCD117FA1}",
        "InboxBucket": "${InboxA8E05DC3}",
        "MediaBucket": "${MediaA721A567}",
        "JobMachineArn": f"${{{machine}}}",
        "ApiFunction": f"${{{stage.service.one('AWS::Lambda::Function', 'Api')[0]}}}",
        "ProviderSecrets": "{" + ",".join(f'"{vendor}":"${{Key{vendor}.Id}}"' for vendor in WITH_KEYS) + "}",
        "ProviderEndpoints": _environment(stage, "Poll")["PROVIDER_ENDPOINTS"],
    }
