"""Code for Nova Canvas, unchanged, in a process of its own: plain boto3 and the variables of the migration page."""

from __future__ import annotations

import base64
import io
import json
import os
import re
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from PIL import Image, ImageDraw

from admin.stage import connect
from fitting_room.stores import api_keys, tenants
from fitting_room.stores.api_keys import SCOPES
from local.deploy import credentials

from .conftest import ENDPOINTS, ROOT, SAMPLES, Cloud

PAGE = (ROOT / "docs" / "nova_canvas_migration.md").read_text()
[SAMPLE] = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
CALLER = """
import base64, concurrent.futures, json, sys
import boto3
from botocore.config import Config

asked = json.load(sys.stdin)
client = boto3.client("bedrock-runtime", region_name="us-east-1", config=Config(**asked["config"]))

def call(body):
    try:
        answer = client.invoke_model(modelId="amazon.nova-canvas-v1:0", body=json.dumps(body))
    except client.exceptions.ClientError as error:
        return {"error": type(error).__name__, "message": str(error), **error.response["ResponseMetadata"]}
    return {"answer": json.loads(answer["body"].read()), **answer["ResponseMetadata"]}

with concurrent.futures.ThreadPoolExecutor(4) as pool:
    print(json.dumps(list(pool.map(call, asked["bodies"]))))
"""


def found() -> dict[str, Any]:
    return dict(json.loads(ENDPOINTS.read_text()))


