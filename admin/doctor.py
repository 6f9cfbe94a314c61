"""Check an account and a stage before the first job, and whenever something is wrong."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from typing import Any

import httpx
from botocore.exceptions import BotoCoreError, ClientError, CredentialRetrievalError, NoCredentialsError, SSOError

from admin.checks import Answer, Check, ok, told, unknown, wrong
from admin.command import Group, Said, common
from admin.stage import AdminError, Stage
from fitting_room.actions.requests.context import deployment
from fitting_room.actions.workflow.attempts import connect
from fitting_room.jobs.errors import JobFailure
from fitting_room.providers.base import CatalogueEntry, Model
from fitting_room.providers.catalogue import entries
from fitting_room.settings import DeploymentSettings, settings
from fitting_room.stores import aws, provider_keys

ENOUGH_EXECUTIONS = 100
"""Concurrent executions below which a job waits for other jobs' functions."""
ENOUGH_TRANSITIONS = 500
"""State transitions a second below which the executions of busy stages are throttled."""
_DEFAULT_REGIONS = DeploymentSettings().bedrock_regions
_BOOTSTRAP = "CDKToolkit"
_SOUND = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE")


def add(nouns: Group) -> None:
    parser = nouns.add_parser(
        "doctor",
        help="check the account and the stage; exits with 1 if anything is wrong",
        description="Check the account and the stage. It buys nothing and changes nothing.",
        epilog="example:\n  python -m admin doctor --stage prod",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        parents=[common()],
    )
    parser.set_defaults(run=_run, outside=True)


def _run(stage: Stage, args: argparse.Namespace) -> Said:
    return told(checks(stage))


def checks(stage: Stage) -> Iterator[Check]:
    """Yield the questions, the account first; those about a stage only once it is there."""
    yield Check("credentials", lambda: _credentials(stage))
    yield Check("region", lambda: _region(stage))
    yield Check("bootstrap", lambda: _bootstrap(stage))
    yield Check("Lambda quota", lambda: _lambda_quota(stage))
    yield Check("Step Functions quota", lambda: _transitions(stage))
    for name in (stage.storage, stage.service):
        yield Check(f"stack {name}", lambda name=name: _stack(stage, name))  # type: ignore[misc]
    try:
        stage.enter()
    except (AdminError, BotoCoreError, ClientError) as error:
        answer = wrong(f"the rest was not checked: {error}", "repair that first, then run `doctor` again")
        yield Check("stage", lambda: answer)
        return
    yield Check("API", lambda: _api(stage))
    yield Check("callback address", lambda: _callback(stage))
    yield Check("sweep", lambda: _sweep(stage))
    yield Check("alarms", lambda: _alarms(stage))
    yield Check("dead letters", lambda: _dead_letters(stage))
    yield Check("providers", lambda: _providers(stage))
    for entry in entries():
        if entry.secret:
            yield Check(f"key of {entry.id}", lambda entry=entry: _secret(stage, entry))  # type: ignore[misc]
        for model in entry.models if entry.id in settings().deployment.bedrock_regions else ():
            yield Check(f"model {model.id}", lambda e=entry, m=model: _model(stage, e, m))  # type: ignore[misc]


def _credentials(stage: Stage) -> Answer:
    try:
        found = stage.client("sts").get_caller_identity()
    except ClientError as error:
        return wrong(f"AWS refuses them: {aws.reason(error)}", "log in again, or send another --profile")
    except (CredentialRetrievalError, NoCredentialsError, SSOError) as error:
        return wrong(str(error), "log in, send --profile NAME, or set AWS_PROFILE")
    return ok(f"account {found['Account']}, {found['Arn'].rpartition(':')[2]}")


def _region(stage: Stage) -> Answer:
    name = stage.session.region_name
    if name not in stage.session.get_available_regions("lambda"):
        return wrong(f"boto3 knows no region {name}", "send --region, or set AWS_REGION")
    return ok(str(name))


def _bootstrap(stage: Stage) -> Answer:
    status = _status(stage, _BOOTSTRAP)
    if status is None:
        return wrong("the CDK's stack is not there", "run `npx cdk bootstrap` in this account and region")
    return ok(status) if status in _SOUND else wrong(status, "run `npx cdk bootstrap` again")


