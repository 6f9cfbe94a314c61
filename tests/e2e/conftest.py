"""The deployed stack on the local cloud, over HTTP. `make test` starts and deploys it first."""

from __future__ import annotations

import io
import json
import os
import secrets
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest
from boto3.dynamodb.conditions import Attr
from PIL import Image

from admin.stage import connect
from fitting_room.stores import api_keys, tenants
from local.deploy import credentials
from local.emulator_control import EmulatorControl

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "local" / "samples"
ENDPOINTS = Path(os.environ.get("LOCAL_CLOUD", ROOT / ".local")) / "endpoints.json"
FINAL = ("succeeded", "failed", "cancelled")


PATIENCE = 4
"""A busy machine may be so many times slower than the one whose seconds the tests name."""


def until(look: Callable[[], Any], what: str, seconds: float = 60, pace: float = 0.2) -> Any:
    """Look again and again until there is something to see; the deployed system is the only clock."""
    end = time.monotonic() + PATIENCE * seconds
    while time.monotonic() < end:
        if (found := look()) is not None:
            return found
        time.sleep(pace)
    raise AssertionError(f"waited {PATIENCE * seconds} s for {what}")


class Simulator:
    """The vendor's side: what it was asked to sell, and what it should do wrong."""

    def __init__(self, url: str) -> None:
        self.http = httpx.Client(base_url=url.split("/api/")[0], timeout=60)

    def purchases(self) -> list[dict[str, Any]]:
        return list(self.http.get("/_sim/purchases").raise_for_status().json()["purchases"])

    def requests(self) -> list[dict[str, Any]]:
        return list(self.http.get("/_sim/requests").raise_for_status().json()["requests"])

    def callbacks(self) -> list[dict[str, Any]]:
        return list(self.http.get("/_sim/callbacks").raise_for_status().json()["callbacks"])

    def fault(self, **fault: Any) -> None:
        self.http.post("/_sim/faults", json=fault).raise_for_status()

    def rename(self, **renamed: str) -> None:
        """Give models other ids; the vendor knows the old ones no more."""
        self.http.put("/_sim/models", json=renamed).raise_for_status()

    def reset(self) -> None:
        for what in ("purchases", "requests", "callbacks", "faults", "models"):
            self.http.delete(f"/_sim/{what}").raise_for_status()


@dataclass
class Cloud:
    """What a client and an operator can reach."""

    api: str
    tenant: str
    inbox: str
    media: str
    live: httpx.Client
    test: httpx.Client
    bedrock: Simulator
    tryiton: Simulator
    fashn: Simulator
    astria: Simulator
    aidge: Simulator
    fal: Simulator
    gemini: Simulator
    sagemaker: Simulator
    dialects: dict[str, str]
    aws: Callable[[str], Any]
    table: str
    job_machine: str

    def upload(self, data: bytes, media_type: str = "image/png", client: httpx.Client | None = None) -> str:
        """The id of an upload; a test key uses only its own."""
        answer = (client or self.live).post("/v1/uploads", json={"content_type": media_type, "bytes": len(data)})
        assert answer.status_code == 201, answer.text
        made = answer.json()
        sent = httpx.post(
            made["post"]["url"],
            data=made["post"]["fields"],
            files={"file": ("picture", data, media_type)},
            timeout=60,
        )
        assert sent.status_code in (200, 201, 204), sent.text
        return str(made["id"])

    def try_on(
        self,
        person: bytes,
        garment: bytes,
        *,
        media_type: str = "image/png",
        client: httpx.Client | None = None,
        **more: Any,
    ) -> dict[str, Any]:
        """A request body for a top on a person, with uploads of the client's mode."""
        return {
            "task": "try_on",
            "person": {"upload": self.upload(person, media_type, client)},
            "garments": [{"image": {"upload": self.upload(garment, client=client)}, "category": "tops"}],
            **more,
        }

    def submit(
        self, body: dict[str, Any], client: httpx.Client | None = None, key: str | None = None
    ) -> dict[str, Any]:
        answer = (client or self.live).post(
            "/v1/jobs", json=body, headers={"Idempotency-Key": key or str(uuid.uuid4())}
        )
        assert answer.status_code == 202, answer.text
        return dict(answer.json())

    def job(self, job_id: str, client: httpx.Client | None = None) -> dict[str, Any]:
        return dict((client or self.live).get(f"/v1/jobs/{job_id}").raise_for_status().json())

    def finished(self, job_id: str, seconds: float = 60, client: httpx.Client | None = None) -> dict[str, Any]:
        def look() -> dict[str, Any] | None:
            job = self.job(job_id, client)
            return job if job["status"] in FINAL else None

        return until(look, f"{job_id} to end", seconds)

    def picture(self, image: dict[str, Any]) -> Image.Image:
        return Image.open(io.BytesIO(httpx.get(image["url"], timeout=60).raise_for_status().content))

    def forget_references(self) -> None:
        """A vendor that was started anew knows none of those that were made before."""
        table = boto3.resource("dynamodb").Table(self.table)
        for item in table.scan(FilterExpression=Attr("pk").begins_with("REFERENCES#"))["Items"]:
            table.delete_item(Key={"pk": item["pk"], "sk": item["sk"]})

    def stranger(self) -> httpx.Client:
        """Another tenant, with a live key of its own."""
        stage = connect("dev", environment=credentials(self.api.split("/_aws/")[0])).enter()
        name = f"stranger-{secrets.token_hex(4)}"
        tenants.create(name, stage.at.now())
        key, _ = api_keys.create(name, "live", "", frozenset(api_keys.SCOPES), stage.at.now())
        return httpx.Client(base_url=self.api, headers={"Authorization": f"Bearer {key}"}, timeout=120)

    def function(self, name: str) -> str:
        """The deployed function whose name holds `name`."""
        names = [f["FunctionName"] for f in self.aws("lambda").list_functions()["Functions"]]
        return str(next(n for n in names if name.lower() in n.lower()))

    def invoke(self, name: str, payload: dict[str, Any]) -> Any:
        answer = self.aws("lambda").invoke(FunctionName=self.function(name), Payload=json.dumps(payload))
        return json.loads(answer["Payload"].read() or "null")


