"""Compare cold paths (import and first invocation) of each function with a floor.

The floor makes the same kind of calls with the libraries that the function cannot do without. Both run
in turn, in fresh processes, and are measured in CPU time, so that a busy machine does not blur it.

AWS is moto in this process, behind a small server, so that its work is not counted. Run by `make bench`.
It prints ratios of medians; the budget is 1.25 (docs/decisions.md). Arguments: names of functions; none: all.
"""

from __future__ import annotations

import json
import os
import re
import resource
import statistics
import subprocess
import sys
import threading
import urllib.parse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from unittest import mock

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "lambdas")]

import pytest  # noqa: E402
from botocore.awsrequest import AWSPreparedRequest, HTTPHeaders  # noqa: E402
from moto.core.botocore_stubber import BotocoreStubber  # noqa: E402

from fitting_room.jobs.outcome import Pending  # noqa: E402
from tests.integration.conftest import DEPLOYMENT, ENVIRONMENT, deployed  # noqa: E402
from tests.integration.world import INBOX, LIVE_KEY, TENANT, Vendor, World, finished, picture  # noqa: E402

DEPLOYMENT |= {"private_access": ["nova_canvas"], "daily_images": 1_000_000, "daily_usd": 1_000_000}
ENVIRONMENT["DEPLOYMENT"] = json.dumps(
    DEPLOYMENT
)  # of the world that makes the events; the functions are told theirs below
MEASURED = os.environ.get("LAMBDAS", str(ROOT / "lambdas"))
ROUNDS = int(os.environ.get("ROUNDS", "9"))
EVENTS: dict[str, Callable[[World], Any]] = {}


def function(scene: Callable[[World], Any]) -> Callable[[World], Any]:
    EVENTS[scene.__name__.replace("__", ".")] = scene
    return scene


def http(method: str, path: str, body: Any = None, **more: Any) -> dict[str, Any]:
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": "",
        "headers": {"authorization": f"Bearer {LIVE_KEY}", "content-type": "application/json"},
        "requestContext": {
            "http": {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1", "userAgent": "x"},
            **dict.fromkeys(("requestId", "apiId", "accountId"), "r"),
            "stage": "$default",
            "routeKey": "$default",
        },
        "isBase64Encoded": False,
        "body": json.dumps(body),
        **more,
    }


@function
def http__api(world: World) -> Any:
    """A try-on from uploads: the files are looked for in S3, the job is stored and started."""
    named = [{"upload": world.upload(name)} for name in ("person", "garment")]
    body = {"task": "try_on", "person": named[0], "garments": [{"image": named[1], "category": "tops"}]}
    return http("POST", "/v1/jobs", {**body, "provider": "tryiton"})


@function
def job__prepare(world: World) -> Any:
    return {"job_id": world.submit(provider="tryiton").job.id}


@function
def job__start_bedrock(world: World) -> Any:
    return {"job_id": world.prepared(provider="nova_canvas")}


@function
def job__start_http(world: World) -> Any:
    world.at.sleep(5)  # past the slot of the one before
    return {"job_id": world.prepared(provider="tryiton")}


@function
def job__poll(world: World) -> Any:
    return {"job_id": _started(world, Pending("vendor-1"))}


@function
def job__wait(world: World) -> Any:
    return {"job_id": _started(world, Pending("vendor-1")), "task_token": "t" * 100}


@function
def job__collect(world: World) -> Any:
    return {"job_id": _started(world, finished())}


@function
def job__settle(world: World) -> Any:
    return {"job_id": world.submit(provider="tryiton").job.id}


@function
def http__callback(world: World) -> Any:
    return http("POST", "/v1/callbacks/fashn/x", pathParameters={"provider": "fashn", "token": "x" * 43})


@function
def event__ingest(world: World) -> Any:
    keys = [world.put(f"{name}.png", picture(200, 300), folder=f"drop/{TENANT}/a") for name in ("person", "garment")]
    detail = {"detail": {"object": {"key": keys[0]}, "bucket": {"name": INBOX}}}
    return {"Records": [{"messageId": "m", "body": json.dumps(detail), "eventSource": "aws:sqs"}]}


