"""The demo as a client: what it shows and how it ends."""

from __future__ import annotations

import asyncio
import io
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from fitting_room_client import FittingRoomError
from fitting_room_client.flow import Clock
from local import cloud, demo

FAULT = {
    "code": "content_blocked",
    "detail": "The vendor refused the picture.",
    "remedy": "Send another picture.",
    "provider_detail": "no swimwear",
}
ENDPOINTS = cloud.Endpoints(
    api="http://api.test/base", api_key="fr_live_x", test_key="", tenant="demo", region="", aws="", inbox_bucket="",
    media_bucket="", table="", job_machine="", providers={}, dialects={"bedrock": "https://dialect.test"}, ca_bundle="",
    webhook_receiver="", webhook_secret="",
)  # fmt: skip


class Api:
    """The product's answers for two jobs and a batch. `ends`: how a provider's job ends; a job takes three polls."""

    def __init__(self, ends: dict[str, str]) -> None:
        self.ends, self.polls, self.uploaded = ends, dict.fromkeys(ends, 0), 0
        self.submitted: list[httpx.Request] = []
        self.lost = 0
        """Rows of the batch without a result."""

    def __call__(self, request: httpx.Request) -> httpx.Response:
        match request.method, request.url.path.removeprefix("/base").split("/"):
            case "POST", [_, "v1", "uploads"]:
                post = {"url": "http://s3.test/inbox", "fields": {"key": "uploads/demo/x"}}
                return httpx.Response(201, json={"id": "upl_1", "post": post})
            case "POST", [_, "inbox"]:
                self.uploaded += 1
                return httpx.Response(204)
            case "POST", [_, "v1", "jobs"]:
                self.submitted.append(request)
                return httpx.Response(202, json={"id": json.loads(request.content)["provider"]})
            case "POST", [_, "v1", "batches"]:
                self.submitted.append(request)
                return httpx.Response(202, json={"id": "bat_1", "status": "expanding"})
            case "GET", [_, "v1", "batches", _]:
                counts = {"rows": 8, "succeeded": 8 - self.lost}
                return httpx.Response(200, json={"id": "bat_1", "status": "finished", "counts": counts})
            case "GET", [_, "v1", "batches", _, report]:
                return httpx.Response(303, headers={"Location": f"http://s3.test/media/{report}"})
            case "GET", [_, "media", "report.html"]:
                return httpx.Response(200, text='<html data-pages="1"><img src="http://s3.test/media/tee.png">')
            case "GET", [_, "v1", "jobs", provider]:
                return httpx.Response(200, json=self.job(provider))
            case _:
                return httpx.Response(200, content=picture())

    def job(self, provider: str) -> dict[str, Any]:
        self.polls[provider] += 1
        if self.polls[provider] < 3:
            return {"id": provider, "status": "running", "step": ("queued", "generating")[self.polls[provider] - 1]}
        images = [{"n": 1, "url": "http://s3.test/media/1.png", "format": "png"}]
        return {"id": provider, "status": self.ends[provider], "step": "done", "images": images, "error": FAULT}


def picture() -> bytes:
    buffer = io.BytesIO()
    note = PngInfo()
    note.add_text("Comment", "a preview")
    Image.new("RGB", (80, 120), "teal").save(buffer, "PNG", pnginfo=note)
    return buffer.getvalue()


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Api:
    api = Api(dict.fromkeys(demo.PROVIDERS, "succeeded"))
    client = httpx.AsyncClient
    monkeypatch.setattr(cloud, "up", lambda: ENDPOINTS)
    monkeypatch.setattr(demo, "PICTURES", tmp_path / "demo")
    monkeypatch.setattr(httpx, "AsyncClient", lambda: client(transport=httpx.MockTransport(api)))
    monkeypatch.setattr(Clock, "sleep_async", lambda *_: asyncio.sleep(0))
    return api


def test_it_saves_every_providers_picture_and_says_where(api: Api, capsys: pytest.CaptureFixture[str]) -> None:
    assert demo.run()
    assert api.uploaded == 2 + 6 + 1, "person and garment; the files of the catalogue, each once; the catalogue"
    out = capsys.readouterr().out
    for name in ("overview.png", "fashn_1.png", "aidge_1.png", "batch/index.html"):
        assert (demo.PICTURES / name).stat().st_size
        assert str(demo.PICTURES / name) in out
    assert ENDPOINTS.api in out and ENDPOINTS.dialects["bedrock"] in out
    assert ENDPOINTS.api_key not in out
    assert out.count("generating") == 2


def test_every_picture_says_that_it_is_a_preview(api: Api) -> None:
    demo.run()
    assert (demo.PICTURES / "aidge_1.png").read_bytes() == picture()
    with Image.open(demo.PICTURES / "overview.png") as overview:
        assert "not the output of a generative model" in overview.info["Comment"]


def test_both_providers_get_the_same_try_on_each_under_a_key_of_its_own(api: Api) -> None:
    demo.run()
    first, second = (json.loads(r.content) for r in api.submitted if r.url.path.endswith("/jobs"))
    same = {"provider": "", "provider_options": {}}
    assert first | same == second | same
    assert {first["provider"], second["provider"]} == {"fashn", "aidge"}
    assert len({r.headers["Idempotency-Key"] for r in api.submitted}) == 3
    assert all(r.headers["Authorization"] == "Bearer fr_live_x" for r in api.submitted)


def test_a_failed_job_ends_it_with_cause_and_remedy(api: Api, capsys: pytest.CaptureFixture[str]) -> None:
    api.ends["aidge"] = "failed"
    assert not demo.run()
    said = capsys.readouterr()
    assert "aidge: failed, content_blocked: The vendor refused the picture. Send another picture." in said.err
    assert "aidge said: no swimwear" in said.err
    assert "fashn_1.png" in said.out


def test_a_batch_that_is_not_complete_fails_the_demo(api: Api, capsys: pytest.CaptureFixture[str]) -> None:
    api.lost = 1
    assert not demo.run()
    assert "the batch has no complete contact sheet" in capsys.readouterr().out


def test_a_refusal_is_shown_in_the_apis_words(monkeypatch: pytest.MonkeyPatch, api: Api) -> None:
    monkeypatch.setattr(Api, "__call__", lambda *_: httpx.Response(401, json=FAULT))
    with pytest.raises(FittingRoomError, match=r"The vendor refused the picture\. Send another picture\."):
        demo.run()
