"""Each alarm rings by what it is there for, is silent on an ordinary day, and has a row in docs/operations.md."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple

import pytest

from fitting_room.actions.upkeep import erase, notify, watch_models
from fitting_room.actions.upkeep.sweep import sweep
from fitting_room.actions.workflow import settle as settling
from fitting_room.actions.workflow.poll import poll
from fitting_room.actions.workflow.settle import settle
from fitting_room.jobs.errors import Fault
from fitting_room.jobs.outcome import Unread
from fitting_room.observability import metrics
from fitting_room.stores import aws, batches, jobs
from infra.config import StageConfig
from tests.infra.synthesized import ROOT, Synthesized
from tests.integration.conftest import vendor, world
from tests.integration.world import Vendor, World, failed, finished, pending

__all__ = ["vendor", "world"]

OPERATIONS = (ROOT / "docs" / "operations.md").read_text()
QUERY = re.compile(r'SELECT SUM\((\w+)\) FROM SCHEMA\("([^"]+)", ([\w, ]+)\)')
IN_CODE = "FittingRoom"
"""The namespace in the unit tests' environment."""


class Datum(NamedTuple):
    namespace: str
    name: str
    dimensions: dict[str, str]
    value: float


Period = list[Datum]


def alarms(stage: Synthesized) -> dict[str, dict[str, Any]]:
    """By the name that the description gives for the row of the operators' document."""
    found = stage.service.of("AWS::CloudWatch::Alarm").values()
    return {alarm["AlarmDescription"].split("See ")[1].split(" in ")[0]: alarm for alarm in found}


def rings(alarm: dict[str, Any], *periods: Period) -> bool:
    """Judge as CloudWatch does; the last period is the newest. Periods before the given ones have no data."""
    window: list[Period] = [[]] * alarm["EvaluationPeriods"] + list(periods)
    breaching = [_breaches(alarm, _value(alarm, period)) for period in window[-alarm["EvaluationPeriods"] :]]
    return sum(breaching) >= alarm["DatapointsToAlarm"]


def _breaches(alarm: dict[str, Any], value: float | None) -> bool:
    if value is None:
        return bool(alarm["TreatMissingData"] == "breaching")
    if alarm["ComparisonOperator"] == "LessThanThreshold":
        return bool(value < alarm["Threshold"])
    return bool(value > alarm["Threshold"])


def _value(alarm: dict[str, Any], period: Period) -> float | None:
    if "Metrics" not in alarm:
        return _statistic(alarm, alarm["Statistic"], period)
    (whole,) = (each for each in alarm["Metrics"] if each["ReturnData"])
    if query := QUERY.fullmatch(whole["Expression"]):
        names = set(query[3].split(", "))
        found = [d.value for d in period if (d.namespace, d.name, set(d.dimensions)) == (query[2], query[1], names)]
        return sum(found) if found else None
    parts = {each["Id"]: each["MetricStat"] for each in alarm["Metrics"] if not each["ReturnData"]}
    assert whole["Expression"] == " + ".join(f"FILL({name}, 0)" for name in parts)
    return sum(_statistic(part["Metric"], part["Stat"], period) or 0 for part in parts.values())


def _statistic(metric: dict[str, Any], statistic: str, period: Period) -> float | None:
    named = {each["Name"]: each["Value"] for each in metric["Dimensions"]}
    wanted = (metric["Namespace"], metric["MetricName"], named)
    found = [datum.value for datum in period if (datum.namespace, datum.name, datum.dimensions) == wanted]
    of: dict[str, Callable[[list[float]], float]] = {"Sum": sum, "Maximum": max, "Minimum": min}
    return of[statistic](found) if found else None


@pytest.fixture
def published(
    world: World, prod: Synthesized, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[[], Period]:
    """What the code has told CloudWatch since the last look, in the namespace that the stage tells its functions."""
    monkeypatch.setenv("POWERTOOLS_METRICS_DISABLED", "false")
    told = prod.functions()["Settle"]["Environment"]["Variables"]
    assert told["POWERTOOLS_SERVICE_NAME"] == "fitting-room"

    def read() -> Period:
        metrics.flush_metrics()
        lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if '"_aws"' in line]
        return [datum for line in lines for datum in _data(line, told["POWERTOOLS_METRICS_NAMESPACE"])]

    return read