def environment(key: str, address: str | None = None) -> dict[str, str]:
    """The two variables, and the third of a laptop. No AWS credentials are there."""
    cloud = found()
    return {
        "PATH": os.environ["PATH"],
        "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": address or cloud["dialects"]["bedrock"],
        "AWS_BEARER_TOKEN_BEDROCK": key,
        "AWS_CA_BUNDLE": cloud["ca_bundle"],
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def call(key: str, *bodies: dict[str, Any], address: str | None = None, **config: Any) -> list[dict[str, Any]]:
    asked = json.dumps({"bodies": bodies, "config": {"read_timeout": 300, **config}})
    done = subprocess.run(
        [sys.executable, "-c", CALLER],
        input=asked,
        env=environment(key, address),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return list(json.loads(done.stdout))


@pytest.fixture(scope="module")
def live() -> str:
    return str(found()["api_key"])


@pytest.fixture(scope="module")
def moved(cloud: Cloud) -> str:
    """The key of a tenant that may use everything but Nova Canvas, as if it were dead."""
    stage = connect("dev", environment=credentials(found()["aws"])).enter()
    tenants.create("moved", stage.at.now())
    tenants.allow("moved", frozenset({"fashn", "tryiton", "fal", "stability"}))
    return api_keys.create("moved", "live", "", frozenset(SCOPES), stage.at.now())[0]


def sample(name: str) -> str:
    return base64.b64encode((SAMPLES / name).read_bytes()).decode()


def mask(outside: str, inside: str) -> str:
    """A mask of the room with a box in it."""
    drawn = Image.new("RGB", Image.open(SAMPLES / "room.png").size, outside)
    ImageDraw.Draw(drawn).rectangle((300, 250, 700, 500), fill=inside)
    file = io.BytesIO()
    drawn.save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


def try_on() -> dict[str, Any]:
    params = {"sourceImage": sample("person_a.png"), "referenceImage": sample("tee.png")}
    garment = {"maskType": "GARMENT", "garmentBasedMask": {"garmentClass": "UPPER_BODY"}}
    return {"taskType": "VIRTUAL_TRY_ON", "virtualTryOnParams": {**params, **garment}}


CHAIR = {"text": "a red chair"}


@pytest.fixture(scope="module")
def novas() -> dict[str, dict[str, Any]]:
    """The shapes that no other provider does."""
    drawn = {"sourceImage": sample("room.png"), "referenceImage": sample("couch.png"), "returnMask": True}
    prompt = {"maskType": "PROMPT", "promptBasedMask": {"maskPrompt": "sofa"}}
    return {
        "TEXT_IMAGE": {
            "taskType": "TEXT_IMAGE",
            "textToImageParams": {**CHAIR, "conditionImage": sample("room.png")},
        },
        "COLOR_GUIDED_GENERATION": {
            "taskType": "COLOR_GUIDED_GENERATION",
            "colorGuidedGenerationParams": {**CHAIR, "colors": ["#ff8800", "#112233"]},
        },
        "IMAGE_VARIATION": {
            "taskType": "IMAGE_VARIATION",
            "imageVariationParams": {"images": [sample("tee.png")], "similarityStrength": 0.7},
        },
        "VIRTUAL_TRY_ON": {"taskType": "VIRTUAL_TRY_ON", "virtualTryOnParams": {**drawn, **prompt}},
    }


@pytest.fixture(scope="module")
def everybodys() -> dict[str, dict[str, Any]]:
    """The shapes that another provider does too, but for the try-on of the migration page."""
    room = {"image": sample("room.png"), "maskImage": mask("white", "black")}
    return {
        "TEXT_IMAGE": {"taskType": "TEXT_IMAGE", "textToImageParams": CHAIR},
        "INPAINTING": {"taskType": "INPAINTING", "inPaintingParams": {**room, "text": "a plant"}},
        "OUTPAINTING": {"taskType": "OUTPAINTING", "outPaintingParams": {**room, "text": "a beach"}},
        "BACKGROUND_REMOVAL": {
            "taskType": "BACKGROUND_REMOVAL",
            "backgroundRemovalParams": {"image": sample("tee.png")},
        },
    }


def size(answer: dict[str, Any]) -> tuple[int, int]:
    [image] = answer["answer"]["images"]
    return Image.open(io.BytesIO(base64.b64decode(image))).size


def header(answer: dict[str, Any], name: str) -> str | None:
    return answer["HTTPHeaders"].get(f"x-fitting-room-{name}")


def test_the_code_of_the_migration_page_runs_as_it_is(cloud: Cloud, moved: str, tmp_path: Path) -> None:
    (tmp_path / "person.png").write_bytes((SAMPLES / "person_a.png").read_bytes())
    (tmp_path / "garment.png").write_bytes((SAMPLES / "tee.png").read_bytes())
    done = subprocess.run(
        [sys.executable, "-c", SAMPLE],
        cwd=tmp_path,
        env=environment(moved),
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert Image.open(tmp_path / "result_0.png").size == (832, 1248)
    assert (len(cloud.fashn.purchases()), cloud.bedrock.purchases()) == (1, [])


def test_where_nova_canvas_lives_it_does_what_nobody_else_does(
    cloud: Cloud, live: str, novas: dict[str, dict[str, Any]]
) -> None:
    answers = dict(zip(novas, call(live, *novas.values()), strict=True))
    assert {name: answer.get("message") for name, answer in answers.items()} == dict.fromkeys(novas)
    assert {header(answer, "provider") for answer in answers.values()} == {"nova_canvas"}
    assert {name: size(answer) for name, answer in answers.items()} == {
        "TEXT_IMAGE": (1024, 1024),
        "COLOR_GUIDED_GENERATION": (1024, 1024),
        "IMAGE_VARIATION": (1024, 1024),
        "VIRTUAL_TRY_ON": (1024, 768),
    }
    masked = base64.b64decode(answers["VIRTUAL_TRY_ON"]["answer"]["maskImage"])
    assert Image.open(io.BytesIO(masked)).size == (1024, 768)
    assert len(cloud.bedrock.purchases()) == len(novas)
    told = cloud.job(str(header(answers["IMAGE_VARIATION"], "job")))
    assert (told["status"], told["task"]) == ("succeeded", "image_variation")


def test_where_it_is_dead_another_provider_does_a_shape_or_the_refusal_has_a_remedy(
    cloud: Cloud, moved: str, novas: dict[str, dict[str, Any]], everybodys: dict[str, dict[str, Any]]
) -> None:
    answers = call(moved, *everybodys.values())
    assert [header(answer, "provider") for answer in answers] == ["stability"] * len(everybodys), answers
    assert [size(answer) for answer in answers[1:3]] == [(1024, 768)] * 2
    assert len(cloud.bedrock.purchases()) == len(everybodys)
    refused = [(answer["error"], answer["message"]) for answer in call(moved, *novas.values())]
    for (kind, message), (expected, words) in zip(
        refused,
        [
            ("ValidationException", "does not take `textToImageParams.conditionImage`"),
            ("AccessDeniedException", "may not use Amazon Nova Canvas"),
            ("AccessDeniedException", "may not use Amazon Nova Canvas"),
            ("ValidationException", "Use the maskType GARMENT with a garmentClass alone."),
        ],
        strict=True,
    ):
        assert kind == expected and words in message
    assert len(cloud.bedrock.purchases()) == len(everybodys)


@contextmanager
def cut_once() -> Iterator[str]:
    """An address that passes all on, but loses its first connection once the request has been sent."""
    cloud, context = found(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cloud["ca_bundle"], Path(cloud["ca_bundle"]).with_suffix(".key"))
    there = urlsplit(cloud["aws"])

    def pass_on(client: ssl.SSLSocket, cut: bool) -> None:
        with client, socket.create_connection((there.hostname or "", there.port or 0)) as server:
            request = client.recv(65536)
            while b"\r\n\r\n" not in request:
                request += client.recv(65536)
            head, _, body = request.partition(b"\r\n\r\n")
            left = int(re.findall(rb"(?i)content-length: (\d+)", head)[0]) - len(body)
            server.sendall(request)
            while left > 0:
                left -= len(part := client.recv(65536))
                server.sendall(part)
            while not cut and (part := server.recv(65536)):
                client.sendall(part)

    def serve(listener: socket.socket) -> None:
        for number in range(10):
            try:
                client = context.wrap_socket(listener.accept()[0], server_side=True)
            except OSError:
                return
            threading.Thread(target=pass_on, args=(client, number == 0), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, args=(listener,), daemon=True).start()
        yield f"https://127.0.0.1:{listener.getsockname()[1]}{urlsplit(cloud['dialects']['bedrock']).path}"


def test_the_sdk_s_own_try_after_a_cut_connection_buys_nothing_again(cloud: Cloud, live: str) -> None:
    with cut_once() as address:
        [answer] = call(live, try_on(), address=address)
    assert answer["RetryAttempts"] == 1 and size(answer) == (832, 1248), answer.get("message")
    assert len(cloud.bedrock.purchases()) == 1


def test_a_client_that_is_less_patient_than_the_provider_buys_once(cloud: Cloud, live: str) -> None:
    cloud.bedrock.fault(on="submit", kind="delay", seconds=12, times=1)
    [answer] = call(live, try_on(), read_timeout=10, retries={"total_max_attempts": 8})
    assert answer["RetryAttempts"] >= 1 and size(answer) == (832, 1248), answer.get("message")
    assert len(cloud.bedrock.purchases()) == 1


def test_a_provider_that_fails_is_followed_by_another(cloud: Cloud, live: str) -> None:
    cloud.bedrock.fault(on="submit", kind="error", name="ServiceUnavailableException")
    [answer] = call(live, try_on())
    assert header(answer, "provider") == "fashn" and size(answer) == (832, 1248), answer.get("message")


def test_an_unknown_key_raises_the_sdk_s_own_exception(cloud: Cloud) -> None:
    [denied] = call("fr_live_" + "x" * 32, try_on())
    assert denied["error"] == "AccessDeniedException" and "AWS_BEARER_TOKEN_BEDROCK" in denied["message"]
