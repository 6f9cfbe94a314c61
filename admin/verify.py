"""Show, in a user's own account, what this product believes of AWS and no emulator can show. Nothing is bought."""

from __future__ import annotations

import argparse
import base64
import io
import re
import secrets
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

import httpx
from botocore.exceptions import ClientError
from PIL import Image, ImageDraw

from admin.checks import Answer, Check, ok, told, unknown, wrong
from admin.command import Group, Said, common
from admin.stage import AdminError, Stage
from fitting_room import clock
from fitting_room.jobs.job import folder_of
from fitting_room.providers.catalogue import entries
from fitting_room.settings import settings
from fitting_room.stores import api_keys, aws, tenants

TENANT = "verify"
"""The tenant of the one sandbox job; it has no key but while `verify` runs."""
SKEW_SECONDS = 2
_WAIT = 90


def add(nouns: Group) -> None:
    parser = nouns.add_parser(
        "verify",
        help="check in your account what docs/operations.md assumes about AWS; exits with 1 if anything is wrong",
        description="Check in your account what docs/operations.md assumes about AWS. It runs one sandbox job, which is"
        " free, and costs less than a cent of AWS. `unknown` means that the account does not show it.",
        epilog="example:\n  python -m admin verify --stage dev",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        parents=[common()],
    )
    parser.set_defaults(run=_run)


def _run(stage: Stage, args: argparse.Namespace) -> Said:
    tenants.create(TENANT, stage.at.now())
    key, stored = api_keys.create(TENANT, "test", "verify", frozenset(api_keys.SCOPES), stage.at.now())
    try:
        with httpx.Client(base_url=stage.api, headers={"Authorization": f"Bearer {key}"}, timeout=60) as http:
            return told(Trial(stage, http).checks())
    finally:
        api_keys.revoke(stored, stage.at.now())


