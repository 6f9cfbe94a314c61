"""Least privilege: who may touch what, and every wildcard with its reason."""

from __future__ import annotations

from fnmatch import fnmatch

import pytest

from tests.infra.synthesized import WITH_KEYS, Synthesized

FUNCTIONS = {
    "Api",
    "Callback",
    "Prepare",
    "StartBedrock",
    "StartHttp",
    "Poll",
    "Wait",
    "Collect",
    "Settle",
    "Expand",
    "Admit",
    "Finish",
    "Ingest",
    "Sweep",
    "WatchModels",
    "Erase",
    "Notify",
}
MACHINES = ("Job", "Batch")
_EXECUTION = "arn:${AWS::Partition}:states:${AWS::Region}:${AWS::AccountId}:execution:"
EXECUTIONS = _EXECUTION + "${JobMachine45953B44.Name}:*"
BATCHES = _EXECUTION + "${BatchMachineAF41ABEC.Name}:*"
CHILDREN = _EXECUTION + "${BatchMachineAF41ABEC.Name}/Rows:*"
MEDIA, INBOX = "${MediaA721A567.Arn}", "${InboxA8E05DC3.Arn}"

TRACES = ["xray:PutTraceSegments", "xray:PutTelemetryRecords"]
# (role, action, resource): why there is a wildcard. X-Ray, log delivery and the end of a wait know no resources; objects are
# named by tenant, upload and job; an execution is named by its job.
WILDCARDS = {
    *((role, action, "*") for role in FUNCTIONS for action in TRACES),
    *((role, "states:SendTaskSuccess", "*") for role in ("Callback", "Wait")),
    *(
        (machine, action, "*")
        for machine in MACHINES
        for action in [
            *TRACES,
            "xray:GetSamplingRules",
            "xray:GetSamplingTargets",
            "logs:CreateLogDelivery",
            "logs:GetLogDelivery",
            "logs:UpdateLogDelivery",
            "logs:DeleteLogDelivery",
            "logs:ListLogDeliveries",
            "logs:PutResourcePolicy",
            "logs:DescribeResourcePolicies",
            "logs:DescribeLogGroups",
        ]
    ),
    ("Api", "s3:GetObject", f"{INBOX}/uploads/*"),
    *(("Api", "s3:PutObject", f"{INBOX}/{folder}/*") for folder in ("uploads", "drop")),
    ("Api", "s3:PutObject", f"{MEDIA}/staging/*"),
    ("Api", "s3:GetObject", f"{MEDIA}/results/*"),
    # a retry copies the images of the job before it
    ("Api", "s3:GetObject", f"{INBOX}/drop/*"),
    ("Api", "s3:GetObject", f"{MEDIA}/staging/*"),
    *(
        (role, "s3:DeleteObject", f"{MEDIA}/staging/*")
        for role in ("Api", "Ingest", "Prepare", "StartBedrock", "StartHttp", "Poll")
    ),
    ("Prepare", "s3:GetObject", f"{INBOX}/*"),
    ("Prepare", "s3:GetObject", f"{MEDIA}/*"),
    ("Prepare", "s3:PutObject", f"{MEDIA}/staging/*"),
    # copies of an earlier result
    ("Prepare", "s3:PutObject", f"{MEDIA}/results/*"),
    ("Prepare", "s3:DeleteObject", f"{MEDIA}/results/*"),
    *(
        (role, action, f"{MEDIA}/staging/*")
        for role in ("StartBedrock", "StartHttp", "Poll")
        for action in ("s3:GetObject", "s3:PutObject")
    ),
    ("Collect", "s3:GetObject", f"{MEDIA}/staging/*"),
    # a job of a folder may name what a job over HTTP may, and is retried like one
    *(("Ingest", "s3:GetObject", f"{INBOX}/{folder}/*") for folder in ("uploads", "drop")),
    *(("Ingest", action, f"{MEDIA}/staging/*") for action in ("s3:GetObject", "s3:PutObject")),
    *((role, "s3:PutObject", f"{MEDIA}/results/*") for role in ("Collect", "Settle", "Ingest", "Sweep")),
    *((role, "s3:DeleteObject", f"{MEDIA}/results/*") for role in ("Collect", "Settle", "Sweep", "Ingest", "Erase")),
    ("Erase", "s3:DeleteObject", f"{MEDIA}/staging/*"),
    # whose an object is in a drop folder, which jobs share
    ("Erase", "s3:GetObject", f"{MEDIA}/results/*/drop/*"),
    *(("Erase", "s3:DeleteObject", f"{INBOX}/{folder}/*") for folder in ("uploads", "drop")),
    *(("Sweep", "states:DescribeExecution", executions) for executions in (EXECUTIONS, BATCHES)),
    *(("Api", "states:StopExecution", executions) for executions in (EXECUTIONS, BATCHES)),
    ("Finish", "states:StopExecution", EXECUTIONS),
    *(
        ("Batch", action, executions)
        for action in ("states:DescribeExecution", "states:StopExecution")
        for executions in (EXECUTIONS, CHILDREN)
    ),
    ("Batch", "s3:GetObject", f"{MEDIA}/staging/*"),
    # manifests and the uploads of rows; rows; reports
    *((role, "s3:GetObject", f"{INBOX}/{folder}/*") for role in ("Expand", "Admit") for folder in ("uploads", "drop")),
    *(("Expand", "s3:GetObject", f"{MEDIA}/{folder}/*") for folder in ("staging", "results")),
    *(
        (role, action, f"{MEDIA}/staging/*")
        for role in ("Expand", "Admit")
        for action in ("s3:PutObject", "s3:DeleteObject")
    ),
    *(("Finish", f"s3:{does}Object", f"{MEDIA}/results/*") for does in ("Get", "Put", "Delete")),
}