def _data(line: dict[str, Any], namespace: str) -> Iterator[Datum]:
    (directive,) = line["_aws"]["CloudWatchMetrics"]
    assert directive["Namespace"] == IN_CODE
    (names,) = directive["Dimensions"]
    for metric in directive["Metrics"]:
        for value in line[metric["Name"]]:
            yield Datum(namespace, metric["Name"], {name: line[name] for name in names}, value)


def internal(world: World, vendor: Vendor) -> None:
    job = world.submit(provider="tryiton").job
    jobs.fail(job, Fault.of("internal", "A step broke.", "Submit it again."))
    settle(job.id, world.at)


def refused_key(world: World, vendor: Vendor) -> None:
    vendor.starts = [failed("provider_auth")]
    world.run(world.submit(provider="tryiton").job.id)


def lost_answer(world: World, vendor: Vendor) -> None:
    vendor.starts = [failed("provider_unavailable", "unknown")]
    world.run(world.submit(provider="tryiton").job.id)


def refused_reads(world: World, vendor: Vendor) -> None:
    vendor.starts, vendor.polls = [pending("v-9")], [Unread("forbidden", 403)]
    job_id = world.prepared(provider="tryiton")
    world.start(job_id)
    for _ in range(3):
        poll(job_id, 300, world.at)
        world.at.sleep(600)


def remaining_copies(world: World, vendor: Vendor) -> None:
    erase._alarm("job_1")


def paused_batch(world: World, vendor: Vendor) -> None:
    job = world.submit(provider="sandbox").job.model_copy(update={"batch": "bat_1"})
    aws.table().put_item(Item={**batches.key("bat_1"), "status": "running"})
    fault = Fault.of("quota_exhausted", "No credit is left.", "Buy some.")
    for _ in range(3):
        settling._pause_batch(job, fault)


def ending_model(world: World, vendor: Vendor) -> None:
    watch_models.watch_models(world.at)  # on 2026-09-01; Nova Canvas ends on 2026-09-30


@pytest.mark.parametrize(
    ("name", "cause"),
    [
        ("InternalFailures", internal),
        ("AccountRefused", refused_key),
        ("ChargeUnknown", lost_answer),
        ("ReadsRefused", refused_reads),
        ("CopiesRemain", remaining_copies),
        ("BatchesPaused", paused_batch),
        ("ModelsEnd-nova_canvas", ending_model),
    ],
)
def test_an_alarm_of_our_own_metrics_rings_by_what_happens_and_by_nothing_else(
    prod: Synthesized,
    world: World,
    vendor: Vendor,
    published: Callable[[], Period],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    cause: Callable[[World, Vendor], None],
) -> None:
    monkeypatch.setattr(aws, "bedrock", lambda _: Bedrock())
    world.configure("tryiton")
    published()
    cause(world, vendor)
    told = published()
    ringing = {each for each, alarm in alarms(prod).items() if rings(alarm, told)} - {"SweepAbsent"}
    assert ringing == {name}
    assert not rings(alarms(prod)[name], told, *[[]] * 3), "it ends when the cause does"


class Bedrock:
    def get_foundation_model(self, modelIdentifier: str) -> dict[str, Any]:  # noqa: N803  as the SDK names it
        return {"modelDetails": {"modelLifecycle": {"status": "ACTIVE"}}}


def test_the_absence_of_the_sweep_rings_and_a_sweep_ends_it(
    prod: Synthesized, world: World, published: Callable[[], Period]
) -> None:
    alarm = alarms(prod)["SweepAbsent"]
    published()
    sweep(world.at)
    beat = published()
    assert rings(alarm, beat, [], [])
    assert not rings(alarm, beat, [])
    assert not rings(alarm, [], beat)