@function
def event__erase(world: World) -> Any:
    return {"job_id": world.submit(provider="tryiton").job.id}


@function
def event__notify(world: World) -> Any:
    job_id = world.submit(provider="tryiton").job.id
    return {"Records": [{"messageId": "m", "body": json.dumps({"job_id": job_id}), "eventSource": "aws:sqs"}]}


@function
def schedule__sweep(world: World) -> Any:
    return {}


@function
def schedule__watch_models(world: World) -> Any:
    return {}


def _started(world: World, outcome: Any) -> str:
    job_id, vendor = world.prepared(provider="tryiton"), Vendor(starts=[outcome])
    with mock.patch("fitting_room.actions.workflow.attempts.adapter", lambda _: vendor):
        while (said := world.start(job_id))["outcome"] == "busy":  # the provider's rate
            world.at.sleep(said["wait"])
    assert said["outcome"] in ("pending", "finished"), said
    return job_id


CORE = """
import json, os
import boto3
from typing import Annotated
from botocore.config import Config
from pydantic import BaseModel, Field, field_validator
from aws_lambda_powertools.logging import Logger
from aws_lambda_powertools.metrics import Metrics
class Smallest(BaseModel):  # pydantic loads its parts when the first model is made
    text: Annotated[str, Field(max_length=1)] = ""
    @field_validator("text")
    def check(cls, text): return text
table = boto3.resource("dynamodb").Table(os.environ["TABLE"])
"""
ONE_READ = """
def work():
    table.get_item(Key={"pk": "TENANTS", "sk": "acme"})
    return {"text": Smallest(text="x").text}
"""
S3 = 's3 = boto3.client("s3", config=Config(signature_version="s3v4"))\n'
OBJECTS = """
bucket = os.environ["MEDIA_BUCKET"]
s3.put_object(Bucket=bucket, Key="floor", Body=b"x")
"""
PILLOW = """
import io, PIL.Image, PIL.ImageCms
made = io.BytesIO()
PIL.Image.new("RGB", (360, 540)).save(made, "PNG")
"""
VENDOR = 'import httpx, urllib3\nhttpx.Client()\nsecrets = boto3.client("secretsmanager")\n'
MACHINES = 'machines = boto3.client("stepfunctions")\n'
INVOKED = "work()\n"
FLOORS = {
    "http.api": S3
    + MACHINES
    + """
from aws_lambda_powertools.event_handler import APIGatewayHttpResolver
app = APIGatewayHttpResolver()
@app.post("/v1/jobs")
def route(): return work()
app.resolve(json.loads(os.environ["EVENT"]), None)
""",
    "job.prepare": S3 + OBJECTS + PILLOW + "import urllib3\n" + INVOKED,
    "job.start_bedrock": S3 + OBJECTS + "import urllib3\nboto3.client('bedrock-runtime')\n" + INVOKED,
    "job.start_http": S3 + OBJECTS + VENDOR + INVOKED,
    "job.poll": S3 + VENDOR + INVOKED,
    "job.wait": INVOKED,
    "job.collect": S3 + OBJECTS + PILLOW + INVOKED,
    "job.settle": S3 + INVOKED,
    "http.callback": MACHINES + INVOKED,
    "event.ingest": S3 + MACHINES + "from aws_lambda_powertools.utilities.batch import BatchProcessor\n" + INVOKED,
    "event.erase": S3 + INVOKED,
    "event.notify": "import urllib3\n" + INVOKED,
    "schedule.sweep": MACHINES + INVOKED,
    "schedule.watch_models": "boto3.client('bedrock')\n" + INVOKED,
}
INVOKE = """
import json, os, sys, time
from types import SimpleNamespace
from functions.{name}.handler import handler
began = time.process_time()
context = SimpleNamespace(function_name="f", memory_limit_in_mb=512, aws_request_id="r", invoked_function_arn="a",
                          get_remaining_time_in_millis=lambda: 120_000)
handler(json.loads(os.environ["EVENT"]), context)
print(time.process_time() - began, file=sys.stderr)
"""

