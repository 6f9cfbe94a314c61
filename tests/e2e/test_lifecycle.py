"""A model grows old: what the daily look at Bedrock changes for clients of the deployed stack."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from local import cloud as local_cloud

from .conftest import Cloud, until

MODEL = "us.stability.stable-image-inpaint-v1:0"


@pytest.fixture
def model(cloud: Cloud) -> Iterator[Any]:
    """Puts the model into a state of its life, lets the function look, and returns what a client is then shown."""

    def look(state: str, **dates: str) -> dict[str, Any]:
        cloud.bedrock.http.post("/_sim/model", json={"model": MODEL, "state": state, **dates}).raise_for_status()
        cloud.invoke("WatchModels", {})
        for pid in local_cloud.lambda_pids("Api"):  # new processes, because an old one remembers for a minute
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        listed = until(
            lambda: answer if (answer := cloud.live.get("/v1/providers")).is_success else None, "a new process"
        )
        shown = {m["id"]: m["lifecycle"] for provider in listed.json()["items"] for m in provider["models"]}
        return dict(shown[MODEL])

    yield look
    cloud.bedrock.http.delete("/_sim/model").raise_for_status()


def test_a_model_from_birth_to_its_end(cloud: Cloud, model: Any) -> None:
    body = {
        "task": "inpaint",
        "image": {"url": "https://shop.example/p.png"},
        "prompt": "a rug",
        "provider": "stability",
        "mask": {"type": "image", "image": {"url": "https://shop.example/m.png"}},
    }

    def answer() -> tuple[int, str]:
        told = cloud.live.post("/v1/jobs/estimate", json=body)
        return told.status_code, told.json().get("code", "")

    assert (model("active")["state"], answer()) == ("active", (200, ""))
    legacy = model("legacy", endOfLifeTime="2027-03-01T00:00:00Z")
    assert (legacy["state"], legacy["end_of_life"], legacy["retired"], answer()) == (
        "legacy",
        "2027-03-01",
        False,
        (200, ""),
    )
    gone = model("end_of_life")
    assert (gone["retired"], answer()) == (True, (422, "model_retired"))
    body["provider"] = "auto"
    planned = cloud.live.post("/v1/jobs/estimate", json=body).json()["plan"]
    assert [offer["provider"] for offer in planned] == ["nova_canvas"]
    body["provider"] = "stability"
    denied = model("no_access")  # a refused lookup says nothing: what was known stays
    assert (denied["state"], denied["retired"], answer()) == ("gone", True, (422, "model_retired"))
    assert (model("active")["state"], answer()) == ("active", (200, ""))