OF_AWS = [
    ("ApiErrors", "AWS/ApiGateway", "5xx", "AWS::ApiGatewayV2::Api", "", 2, 1.0),
    ("ApiThrottled", "AWS/Lambda", "Throttles", "AWS::Lambda::Function", "Api", 2, 1.0),
    ("ApiThrottled", "AWS/Lambda", "Throttles", "AWS::Lambda::Function", "Callback", 2, 1.0),
    ("JobsThrottled", "AWS/Lambda", "Throttles", "AWS::Lambda::Function", "Prepare", 3, 1.0),
    ("OthersThrottled", "AWS/Lambda", "Throttles", "AWS::Lambda::Function", "Notify", 3, 1.0),
    ("OthersThrottled", "AWS/Lambda", "Throttles", "AWS::Lambda::Function", "Admit", 3, 1.0),
    ("JobsThrottled", "AWS/Lambda", "Throttles", "AWS::Lambda::Function", "Settle", 3, 1.0),
    ("SweepErrors", "AWS/Lambda", "Errors", "AWS::Lambda::Function", "Sweep", 1, 1.0),
    ("WebhooksFail", "AWS/Lambda", "Errors", "AWS::Lambda::Function", "Notify", 1, 1.0),
    ("WebhooksWait", "AWS/SQS", "ApproximateAgeOfOldestMessage", "AWS::SQS::Queue", "Webhooks", 1, 1801.0),
    ("DropsWait", "AWS/SQS", "ApproximateAgeOfOldestMessage", "AWS::SQS::Queue", "Drops", 1, 901.0),
    ("DeadLetters", "AWS/SQS", "ApproximateNumberOfMessagesVisible", "AWS::SQS::Queue", "DeadLetters", 1, 1.0),
    ("ExecutionsFailed", "AWS/States", "ExecutionsFailed", "AWS::StepFunctions::StateMachine", "JobMachine", 1, 1.0),
    (
        "ExecutionsTimedOut",
        "AWS/States",
        "ExecutionsTimedOut",
        "AWS::StepFunctions::StateMachine",
        "JobMachine",
        1,
        1.0,
    ),
    ("BatchesBroken", "AWS/States", "ExecutionsFailed", "AWS::StepFunctions::StateMachine", "BatchMachine", 1, 1.0),
]
"""Alarm, the metric as AWS publishes it, its resource, the periods that it must last, and the lowest that rings."""


@pytest.mark.parametrize(("name", "namespace", "metric", "kind", "start", "periods", "high"), OF_AWS)
def test_an_alarm_of_aws_s_metrics_rings_when_its_value_stays_too_high(
    prod: Synthesized, name: str, namespace: str, metric: str, kind: str, start: str, periods: int, high: float
) -> None:
    named = [each for each in prod.service.of(kind) if each[:-8].startswith(start)]
    (resource,) = [each for each in named if not start or each[:-8] == start]
    dimensions = {
        "AWS::ApiGatewayV2::Api": {"ApiId": f"${{{resource}}}"},
        "AWS::Lambda::Function": {"FunctionName": f"${{{resource}}}"},
        "AWS::SQS::Queue": {"QueueName": f"${{{resource}.QueueName}}"},
        "AWS::StepFunctions::StateMachine": {"StateMachineArn": f"${{{resource}}}"},
    }[kind]
    bad, good = ([Datum(namespace, metric, dimensions, value)] for value in (high, high - 1))
    alarm = alarms(prod)[name]
    assert rings(alarm, *[bad] * periods)
    assert periods == 1 or not rings(alarm, good, good, bad), "once is no trouble yet"
    assert not rings(alarm, good, good, good)
    ringing = {each for each, other in alarms(prod).items() if rings(other, *[bad] * periods)} - {"SweepAbsent"}
    assert ringing == {name}


def test_a_model_that_ends_in_85_days_rings_and_one_that_ends_in_95_does_not(prod: Synthesized) -> None:
    alarm = alarms(prod)["ModelsEnd-nova_canvas"]
    dimensions = {each["Name"]: each["Value"] for each in alarm["Dimensions"]}
    soon, later = ([Datum(alarm["Namespace"], alarm["MetricName"], dimensions, days)] for days in (85.0, 95.0))
    periods = alarm["EvaluationPeriods"]
    assert (rings(alarm, *[soon] * periods), rings(alarm, *[later] * periods)) == (True, False)
    assert rings(alarm, soon, [], []), "it goes on ringing over a day on which Bedrock could not be asked"