def _stack(stage: Stage, name: str) -> Answer:
    status = _status(stage, name)
    deploy = f"run `npx cdk deploy --all -c stage={stage.name}`"
    if status is None:
        return wrong("it is not deployed in this account and region", f"{deploy}, or send another --region")
    if status.endswith("_IN_PROGRESS"):
        return unknown(f"{status}: a deployment is under way", "ask again when it is over")
    return (
        ok(status) if status in _SOUND else wrong(status, f"read the stack's events in CloudFormation, then {deploy}")
    )


def _status(stage: Stage, name: str) -> str | None:
    try:
        return str(stage.client("cloudformation").describe_stacks(StackName=name)["Stacks"][0]["StackStatus"])
    except ClientError as error:
        if "does not exist" not in str(error):
            raise
        return None


def _lambda_quota(stage: Stage) -> Answer:
    count = stage.client("lambda").get_account_settings()["AccountLimit"]["ConcurrentExecutions"]
    if count < ENOUGH_EXECUTIONS:
        return wrong(
            f"{count} concurrent executions: jobs are slow, because they wait for each other",
            "ask AWS to raise the quota `Concurrent executions` of Lambda to 1,000, then set `lambda_quota`",
        )
    return ok(f"{count} concurrent executions")


def _transitions(stage: Stage) -> Answer:
    """Find the quota by its name, because its code is not documented."""
    pages = stage.client("service-quotas").get_paginator("list_service_quotas").paginate(ServiceCode="states")
    found = [
        quota["Value"]
        for page in pages
        for quota in page["Quotas"]
        if re.search(r"StateTransition.*(rate|second)", quota["QuotaName"], re.IGNORECASE)
    ]
    if not found:
        return unknown("Service Quotas lists no quota of state transitions")
    if min(found) < ENOUGH_TRANSITIONS:
        return wrong(
            f"{min(found):g} state transitions a second: executions are slow when many jobs run at once",
            "ask AWS to raise the quota of state transitions of Step Functions",
        )
    return ok(f"{min(found):g} state transitions a second")


def _api(stage: Stage) -> Answer:
    try:
        answer = httpx.get(f"{stage.api}/v1/providers", timeout=30)
    except httpx.HTTPError as error:
        return wrong(
            f"{stage.api} cannot be reached ({type(error).__name__})",
            "with a `domain_name`, point its DNS record at the output `DomainTarget`; else look at your own network",
        )
    if answer.status_code == 401 and answer.headers.get("www-authenticate") == "Bearer":
        return ok(stage.api)
    return wrong(
        f"{stage.api} answers {answer.status_code} to a request without a key, not 401",
        "read the log of the function Api",
    )


def _callback(stage: Stage) -> Answer:
    """Expect our own function to answer 404 to an unknown address of a callback; such a call changes nothing."""
    told = settings().callback_url
    if not told:
        return ok("none: no provider is asked to call")
    address = stage.api if told == stage.outputs["ApiUrl"] else told.rstrip("/")
    try:
        answer = httpx.post(f"{address}/v1/callbacks/fashn/{'0' * 43}", json={}, timeout=30)
    except httpx.HTTPError as error:
        return wrong(f"{address} cannot be reached ({type(error).__name__})", _CALLBACK)
    if answer.status_code == 404 and "urn:fitting-room" in answer.text:
        return ok(address)
    return wrong(f"{address} answers {answer.status_code}, and not as the function Callback does", _CALLBACK)


_CALLBACK = (
    "set `callback_url` to an address that leads to the API, or leave it out, and deploy; until then jobs end later"
)


def _sweep(stage: Stage) -> Answer:
    """Check the rule that calls the sweep every minute."""
    for logical, physical in stage.resources.get("AWS::Events::Rule", []):
        if "Minute" in logical or "Sweep" in logical:
            name = physical.rpartition("/")[2]
            state = stage.client("events").describe_rule(Name=name)["State"]
            return ok("every minute") if state == "ENABLED" else wrong(f"its rule {name} is {state}", "enable the rule")
    return unknown(f"{stage.service} has no rule that calls it")


