"""What AWS bills for one job of each kind: counted on the running local cloud, at list prices, beside the provider's price.

Run by `make cost` (needs `make up` and nothing else to do for that cloud). Every kind runs twice, and the second run counts:
its functions are warm. Counted: transitions, requests, write units, GB-seconds, log bytes, with the client's two uploads, its
looks as often as `Retry-After` says, and its download. Of the sweep only its requests are in. Assumed: see below.

The provider's seconds are set, the functions' own are this machine's: AWS takes others, most of all for images.
"""

from __future__ import annotations

import argparse
import json
import os
import threading
import time
import uuid
from base64 import b64encode
from collections.abc import Callable
from typing import Any, NamedTuple

import boto3
import httpx
from botocore.config import Config

from fitting_room.providers.catalogue import entry
from local.deploy import credentials
from local.emulator_control import EmulatorControl, Usage
from tests.bench import list_prices as usd
from tests.bench.client import SAMPLES, Client, Provider, endpoints

READ_UNITS = 2  # assumed of each DynamoDB read: a consistent one of an item of 4 to 8 KB
STATE_LOG_BYTES = (
    2000  # assumed for each transition: five events of the state machine's log, which the emulator does not write
)
S3_PUTS = ("PutObject", "PostObject", "CopyObject", "ListObjects", "ListObjectsV2")
S3_FREE = ("DeleteObject", "DeleteObjects")
NO_JOB = ("Sweep", "WatchModels")  # functions that run whether there are jobs or not
QUIET_SECONDS = 3


class Cloud(NamedTuple):
    client: Client
    emulator: EmulatorControl
    providers: dict[str, Provider]
    found: dict[str, Any]


class Kind(NamedTuple):
    """One row. `setup`: makes the measured run last as long as the name says."""

    name: str
    run: Callable[[Cloud], dict[str, Any]]
    setup: Callable[[Cloud], None] = lambda cloud: None


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--wait", type=int, default=900, help="seconds that the job which waits for a place waits")
    parser.add_argument("--only", default="", help="only jobs with this word in their name")
    args = parser.parse_args()
    found = endpoints()
    os.environ.update(credentials(found["aws"]))
    providers = {name: Provider(url) for name, url in found["providers"].items()}
    cloud = Cloud(Client(found["api"], found["api_key"]), EmulatorControl(found["aws"]), providers, found)
    print(
        "| job | transitions | GB-s | write units | reads | S3 put | S3 get | API calls | log KB | USD a job"
        " | USD per 1,000 | provider |\n|---|" + "---:|" * 10 + "---|"
    )
    largest = 0.0
    for kind in (each for each in kinds(args.wait) if args.only in each.name):
        for each in cloud.providers.values():
            each.reset()
        kind.run(cloud)  # warms the functions
        kind.setup(cloud)
        quiet(cloud.emulator)
        cloud.emulator.reset_usage()
        job = kind.run(cloud)
        quiet(cloud.emulator)
        print(row(kind.name, job, cloud.emulator.usage()), flush=True)
        largest = max(largest, job.get("bytes", 0) / 1e9)
    print(
        f"\nNot in it: an image of {largest * 1000:.1f} MB costs {largest * usd.INTERNET_GB:.5f} USD to send to the internet"
        f" once, and {largest * usd.S3_GB_MONTH:.5f} USD to keep for 30 days."
    )


def kinds(wait: int) -> list[Kind]:
    top = ({"category": "tops"},)
    suit = ({"category": "tops"}, {"category": "bottoms"})
    astria = {"provider": "astria", "provider_options": {"astria": {"person_class": "woman"}}}
    return [
        Kind("Nova Canvas, a call of 20 s", try_on(top, provider="nova_canvas"), lasts("bedrock", "submit", 20)),
        Kind("TryItOn, looked at for 60 s", try_on(top, provider="tryiton"), works("tryiton", 60)),
        Kind("FASHN, which calls back", try_on(top, provider="fashn")),
        Kind("Astria, two garments it knows", try_on(suit, **astria)),
        Kind("Aidge", try_on(top, provider="aidge")),
        Kind("drop folder", drop),
        Kind("Bedrock dialect, Nova Canvas, a call of 20 s", by_the_dialect, lasts("bedrock", "submit", 20)),
        Kind(f"FASHN, after {wait / 60:g} min for a place", try_on(top, provider="fashn"), full("fashn", wait)),
    ]


def try_on(garments: tuple[dict[str, str], ...], **more: Any) -> Callable[[Cloud], dict[str, Any]]:
    def run(cloud: Cloud) -> dict[str, Any]:
        images = [cloud.client.upload(name) for name in ("tee.png", "jeans.png")[: len(garments)]]
        body = {
            "task": "try_on",
            "person": cloud.client.upload("person_a.png"),
            "garments": [{"image": image, **garment} for image, garment in zip(images, garments, strict=True)],
            **more,
        }
        job = cloud.client.finished(cloud.client.submit(body), seconds=1800)
        if job["status"] != "succeeded":
            raise SystemExit(f"a job ended as {job['status']}: {job['error']}")
        image = httpx.get(job["images"][0]["url"], timeout=30).raise_for_status().content
        return job | {"bytes": len(image)}

    return run