WRITERS_OF_STAGING = ("Api", "Ingest", "Prepare", "StartBedrock", "StartHttp", "Poll", "Expand", "Admit")
WRITERS_OF_RESULTS = ("Collect", "Settle", "Sweep", "Ingest", "Prepare", "Finish")


def _grants(stage: Synthesized) -> set[tuple[str, str, str]]:
    return {
        (role, action, resource)
        for role, statement in stage.statements()
        if statement["Effect"] == "Allow"
        for action in statement["Action"]
        for resource in statement["Resource"]
    }


def _holders(stage: Synthesized, action: str) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for role, granted, resource in _grants(stage):
        if fnmatch(action, granted):
            found.setdefault(role, set()).add(resource)
    return found


def test_no_wildcard_beyond_the_reasoned_ones(stage: Synthesized) -> None:
    assert {grant for grant in _grants(stage) if "*" in grant[1] or "*" in grant[2]} == WILDCARDS


def test_every_role_s_policies_are_seen_by_these_tests(stage: Synthesized) -> None:
    assert {role for role, _ in stage.statements()} == FUNCTIONS | set(MACHINES)
    assert not [role for role in stage.service.of("AWS::IAM::Role").values() if role.get("Policies")]
    assert not stage.service.of("AWS::IAM::ManagedPolicy")


def test_a_vendor_s_key_is_readable_only_by_what_calls_that_vendor(stage: Synthesized) -> None:
    secret = {f"${{Key{vendor}.Id}}" for vendor in WITH_KEYS}
    assert _holders(stage, "secretsmanager:GetSecretValue") == {"StartHttp": secret, "Poll": secret, "Erase": secret}


def _model(region: str, name: str) -> str:
    return f"arn:${{AWS::Partition}}:bedrock:{region}::foundation-model/{name}"


NOVA = _model("us-east-1", "amazon.nova-canvas-v1:0")
TEXT = {_model("us-west-2", f"stability.stable-image-{name}-v1:1") for name in ("core", "ultra")}
EDITS = [f"stability.stable-image-{name}-v1:0" for name in ("inpaint", "remove-background")]


def test_only_the_bedrock_starter_may_invoke_a_model_and_only_those_with_a_region(
    dev: Synthesized, prod: Synthesized
) -> None:
    profiles = {
        f"arn:${{AWS::Partition}}:bedrock:us-west-2:${{AWS::AccountId}}:inference-profile/us.{name}" for name in EDITS
    }
    behind = {_model(region, name) for name in EDITS for region in ("us-east-1", "us-east-2", "us-west-2")}
    assert _holders(dev, "bedrock:InvokeModel") == {"StartBedrock": {NOVA} | TEXT | profiles | behind}
    assert _holders(prod, "bedrock:InvokeModel") == {"StartBedrock": {NOVA}}


def test_only_the_watcher_may_ask_about_a_model_and_only_where_it_is_called(
    dev: Synthesized, prod: Synthesized
) -> None:
    edits = {_model("us-west-2", name) for name in EDITS}
    assert _holders(dev, "bedrock:GetFoundationModel") == {"WatchModels": {NOVA} | TEXT | edits}
    assert _holders(prod, "bedrock:GetFoundationModel") == {"WatchModels": {NOVA}}


def test_runs_are_started_where_a_job_is_accepted_or_resumed_and_stopped_where_it_is_cancelled(
    stage: Synthesized,
) -> None:
    jobs, both = {"${JobMachine45953B44}"}, {"${JobMachine45953B44}", "${BatchMachineAF41ABEC}"}
    starting = {**dict.fromkeys(("Api", "Ingest", "Sweep", "Batch"), both), "Finish": jobs}
    assert _holders(stage, "states:StartExecution") == starting
    executions = {"Batch": {EXECUTIONS, CHILDREN}}
    stopping = {**executions, "Api": {EXECUTIONS, BATCHES}, "Finish": {EXECUTIONS}}
    assert _holders(stage, "states:StopExecution") == stopping
    assert _holders(stage, "states:DescribeExecution") == {**executions, "Sweep": {EXECUTIONS, BATCHES}}