END = """
import os, sys
sys.stdout.flush(), sys.stderr.flush()
os._exit(0)  # what an interpreter does at its end is no part of a cold start
"""


class Aws(BaseHTTPRequestHandler):
    """Hands each request to moto. A service that moto does not know here answers with an error, and so does a provider."""

    protocol_version = "HTTP/1.1"

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        scope = re.search(r"Credential=[^/]+/\d+/([^/]+)/([^/]+)/", self.headers.get("Authorization", ""))
        answer: str | bytes
        status, headers, answer = 400, dict[str, str](), '{"message": "not here"}'
        if "/foundation-models/" in self.path:
            status, answer = 200, '{"modelDetails": {"modelId": "x", "modelLifecycle": {"status": "ACTIVE"}}}'
        if scope and scope[2] != "bedrock":
            sent = dict(self.headers.items()) | {"Host": f"{scope[2]}.{scope[1]}.amazonaws.com"}
            url = f"https://{scope[2]}.{scope[1]}.amazonaws.com{self.path}"
            asked = AWSPreparedRequest(self.command, url, HTTPHeaders.from_dict(sent), body, False)
            found = BotocoreStubber().process_request(asked)
            status, headers, answer = found or (404, {}, "")
        data = answer.encode() if isinstance(answer, str) else answer
        self.send_response(status)
        for name, value in {**headers, "Content-Length": len(data)}.items():
            if name.lower() != "content-length" or name == "Content-Length":
                self.send_header(name, str(value))
        self.end_headers()
        self.wfile.write(b"" if self.command == "HEAD" else data)

    do_GET = do_POST = do_PUT = do_HEAD = do_DELETE = _answer  # noqa: N815

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def cloud() -> Iterator[tuple[World, str]]:
    with pytest.MonkeyPatch.context() as patch, deployed(patch) as world:
        world.configure("tryiton")
        server = ThreadingHTTPServer(("127.0.0.1", 0), Aws)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield world, f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


def run(code: str, url: str, event: Any = None) -> tuple[float, str]:
    """CPU seconds of a fresh process, and what it says on stderr."""
    environment = {
        **os.environ,
        **ENVIRONMENT,
        "PYTHONPATH": MEASURED,
        "PYTHONWARNINGS": "ignore",
        "AWS_LAMBDA_FUNCTION_NAME": "f",
        "AWS_ENDPOINT_URL": url,
        "DEPLOYMENT": json.dumps(
            DEPLOYMENT | {"endpoints": {"tryiton": url}, "fetch_allow": [urllib.parse.urlsplit(url).netloc]}
        ),
        "EVENT": json.dumps(event),
    }
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-c", code + END]
    done = subprocess.run(command, env=environment, cwd="/", capture_output=True, text=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    crashed = next((line for line in done.stdout.splitlines() if '"crashed"' in line), "")
    if done.returncode or crashed:
        sys.exit(f"{done.stderr[-2000:]}\n{crashed}")
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, done.stderr


def main() -> None:
    print(f"import and first invocation, CPU ms, medians of {ROUNDS}, less the interpreter; the invocation alone")
    print(f"{'function':22} {'floor':>6} {'function':>9} {'ratio':>6} {'invoked':>8}")
    with cloud() as (world, url):
        bare = statistics.median(run("pass", url)[0] for _ in range(ROUNDS))
        for name in sys.argv[1:] or FLOORS:
            floors, totals, invoked = [], [], []
            for _ in range(ROUNDS):
                world.at.moment = datetime.now(UTC)
                event = EVENTS[name](world)
                floors.append(run(CORE + ONE_READ + FLOORS[name], url, event)[0])
                total, said = run(INVOKE.format(name=name), url, event)
                totals.append(total)
                invoked.append(float(said.splitlines()[-1]))
            low, high, own = (statistics.median(column) * 1000 for column in (floors, totals, invoked))
            low, high = low - bare * 1000, high - bare * 1000
            print(f"{name:22} {low:6.0f} {high:9.0f} {high / low:6.2f} {own:8.0f}", flush=True)


if __name__ == "__main__":
    main()