def by_the_dialect(cloud: Cloud) -> dict[str, Any]:
    """One call of an AWS SDK, which sends the images and waits for them: no uploads, no looks, no download."""
    os.environ["AWS_BEARER_TOKEN_BEDROCK"] = cloud.found["api_key"]
    client = boto3.client(
        "bedrock-runtime",
        endpoint_url=cloud.found["dialects"]["bedrock"],
        verify=cloud.found["ca_bundle"],
        config=Config(read_timeout=900),
    )
    images = {"sourceImage": "person_a.png", "referenceImage": "tee.png"}
    params = {name: b64encode((SAMPLES / file).read_bytes()).decode() for name, file in images.items()}
    garment = {"maskType": "GARMENT", "garmentBasedMask": {"garmentClass": "UPPER_BODY"}}
    body = {"taskType": "VIRTUAL_TRY_ON", "virtualTryOnParams": {**params, **garment}}
    answer = client.invoke_model(modelId="amazon.nova-canvas-v1:0", body=json.dumps(body))
    job_id = answer["ResponseMetadata"]["HTTPHeaders"]["x-fitting-room-job"]
    return cloud.client.finished(job_id)


def drop(cloud: Cloud) -> dict[str, Any]:
    """Two files in one folder. Nobody asks for the job: the result is read once the cloud has settled it."""
    s3, folder = boto3.client("s3"), f"bench-{uuid.uuid4().hex[:8]}"
    settled = _settled(cloud.emulator)
    for name, sample in (("person", "person_a.png"), ("garment", "tee.png")):
        key = f"drop/{cloud.found['tenant']}/{folder}/{name}.png"
        s3.put_object(Bucket=cloud.found["inbox_bucket"], Key=key, Body=(SAMPLES / sample).read_bytes())
    while _settled(cloud.emulator) == settled:
        time.sleep(1)
    results = f"results/{cloud.found['tenant']}/drop/{folder}"
    s3.get_object(Bucket=cloud.found["media_bucket"], Key=f"{results}/1.png")["Body"].read()
    told = s3.get_object(Bucket=cloud.found["media_bucket"], Key=f"{results}/result.json")["Body"].read()
    return dict(json.loads(told))


def _settled(emulator: EmulatorControl) -> int:
    return sum(each.invocations for name, each in emulator.usage().functions.items() if "Settle" in name)


def lasts(provider: str, on: str, seconds: float) -> Callable[[Cloud], None]:
    return lambda cloud: cloud.providers[provider].fault(on=on, kind="delay", seconds=seconds, times=1)


def works(provider: str, seconds: float) -> Callable[[Cloud], None]:
    """The provider says "still working" for so long."""

    def setup(cloud: Cloud) -> None:
        cloud.providers[provider].fault(on="status", kind="never_finish")
        threading.Timer(seconds, cloud.providers[provider].heal).start()

    return setup


def full(provider: str, seconds: float) -> Callable[[Cloud], None]:
    """Nobody's jobs hold every place at the provider for so long."""

    def setup(cloud: Cloud) -> None:
        table = boto3.resource("dynamodb").Table(cloud.found["table"])
        for number in range(entry(provider).concurrency or 0):
            place = {"pk": f"LEASE#{provider}", "sk": f"{number:04d}"}
            held: dict[str, Any] = {"job_id": "job_of_the_bench", "expires_ms": int((time.time() + seconds) * 1000)}
            table.put_item(Item={**place, **held})

    return setup


def quiet(emulator: EmulatorControl) -> None:
    """Return when nothing has moved for some seconds."""
    before = None
    while (now := emulator.usage().transitions) != before:
        before = now
        time.sleep(QUIET_SECONDS)


def row(name: str, job: dict[str, Any], usage: Usage) -> str:
    transitions = sum(sum(each.values()) for each in usage.transitions.values())
    functions = {n: each for n, each in usage.functions.items() if not any(idle in n for idle in NO_JOB)}
    gb_seconds = sum(each.gb_seconds for each in functions.values())
    invocations = sum(each.invocations for each in functions.values())
    calls = sum(each.invocations for n, each in functions.items() if "-Api" in n or "-Callback" in n)
    writes = sum(each.total for each in usage.writes)
    table, s3 = usage.requests.get("dynamodb", {}), usage.requests.get("s3", {})
    reads = sum(times for operation, times in table.items() if operation in ("GetItem", "Query", "BatchGetItem"))
    puts = sum(times for operation, times in s3.items() if operation in S3_PUTS)
    gets = sum(times for operation, times in s3.items() if operation not in S3_PUTS + S3_FREE)
    logs = usage.log_bytes + transitions * STATE_LOG_BYTES
    price = (
        transitions * usd.TRANSITION
        + gb_seconds * usd.LAMBDA_GB_SECOND
        + invocations * usd.LAMBDA_REQUEST
        + writes * usd.DYNAMODB_WRITE_UNIT
        + reads * READ_UNITS * usd.DYNAMODB_READ_UNIT
        + puts * usd.S3_PUT
        + gets * usd.S3_GET
        + calls * usd.HTTP_API_REQUEST
        + logs / 1e9 * usd.LOG_GB
        + usd.TRACE
        + sum(usage.requests.get("sqs", {}).values()) * usd.QUEUE_REQUEST
        + sum(usage.requests.get("secretsmanager", {}).values()) * usd.SECRET_CALL
    )
    return (
        f"| {name} | {transitions} | {gb_seconds:.1f} | {writes:.0f} | {reads} | {puts} | {gets} | {calls}"
        f" | {logs / 1000:.0f} | {price:.5f} | {price * 1000:.2f} | {job['provider']}: {providers_price(job)} |"
    )


def providers_price(job: dict[str, Any]) -> str:
    used = job["usage"]
    if used.get("amount") is not None:
        return f"{used['amount']:g} {used['currency']}"
    return f"{used['credits']:g} credit" if used.get("credits") else "not published"


if __name__ == "__main__":
    main()