@pytest.fixture(scope="session")
def cloud() -> Iterator[Cloud]:
    if not ENDPOINTS.exists():
        pytest.exit("the local cloud is not up: run `make up`, or `make test`, which does it", returncode=2)
    found = json.loads(ENDPOINTS.read_text())
    os.environ.update(credentials(found["aws"]))

    def client(key: str) -> httpx.Client:
        return httpx.Client(base_url=found["api"], headers={"Authorization": f"Bearer {key}"}, timeout=120)

    with client(found["api_key"]) as live, client(found["test_key"]) as test:
        yield Cloud(
            api=found["api"],
            tenant=found["tenant"],
            inbox=found["inbox_bucket"],
            media=found["media_bucket"],
            live=live,
            test=test,
            bedrock=Simulator(found["providers"]["bedrock"]),
            tryiton=Simulator(found["providers"]["tryiton"]),
            fashn=Simulator(found["providers"]["fashn"]),
            astria=Simulator(found["providers"]["astria"]),
            aidge=Simulator(found["providers"]["aidge"]),
            fal=Simulator(found["providers"]["fal"]),
            gemini=Simulator(found["providers"]["gemini"]),
            sagemaker=Simulator(found["providers"]["sagemaker"]),
            dialects=found["dialects"],
            aws=lambda service: boto3.client(service),  # type: ignore[call-overload]
            table=found["table"],
            job_machine=found["job_machine"],
        )


@pytest.fixture(autouse=True)
def calm(cloud: Cloud) -> Iterator[None]:
    """Every test begins with empty purchase logs and vendors in good health."""
    vendors = (
        *(cloud.bedrock, cloud.tryiton, cloud.fashn, cloud.astria, cloud.aidge, cloud.fal, cloud.gemini),
        cloud.sagemaker,
    )
    for vendor in vendors:
        vendor.reset()
    yield
    for vendor in vendors:
        vendor.reset()


@pytest.fixture(scope="session")
def person() -> bytes:
    return (SAMPLES / "person_a.png").read_bytes()


@pytest.fixture(scope="session")
def tee() -> bytes:
    return (SAMPLES / "tee.png").read_bytes()


@pytest.fixture
def emulator(cloud: Cloud) -> Iterator[EmulatorControl]:
    control = EmulatorControl(cloud.api.split("/_aws/")[0])
    with control.faults():  # whatever a test does, the next one finds none
        control.reset_usage()
        yield control