def _alarms(stage: Stage) -> Answer:
    pages = stage.client("cloudwatch").get_paginator("describe_alarms").paginate(AlarmNamePrefix=stage.service)
    alarms = [alarm for page in pages for alarm in page["MetricAlarms"]]
    if not alarms:
        say = "deploy with `alarms` and `alarm_email`"
        return wrong("there are none", say) if stage.name == "prod" else ok(f"none in this stage; to have them, {say}")
    if silent := [alarm["AlarmName"] for alarm in alarms if not (alarm["ActionsEnabled"] and alarm["AlarmActions"])]:
        return wrong(f"{len(silent)} of {len(alarms)} tell nobody, such as {silent[0]}", "deploy with `alarm_email`")
    topics = {action for alarm in alarms for action in alarm["AlarmActions"]}
    for topic in topics:
        found = stage.client("sns").list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
        if not any(each["SubscriptionArn"].startswith("arn:") for each in found):
            return wrong(
                "nobody is subscribed to them", "set `alarm_email`, and open the link in the mail that AWS sends"
            )
    ringing = [alarm["AlarmDescription"] for alarm in alarms if alarm["StateValue"] == "ALARM"]
    if ringing:
        return wrong("; ".join(ringing), "see the table of alarms in docs/operations.md")
    return ok(f"{len(alarms)}, and none rings")


def _dead_letters(stage: Stage) -> Answer:
    asked: dict[str, Any] = {"QueueUrl": stage.outputs["DeadLettersUrl"], "AttributeNames": ["All"]}
    count = int(stage.client("sqs").get_queue_attributes(**asked)["Attributes"]["ApproximateNumberOfMessages"])
    return wrong(f"{count}", "look with `dead-letters list`, then `dead-letters replay`") if count else ok("none")


def _providers(stage: Stage) -> Answer:
    here = deployment(stage.at)
    live = [
        entry.id
        for entry in here.entries
        if entry.live and here.usable(entry) and entry.id not in here.paused
        if any(here.offers(entry, model) and not here.retired(entry, model) for model in entry.models)
    ]
    resting = f"; paused: {', '.join(sorted(here.paused))}" if here.paused else ""
    if not live:
        return wrong(f"no provider can be used but the sandbox{resting}", "store a key with `provider set`")
    return ok(", ".join(live) + resting)


def _secret(stage: Stage, entry: CatalogueEntry) -> Answer:
    configured, fix = entry.id in provider_keys.configured.fresh(stage.at), f"run `provider set {entry.id} < key.txt`"
    try:
        connect(entry, stage.at, provider_keys.secret.fresh(entry.id, stage.at))
    except JobFailure as failure:
        return wrong(failure.fault.detail, fix) if configured else ok("none; the provider is off")
    except ClientError as error:
        if aws.reason(error) != "ResourceNotFoundException":
            raise
        return wrong("the provider is offered, but its secret is empty", fix) if configured else ok("none; it is off")
    return ok("stored, with the right shape") if configured else wrong("stored, but the provider is not offered", fix)


def _model(stage: Stage, entry: CatalogueEntry, model: Model) -> Answer:
    """Ask Bedrock, for free, whether it lives and whether this account may call it.

    No operator chose the model that only the default setting names: it may end, and is then offered to nobody.
    """
    if deployment(stage.at).retired(entry, model) and settings().deployment.bedrock_regions == _DEFAULT_REGIONS:
        return ok("it has ended, and no job uses it; only the default of `bedrock_regions` names it")
    region, here = (
        settings().deployment.bedrock_regions[entry.id],
        stage.function("WatchModels")["Environment"]["Variables"],
    )
    bedrock = stage.client("bedrock", region_name=region, endpoint_url=here.get("AWS_ENDPOINT_URL_BEDROCK"))
    leave = f"set `bedrock_regions` without {entry.id}, or declare `private_access`"
    try:
        life = bedrock.get_foundation_model(modelIdentifier=model.foundation)["modelDetails"]["modelLifecycle"]
    except ClientError as error:
        if aws.reason(error) not in ("ResourceNotFoundException", "ValidationException"):
            raise
        return wrong(f"Bedrock does not know it in {region}", leave)
    end = life.get("endOfLifeTime")
    ends = f"{life['status']}{f', ends {end:%Y-%m-%d}' if end else ''}"
    if end and end <= stage.at.now() and entry.id not in settings().deployment.private_access:
        return wrong(ends, leave)
    try:
        access = bedrock.get_foundation_model_availability(modelId=model.foundation)
    except ClientError as error:
        return unknown(f"{ends}; whether this account may call it is not told ({aws.reason(error)})")
    if access["authorizationStatus"] != "AUTHORIZED" or access["agreementAvailability"]["status"] != "AVAILABLE":
        return wrong(
            f"{ends}, but this account may not call it",
            "let an administrator who may use AWS Marketplace subscribe to it in the Bedrock console",
        )
    return ok(f"{ends}, and this account may call it")