class Trial:
    """One run of all checks: some look at the job that the first of them runs."""

    def __init__(self, stage: Stage, http: httpx.Client) -> None:
        self.stage, self.http = stage, http

    def checks(self) -> Iterator[Check]:
        """Yield one for each row of the table in docs/operations.md, in its order."""
        yield Check("a function ends at its timeout", self._timeouts)
        yield Check("clocks of functions agree", self._clocks)
        yield Check("throttled tasks are repeated with full jitter", self._retries)
        yield Check("the sweep finds what an event did not tell", self._never_shown)
        yield Check("an execution's name stays taken", self._names)
        yield Check("S3 enforces size and type of a form upload", self._forms)
        yield Check("a missing object answers 404", self._missing)
        yield Check("lifecycle rules act at midnight UTC", self._lifecycles)
        yield Check("SQS serves the other tenants before a slow one", self._fair_queues)
        yield Check("IAM knows the partition keys of every request to the table", self._leading_keys)
        yield Check("colliding transactions are told as TransactionConflict", self._conflicts)
        yield Check("bodies that are too large are refused by the gateway", self._bodies)
        yield Check("a function's own address lets everybody in", self._function_url)
        yield Check("inference profiles may be called in each region", self._profiles)
        yield Check("Bedrock's errors read as documented", self._bedrock_errors)
        yield Check("a secret keeps the version before", self._versions)
        yield Check("a vended log group needs no policy", self._logs)

    @cached_property
    def job(self) -> dict[str, Any]:
        """A sandbox job from beginning to end."""
        image = {"data": f"data:image/png;base64,{_picture()}"}
        body = {"task": "try_on", "person": image, "garments": [{"image": image, "category": "tops"}]}
        made = self.http.post("/v1/jobs", json=body).raise_for_status().json()
        end = time.monotonic() + _WAIT
        while made["step"] != "done":
            if time.monotonic() > end:
                raise AdminError(f"the sandbox job {made['id']} did not end in {_WAIT} s: run `doctor`")
            time.sleep(1)
            made = self.http.get(f"/v1/jobs/{made['id']}").raise_for_status().json()
        return dict(made)

    def _timeouts(self) -> Answer:
        """Compare the longest run of each function in two weeks with its timeout."""
        cloudwatch, now, seen = self.stage.client("cloudwatch"), datetime.now(UTC), 0
        for _, name in self.stage.resources["AWS::Lambda::Function"]:
            limit = self.stage.client("lambda").get_function_configuration(FunctionName=name)["Timeout"]
            points = cloudwatch.get_metric_statistics(
                Namespace="AWS/Lambda",
                MetricName="Duration",
                Dimensions=[{"Name": "FunctionName", "Value": name}],
                StartTime=now - timedelta(days=14),
                EndTime=now,
                Period=86400,
                Statistics=["Maximum"],
            )["Datapoints"]
            longest = max((point["Maximum"] for point in points), default=0.0)
            seen += bool(points)
            if longest > (limit + 1) * 1000:
                return wrong(f"{name} ran for {longest / 1000:.1f} s; its timeout is {limit} s", _REPORT)
        return ok(f"of {seen} functions that ran in two weeks") if seen else unknown("no function has metrics yet")

    def _clocks(self) -> Answer:
        """Compare each step's own time with the times at which Step Functions began and ended the run."""
        history = self._history(self.job["id"])
        began, ended = history[0]["timestamp"], history[-1]["timestamp"]
        off = 0.0
        for entry in self.job["timeline"][1:]:
            at = clock.parse(entry["at"])
            off = max(off, (began - at).total_seconds(), (at - ended).total_seconds())
        if off > SKEW_SECONDS:
            return wrong(f"a function's clock is {off:.1f} s away from that of Step Functions", _REPORT)
        return ok(f"at most {max(off, 0):.1f} s apart in one job")

    def _history(self, name: str) -> list[dict[str, Any]]:
        arn = settings().job_machine_arn.replace(":stateMachine:", ":execution:") + f":{name}"
        pages = self.stage.client("stepfunctions").get_paginator("get_execution_history").paginate(executionArn=arn)
        return [event for page in pages for event in page["events"]]

    def _retries(self) -> Answer:
        """Look for the rule in the deployed definition; only load can show that AWS obeys it."""
        machine = self.stage.client("stepfunctions").describe_state_machine(stateMachineArn=settings().job_machine_arn)
        if '"JitterStrategy":"FULL"' not in re.sub(r"\s", "", machine["definition"]):
            return wrong("the deployed machine has no such rule", "deploy this version of the app")
        return unknown("the deployed machine has the rule; that it is obeyed shows only when tasks are throttled")

    def _never_shown(self) -> Answer:
        return unknown("a lost event cannot be brought about; the sweep's rule is looked at by `doctor`")

    def _names(self) -> Answer:
        try:
            aws.step_functions().start_execution(
                stateMachineArn=settings().job_machine_arn, name=self.job["id"], input='{"verify": true}'
            )
        except aws.step_functions().exceptions.ExecutionAlreadyExists:
            return ok("right after its end; 90 days cannot be waited for")
        return wrong("the name of an execution that has ended could be used again", _REPORT)

    def _forms(self) -> Answer:
        form = self.http.post("/v1/uploads", json={"content_type": "image/png", "bytes": 100}).raise_for_status().json()
        url, fields = form["post"]["url"], form["post"]["fields"]
        larger = httpx.post(url, data=fields, files={"file": ("a.png", b"\0" * 5000, "image/png")})
        other = httpx.post(url, data={**fields, "Content-Type": "text/html"}, files={"file": ("a", b"\0" * 100)})
        if larger.status_code < 400 or other.status_code < 400:
            what = "a larger file" if larger.status_code < 400 else "another type"
            return wrong(f"S3 took {what}", _REPORT)
        return ok(f"S3 answers {larger.status_code} and {other.status_code}")

    def _missing(self) -> Answer:
        upload = (
            self.http.post("/v1/uploads", json={"content_type": "image/png", "bytes": 100}).raise_for_status().json()
        )
        image = {"upload": upload["id"]}
        body = {"task": "try_on", "person": image, "garments": [{"image": image, "category": "tops"}]}
        answer = self.http.post("/v1/jobs", json=body)
        if answer.status_code == 422 and answer.json()["code"] == "upload_missing":
            return ok("the API tells a missing upload from a fault")
        return wrong(f"the API answers {answer.status_code} for an upload that never came", _REPORT)

    def _lifecycles(self) -> Answer:
        prefix = f"results/{folder_of(TENANT, 'test')}/{self.job['id']}/"
        listed = aws.s3().list_objects_v2(Bucket=settings().media_bucket, Prefix=prefix).get("Contents", [])
        if not listed:
            return unknown("the job's result is not in the bucket")
        expires = aws.s3().head_object(Bucket=settings().media_bucket, Key=listed[0]["Key"]).get("Expiration", "")
        found = re.search(r'expiry-date="([^"]+)"', expires)
        if not found:
            return unknown("S3 does not say when a result expires")
        if " 00:00:00 GMT" not in found[1]:
            return wrong(f"S3 says {found[1]}", _REPORT)
        return ok(found[1])

    def _fair_queues(self) -> Answer:
        return unknown("the order shows only when the webhooks of many tenants wait")

    def _leading_keys(self) -> Answer:
        """Let the functions of a job read and write rows, in transactions too: their policies name the keys."""
        if self.job["status"] != "succeeded":
            return unknown(f"the sandbox job {self.job['id']} ended {self.job['status']}")
        return ok("the functions of one job reached their rows, in transactions too")

    def _conflicts(self) -> Answer:
        """Let transactions meet on one item of their own, until one is refused."""
        key, table = {"pk": f"VERIFY#{secrets.token_hex(8)}", "sk": "VERIFY"}, aws.table()
        item: Any = {
            "Update": {
                "TableName": table.name,
                "Key": key,
                "UpdateExpression": "ADD #n :one",
                "ExpressionAttributeNames": {"#n": "n"},
                "ExpressionAttributeValues": {":one": 1},
            }
        }
        client = table.meta.client

        def collide(_: int) -> str | None:
            try:
                client.transact_write_items(TransactItems=[item])
            except client.exceptions.TransactionCanceledException as error:
                return str(error.response["CancellationReasons"][0]["Code"])
            except ClientError as error:
                return aws.reason(error)
            return None

        try:
            with ThreadPoolExecutor(16) as pool:
                codes = {code for code in pool.map(collide, range(200)) if code}
        finally:
            table.delete_item(Key=key)
        if not codes:
            return unknown("200 transactions on one item did not meet")
        if codes <= {"TransactionConflict", "ThrottlingError", "TransactionInProgressException"}:
            return ok(", ".join(sorted(codes)))
        return wrong(f"DynamoDB says {', '.join(sorted(codes))}", _REPORT)

    def _bodies(self) -> Answer:
        said = []
        for size in (7_000_000, 11_000_000):
            answer = self.http.post("/v1/jobs", content=b'"' + b"x" * size + b'"', headers=_JSON)
            if answer.status_code < 400:
                return wrong(f"a body of {size:,} bytes was taken", _REPORT)
            own = "our" if "urn:fitting-room" in answer.text else "AWS's"
            said.append(f"{size // 1_000_000} MB: {answer.status_code} in {own} words")
        return ok("; ".join(said)) if "AWS's" in said[-1] else unknown("; ".join(said))

    def _function_url(self) -> Answer:
        """Call the Bedrock dialect without a key: the refusal must be the function's own."""
        if "BedrockDialectUrl" not in self.stage.outputs:
            return unknown("the stage has no such address: `bedrock_dialect` is off")
        if self.stage.address:
            return unknown("the address of AWS is not reached from here")
        answer = httpx.post(f"{self.stage.outputs['BedrockDialectUrl']}model/a%3A0/invoke", timeout=60)
        if answer.headers.get("x-amzn-errortype") == "AccessDeniedException" and "API key" in answer.text:
            return ok("refused by the function, for want of a key")
        return wrong(f"it answered {answer.status_code}, not in the function's words", "Look at its resource policy.")

    def _profiles(self) -> Answer:
        used = [
            (model, settings().deployment.bedrock_regions[entry.id])
            for entry in entries()
            if entry.id in settings().deployment.bedrock_regions
            for model in entry.models
            if model.inference_regions
        ]
        if not used:
            return unknown("this stage uses no inference profile")
        function = self.stage.function("StartBedrock")
        account = function["FunctionArn"].split(":")[4]
        arns = [f"arn:aws:bedrock:{region}:{account}:inference-profile/{model.id}" for model, region in used]
        arns += [
            f"arn:aws:bedrock:{region}::foundation-model/{model.foundation}"
            for model, _ in used
            for region in model.inference_regions
        ]
        results = self.stage.client("iam").simulate_principal_policy(
            PolicySourceArn=function["Role"], ActionNames=["bedrock:InvokeModel"], ResourceArns=arns
        )["EvaluationResults"]
        told = [each for result in results for each in result.get("ResourceSpecificResults", []) or [result]]
        refused = [
            each for each in told if "allowed" not in str(each.get("EvalResourceDecision", each.get("EvalDecision")))
        ]
        if refused:
            return wrong(
                f"{len(refused)} of {len(arns)} are denied", "deploy this version of the app; ask for the SCPs"
            )
        return ok(f"the role may call {len(arns)} resources; whether fewer would do shows only in a paid call")

    def _bedrock_errors(self) -> Answer:
        return unknown("errors of a model are shown only by calls that may be billed")

    def _versions(self) -> Answer:
        kept = []
        for provider, secret in settings().provider_secrets.items():
            found = self.stage.client("secretsmanager").list_secret_version_ids(SecretId=secret)["Versions"]
            stages = {name for version in found for name in version.get("VersionStages", [])}
            kept += [provider] if "AWSPREVIOUS" in stages else []
        return ok(f"of {', '.join(kept)}") if kept else unknown("no provider's key was changed yet")

    def _logs(self) -> Answer:
        name = f"/aws/vendedlogs/states/fitting-room-{self.stage.name}-job"
        _ = self.job
        groups = self.stage.client("logs").describe_log_groups(logGroupNamePrefix=name)["logGroups"]
        if not groups:
            return wrong(f"there is no log group {name}", "deploy this version of the app")
        streams = self.stage.client("logs").describe_log_streams(logGroupName=groups[0]["logGroupName"], limit=1)
        if streams["logStreams"]:
            return ok("the machine writes to it")
        return unknown("the group is there; nothing is written yet: run `verify` again in a minute")


_REPORT = "AWS does not behave as this version expects: report it, with this line"
_JSON = {"Content-Type": "application/json"}


def _picture() -> str:
    """Draw an image that the sandbox takes, as base64."""
    image = Image.new("RGB", (256, 384), "white")
    ImageDraw.Draw(image).ellipse((64, 96, 192, 288), fill="teal")
    file = io.BytesIO()
    image.save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()