def test_each_machine_calls_its_own_functions_and_the_api_and_the_sweep_the_one_that_erases(stage: Synthesized) -> None:
    arns = {name[:-8]: f"${{{name}.Arn}}" for name in stage.service.of("AWS::Lambda::Function")}
    tasks = ("Prepare", "StartBedrock", "StartHttp", "Poll", "Wait", "Collect", "Settle")
    (erase,) = {f"${{{name}.Arn}}" for name in stage.service.of("AWS::Lambda::Function") if name[:-8] == "Erase"}
    assert _holders(stage, "lambda:InvokeFunction") == {
        "Job": {arns[name] for name in tasks},
        "Batch": {arns[name] for name in ("Expand", "Admit", "Finish")},
        "Api": {erase},
        "Settle": {erase},
        "Sweep": {erase},
    }


def test_listing_is_for_functions_that_must_tell_absent_from_forbidden_or_read_a_folder(stage: Synthesized) -> None:
    assert _holders(stage, "s3:ListBucket") == {
        **{role: {INBOX, MEDIA} for role in ("Api", "Ingest", "Prepare", "Expand", "Erase")},
        **{role: {MEDIA} for role in ("StartBedrock", "StartHttp", "Poll", "Collect", "Finish")},
        "Admit": {INBOX},
    }
    bounds = {
        role: statement["Condition"]["StringLike"]["s3:prefix"]
        for role, statement in stage.statements()
        if "s3:ListBucket" in statement["Action"] and "Condition" in statement
    }
    assert bounds == {"Erase": ["staging/*", "results/*", "drop/*"]}, "a read of one object names no prefix"


def test_each_function_that_reads_an_object_may_learn_that_it_is_not_there(stage: Synthesized) -> None:
    may_list = _holders(stage, "s3:ListBucket")
    for role, objects in _holders(stage, "s3:GetObject").items():
        buckets = {MEDIA if each.startswith(MEDIA) else INBOX for each in objects}
        assert role in ("Api", "Batch") or buckets <= may_list[role], role  # the Api only signs links to results


def test_a_tenant_s_own_bucket_is_read_where_jobs_and_batches_that_name_it_are(every: Synthesized) -> None:
    bucket = "arn:${AWS::Partition}:s3:::photos-of-acme"
    assert {grant for grant in _grants(every) if "photos-of-acme" in grant[2]} == {
        (role, action, resource)
        for role in ("Api", "Expand", "Prepare")
        for action, resource in (("s3:GetObject", f"{bucket}/*"), ("s3:ListBucket", bucket))
    }


def test_images_are_deleted_by_erase_and_by_functions_that_may_have_written_one_too_late(stage: Synthesized) -> None:
    deleting = _holders(stage, "s3:DeleteObject")
    assert deleting.keys() == {"Erase", *WRITERS_OF_STAGING, *WRITERS_OF_RESULTS}
    for writers, folder in ((WRITERS_OF_STAGING, "staging"), (WRITERS_OF_RESULTS, "results")):
        for role in set(writers) - {"Prepare", "Ingest"}:
            assert deleting[role] == {f"{MEDIA}/{folder}/*"}
    assert deleting["Prepare"] == deleting["Ingest"] == {f"{MEDIA}/staging/*", f"{MEDIA}/results/*"}
    assert _holders(stage, "s3:GetObject")["Erase"] == {f"{MEDIA}/results/*/drop/*"}, "jobs share a folder"


@pytest.mark.parametrize(
    "action",
    [
        "dynamodb:Scan",
        "secretsmanager:PutSecretValue",
        "iam:PassRole",
        "kms:Decrypt",
        "sts:AssumeRole",
        "logs:CreateLogGroup",
    ],
)
def test_nobody_may_do_what_no_function_does(stage: Synthesized, action: str) -> None:
    assert _holders(stage, action) == {}


def test_waits_are_ended_by_the_callback_or_by_a_wait_that_finds_it_there_already(stage: Synthesized) -> None:
    assert _holders(stage, "states:SendTaskSuccess").keys() == {"Callback", "Wait"}


def test_the_public_callback_function_touches_single_rows_and_waits_only(stage: Synthesized) -> None:
    may = {action for role, action, _ in _grants(stage) if role == "Callback"}
    assert may == {
        "dynamodb:UpdateItem",
        "states:SendTaskSuccess",
        "logs:CreateLogStream",
        "logs:PutLogEvents",
        *TRACES,
    }
