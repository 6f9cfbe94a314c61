"""Code written for FASHN or TryItOn, on the deployed stack: base URL and key are other ones, and nothing else."""

from __future__ import annotations

import base64
import io
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import fashn
import httpx
import pytest
from PIL import Image
from tryiton import TryItOn

from .conftest import SAMPLES, Cloud

QUICK_START = """
import requests

response = requests.post(
  "https://tryiton.now/api/v1/tryon/clothes",
  headers={
    "Authorization": "Bearer YOUR_API_KEY",
    "Content-Type": "application/json"
  },
  json={
    "model_image": "https://example.com/path/to/model.png",
    "garment_image": "https://example.com/path/to/garment.png"
  }
)
"""
"""The vendor's page "Clothes Tryon", Request Examples, Python."""
POLLING = """
import time

job = response.json()["id"]
while True:
    status = requests.get(
        f"https://tryiton.now/api/v1/status/{job}", headers={"Authorization": "Bearer YOUR_API_KEY"}
    ).json()
    if status["status"] in ("completed", "failed"):
        break
    time.sleep(1)
print(status["error"])
open("output.png", "wb").write(requests.get(status["output"][0]).content)
"""


@pytest.fixture
def images(person: bytes, tee: bytes) -> dict[str, Any]:
    """As the vendors want them inside a request."""
    named = {"model_image": person, "garment_image": tee}
    return {name: f"data:image/png;base64,{base64.b64encode(image).decode()}" for name, image in named.items()}


@pytest.fixture
def key(cloud: Cloud) -> str:
    return cloud.live.headers["authorization"].removeprefix("Bearer ")


def downloaded(url: str) -> Image.Image:
    """What a link leads to, without a key."""
    answer = httpx.get(url, trust_env=False, timeout=60).raise_for_status()
    return Image.open(io.BytesIO(answer.content))


def size_of(name: str) -> tuple[int, int]:
    return Image.open(SAMPLES / f"{name}.png").size


def test_fashns_client_from_run_to_download(cloud: Cloud, key: str, images: Any) -> None:
    client = fashn.Fashn(api_key=key, base_url=cloud.dialects["fashn"])
    words = list[str]()
    done = client.predictions.subscribe(
        model_name="tryon-v1.6",
        inputs=images | {"category": "tops"},
        on_queue_update=lambda told: words.append(told.status),
    )
    assert (done.status, done.credits_used, words[-1]) == ("completed", 1, "completed")
    assert set(words[:-1]) <= {"starting", "in_queue", "processing"}
    assert downloaded((done.output or [])[0]).size == size_of("person_a")
    assert len(cloud.fashn.purchases()) == 1
    job = cloud.job(done.id)
    assert (job["provider"], job["attempts"][0]["model"]) == ("fashn", "tryon-v1.6")


def test_fashns_client_is_served_by_another_provider_while_fashn_is_dead(cloud: Cloud, key: str, images: Any) -> None:
    cloud.fashn.fault(on="submit", kind="status", status=503, times=10)
    client = fashn.Fashn(api_key=key, base_url=cloud.dialects["fashn"])
    done = client.predictions.subscribe(
        model_name="tryon-v1.6",
        inputs=images | {"category": "tops"},
    )
    assert (done.status, done.error) == ("completed", None)
    assert downloaded((done.output or [])[0]).size == size_of("person_a")
    assert cloud.fashn.purchases() == []
    status = client.predictions.with_raw_response.status(done.id)
    assert status.headers["x-fitting-room-provider"] == cloud.job(done.id)["provider"] != "fashn"


def test_tryitons_client_from_submit_to_download(cloud: Cloud, key: str, images: Any) -> None:
    client = TryItOn(key, base_url=cloud.dialects["tryiton"])
    before = client.get_credits().on_demand
    job = client.try_on_fashion(**images, category="clothing", subcategory="tops", output_format="jpeg")
    (url,) = client.wait_for_result(job, poll_interval=0.5, timeout=480)
    assert (downloaded(url).format, downloaded(url).size) == ("JPEG", size_of("person_a"))
    assert len(cloud.tryiton.purchases()) == 1
    assert before - client.get_credits().on_demand == 1


def test_tryitons_quick_start_as_a_user_types_it(cloud: Cloud, key: str, tmp_path: Any) -> None:
    """The page's program, with links to a user's own images. It is TryItOn's own older call that serves it."""
    program = (QUICK_START + POLLING).replace("https://tryiton.now", cloud.dialects["tryiton"])
    program = program.replace("YOUR_API_KEY", key)
    for name, sample in (("model", "person_a"), ("garment", "tee")):
        put = f"uploads/{cloud.tenant}/quick-start-{name}"
        cloud.aws("s3").put_object(Bucket=cloud.inbox, Key=put, Body=(SAMPLES / f"{sample}.png").read_bytes())
        link = cloud.aws("s3").generate_presigned_url("get_object", Params={"Bucket": cloud.inbox, "Key": put})
        program = program.replace(f"https://example.com/path/to/{name}.png", link)
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert (done.stdout.strip(), done.stderr) == ("None", "")
    assert Image.open(tmp_path / "output.png").size == size_of("person_a")


@contextmanager
def cut_off(target: str, times: int) -> Iterator[tuple[str, list[str]]]:
    """Pass requests on, and break the connection of the first ones instead of answering: its address, and their counts."""
    counts = list[str]()

    class Cutting(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            counts.append(self.headers["x-stainless-retry-count"])
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name: value for name, value in self.headers.items() if name.lower() != "host"}
            answer = httpx.post(f"{target}{self.path}", content=body, headers=headers, timeout=120, trust_env=False)
            if len(counts) > times:
                self.send_response(answer.status_code)
                self.send_header("content-type", "application/json")
                self.end_headers()
                self.wfile.write(answer.content)
            self.close_connection = True

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Cutting)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", counts
    finally:
        server.shutdown()
        server.server_close()


def test_the_clients_own_retry_after_cut_connections_is_one_purchase(cloud: Cloud, key: str, images: Any) -> None:
    with cut_off(cloud.dialects["fashn"], times=2) as (url, counts):
        client = fashn.Fashn(api_key=key, base_url=url, timeout=120)
        ran = client.predictions.run(model_name="tryon-v1.6", inputs=images | {"category": "tops"})
    assert counts == ["0", "1", "2"]
    assert cloud.finished(ran.id)["status"] == "succeeded"
    assert [purchase["images"] for purchase in cloud.fashn.purchases()] == [1]
