"""Bad input gets a clear error before any money is spent, and a tenant sees only its own."""

from __future__ import annotations

import httpx
import pytest

from .conftest import Cloud


def test_all_faults_come_at_once_with_pointers_and_remedies(cloud: Cloud, person: bytes, tee: bytes) -> None:
    body = cloud.try_on(
        person, tee, provider="tryiton", prompt="blue", output={"seed": 7, "count": 4}, keep={"face": True}
    )
    answer = cloud.live.post("/v1/jobs", json=body)
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    problem = answer.json()
    assert {fault["pointer"] for fault in problem["errors"]} == {"/prompt", "/output/seed", "/keep/face"}
    assert all(fault["remedy"] and fault["provider"] == "tryiton" for fault in problem["errors"])


def test_nova_by_name_needs_a_class_and_auto_goes_without_it(cloud: Cloud, person: bytes, tee: bytes) -> None:
    body = cloud.try_on(person, tee)
    body["garments"][0]["category"] = "auto"
    named = cloud.live.post("/v1/jobs", json=body | {"provider": "nova_canvas"})
    assert (named.status_code, named.json()["errors"][0]["pointer"]) == (422, "/garments/0/category")
    job = cloud.finished(cloud.submit(body)["id"])
    assert (job["status"], job["provider"]) == ("succeeded", "fashn")
    assert cloud.bedrock.purchases() == []


def test_a_job_belongs_to_its_tenant(cloud: Cloud, person: bytes, tee: bytes) -> None:
    job = cloud.submit(cloud.try_on(person, tee, provider="sandbox"))
    with cloud.stranger() as stranger:
        for path in (f"/v1/jobs/{job['id']}", f"/v1/jobs/{job['id']}/images/1"):
            assert stranger.get(path).status_code == 404
        answer = stranger.post("/v1/jobs", json=cloud.try_on(person, tee))
    assert {(fault["code"], fault["pointer"]) for fault in answer.json()["errors"]} >= {
        ("upload_missing", "/person/upload")
    }


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/nothing", 404),
        ("DELETE", "/v1/uploads", 405),
        ("GET", "/v1/jobs/job_00000000000000000000000000", 404),
    ],
)
def test_the_gateway_speaks_our_words(cloud: Cloud, method: str, path: str, status: int) -> None:
    answer = cloud.live.request(method, path)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert answer.json()["remedy"]


@pytest.mark.parametrize(
    "header", [{}, {"Authorization": "Bearer fr_live_" + "x" * 32}, {"Authorization": "Basic abc"}]
)
def test_without_a_key_there_is_nothing(cloud: Cloud, header: dict[str, str]) -> None:
    answer = httpx.get(cloud.api + "/v1/providers", headers=header, timeout=60)
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")


def test_providers_say_what_they_can_and_whether_they_live(cloud: Cloud) -> None:
    shown = {provider["id"]: provider for provider in cloud.live.get("/v1/providers").json()["items"]}
    assert shown["nova_canvas"]["models"][0]["lifecycle"]["end_of_life"] == "2026-09-30"
    assert set(shown["stability"]["tasks"]) == {"text_to_image", "inpaint", "outpaint", "remove_background"}
    assert shown["tryiton"]["configured"] is True
    tested = {provider["id"]: provider["allowed"] for provider in cloud.test.get("/v1/providers").json()["items"]}
    assert tested == {
        "nova_canvas": False,
        "stability": False,
        "tryiton": False,
        "fashn": False,
        "astria": False,
        "fal": False,
        "aidge": False,
        "sagemaker": False,
        "gemini": False,
        "sandbox": True,
    }