def test_no_alarm_waits_for_the_end_of_a_retired_model_that_the_account_may_still_call(every: Synthesized) -> None:
    """Both Bedrock providers are used, and Nova Canvas by private access."""
    assert [name for name in alarms(every) if name.startswith("ModelsEnd")] == ["ModelsEnd-stability"]


def test_no_alarm_rings_on_an_ordinary_first_day(
    prod: Synthesized, world: World, vendor: Vendor, published: Callable[[], Period], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the default of `bedrock_regions`, a job that succeeds, one that its client breaks, and a cancelled one."""
    monkeypatch.setattr(aws, "bedrock", lambda _: Bedrock())
    world.configure("tryiton")
    world.at.moment = datetime(2026, 11, 26, 12, tzinfo=UTC)
    published()
    watch_models.watch_models(world.at)
    sweep(world.at)
    day = published()
    for starts in ([finished()], [failed("content_blocked", "yes")]):
        vendor.starts = list(starts)
        world.run(world.submit(provider="tryiton").job.id)
    vendor.starts, vendor.polls = [pending("v-1")], [pending("v-1")]
    sent = world.prepared(provider="tryiton")
    world.start(sent)
    world.cancel(sent)
    day += published()
    assert {datum.name for datum in day} >= {
        "JobSucceeded",
        "JobFailed",
        "JobCancelled",
        "QueueTime",
        "ProviderLatency",
    }
    assert [name for name, alarm in alarms(prod).items() if rings(alarm, day, day, day)] == []


def test_the_sandbox_rings_no_alarm_whatever_its_client_asks_for(
    prod: Synthesized, world: World, vendor: Vendor, published: Callable[[], Period]
) -> None:
    world.configure("tryiton")
    published()
    for outcome in (failed("internal", "unknown"), failed("provider_auth")):
        vendor.starts = [outcome]
        world.run(world.submit(mode="test").job.id)
    world.run(world.submit(provider="sandbox", fallback=["tryiton"]).job.id)
    told = published()
    assert {datum.name for datum in told} == {"AttemptFailed"}
    assert [name for name, alarm in alarms(prod).items() if rings(alarm, told) and name != "SweepAbsent"] == []


def test_the_refusals_of_each_function_ring_one_alarm(every: Synthesized) -> None:
    watched: Counter[str] = Counter()
    for alarm in alarms(every).values():
        stats = [each["MetricStat"] for each in alarm.get("Metrics", []) if "MetricStat" in each]
        assert len(stats) <= 10, "CloudWatch takes no more in one alarm"
        of_lambda = [each["Metric"] for each in stats if each["Metric"]["MetricName"] == "Throttles"]
        watched.update(each["Dimensions"][0]["Value"] for each in of_lambda)
    assert watched == Counter(f"${{{name}}}" for name in every.service.of("AWS::Lambda::Function"))


def test_a_webhook_that_waits_on_purpose_rings_nothing(prod: Synthesized) -> None:
    assert alarms(prod)["WebhooksWait"]["Threshold"] >= 2 * notify.QUEUE_SECONDS


def test_what_the_alarms_cost_is_counted(prod: Synthesized) -> None:
    read = sum(len([m for m in alarm.get("Metrics", [{}]) if "Expression" not in m]) for alarm in alarms(prod).values())
    assert f"{read * 0.1:.2f} USD, and 0.10 USD" in re.sub(r"\s+", " ", OPERATIONS)


def test_every_alarm_has_a_row_that_says_what_to_do(every: Synthesized) -> None:
    rows = re.findall(r"^\| `([\w-]+)` \|[^|]+\|([^|]+)\|$", OPERATIONS, re.MULTILINE)
    todo = dict(rows)
    for name in alarms(every):
        assert len(todo[re.sub(r"-.*", "-PROVIDER", name)].split()) >= 4, name


def test_alarms_are_sent_to_one_topic_which_has_a_subscriber_if_the_stage_names_an_address(
    dev: Synthesized, prod: Synthesized
) -> None:
    topic, _ = prod.service.one("AWS::SNS::Topic")
    for alarm in alarms(prod).values():
        assert alarm["AlarmActions"] == alarm["OKActions"] == [f"${{{topic}}}"]
    _, subscription = prod.service.one("AWS::SNS::Subscription")
    assert (subscription["Protocol"], subscription["Endpoint"]) == ("email", "ops@example.com")
    _, policy = prod.service.one("AWS::SNS::TopicPolicy")
    [sender] = [each for each in policy["PolicyDocument"]["Statement"] if each["Effect"] == "Allow"]
    assert sender["Principal"] == {"Service": "cloudwatch.amazonaws.com"}
    assert sender["Condition"] == {"StringEquals": {"aws:SourceAccount": "${AWS::AccountId}"}}, "of this account"
    for kind in (
        "AWS::CloudWatch::Alarm",
        "AWS::SNS::Topic",
        "AWS::CloudWatch::Dashboard",
        "AWS::Logs::QueryDefinition",
    ):
        assert not dev.service.of(kind), "the local cloud has none of these"


def test_a_team_s_stage_has_alarms_without_an_address_too() -> None:
    plain = StageConfig.from_context({"stage": "prod"})
    assert (plain.alarms, plain.alarm_email) == (True, None)


def test_stages_in_one_account_do_not_ring_one_another_s_alarms(dev: Synthesized, prod: Synthesized) -> None:
    def namespaces(stage: Synthesized) -> set[str]:
        return {f["Environment"]["Variables"]["POWERTOOLS_METRICS_NAMESPACE"] for f in stage.functions().values()}

    assert (namespaces(dev), namespaces(prod)) == ({"FittingRoom/dev"}, {"FittingRoom/prod"})


def test_the_dashboard_and_the_queries_have_names_and_are_in_the_document(prod: Synthesized) -> None:
    _, dashboard = prod.service.one("AWS::CloudWatch::Dashboard")
    assert dashboard["DashboardName"] == "FittingRoom-prod"
    for name in ("JobFailed", "QueueTime", "ProviderLatency", "Spend", "5xx", "SweepHeartbeat"):
        assert name in str(dashboard["DashboardBody"]), name
    graphs = [each["properties"] for each in json.loads(dashboard["DashboardBody"])["widgets"]]
    [[[spend]]] = [graph["metrics"] for graph in graphs if graph["title"].startswith("USD an hour")]
    assert spend["expression"].endswith("MetricName=\"Spend\"', 'Sum', 3600)") and spend["period"] == 3600
    names = {query["Name"] for query in prod.service.of("AWS::Logs::QueryDefinition").values()}
    assert len(names) == 5
    for name in names:
        assert f"`{name.removeprefix('FittingRoom-prod/')}`" in OPERATIONS


def test_the_queries_find_what_the_functions_and_the_gateway_log(prod: Synthesized) -> None:
    queries = prod.service.of("AWS::Logs::QueryDefinition").values()
    found = {each["Name"].removeprefix("FittingRoom-prod/"): each["QueryString"].split("\n| ") for each in queries}
    assert 'filter level in ["ERROR", "WARNING"]' in found["Errors and warnings"]
    fields, wanted, _ = found["Answers 5xx of the API"]
    assert wanted == "filter status >= 500"
    _, gateway = prod.service.one("AWS::ApiGatewayV2::Stage")
    logged = json.loads(gateway["AccessLogSettings"]["Format"])
    assert set(fields.removeprefix("fields ").split(", ")) == logged.keys()
    assert logged["integrationError"] == "$context.integrationErrorMessage"
    told = {each["Environment"]["Variables"]["POWERTOOLS_LOG_LEVEL"] for each in prod.functions().values()}
    assert told == {"INFO"}, "`job settled`, which says why jobs fail, is logged at that level"
