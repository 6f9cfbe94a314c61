"""Jobs of any task: what is done to them, and the pages of their list."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from fitting_room_client import FittingRoomError, Refused
from tests.client import Do, StillClock, doing, told
from tests.integration.client.conftest import Deployment
from tests.integration.world import Vendor, failed, finished, picture


def test_a_job_of_another_task_with_files_inside(do: Do, deployment: Deployment, vendor: Vendor, person: Path) -> None:
    vendor.starts = [finished(count=1)]
    mask = {"type": "image", "image": person}
    job = do("jobs.submit", {"task": "inpaint", "provider": "nova_canvas", "image": picture(360, 540), "mask": mask})
    body = json.loads(deployment.sent("POST", "/v1/jobs")[0].content)
    assert list(body["mask"]["image"]) == list(body["image"]) == ["upload"]
    assert do("jobs.get", job.id).task == "inpaint"


def test_cancel_then_retry_then_delete(do: Do, deployment: Deployment, person: Path, tee: Path) -> None:
    request = {"task": "try_on", "person": person, "garments": [{"image": tee}], "provider": "tryiton"}
    job = do("jobs.submit", request)
    do("jobs.cancel", job.id)
    deployment.world.broken(job.id)
    assert do("jobs.get", job.id).status == "cancelled"
    again = do("jobs.retry", job.id)
    assert again.model_extra["retried_from"] == job.id
    assert do("jobs.retry", job.id, buy_again=True).id == again.id
    erased = do("jobs.delete", job.id)
    assert (erased.id, [left["what"] for left in erased.remains]) == (
        job.id,
        ["uploaded files that your other jobs use"],
    )


def test_what_may_be_charged_is_recovered_or_bought_again_on_purpose(
    do: Do, clock: StillClock, vendor: Vendor, person: Path, tee: Path
) -> None:
    vendor.starts = [failed("provider_error", "unknown")]
    job = do("jobs.submit", {"task": "try_on", "person": person, "garments": [{"image": tee}], "provider": "tryiton"})
    job = do("jobs.wait", job)
    assert (job.status, job.attempts[0].charged) == ("failed", "unknown")
    with pytest.raises(Refused) as refused:
        do("jobs.retry", job.id)
    assert (refused.value.status, refused.value.code) == (409, "may_be_charged")
    with pytest.raises(Refused) as refused:
        do("jobs.recover", job.id)
    assert refused.value.code == "nothing_to_recover"
    assert do("jobs.retry", job.id, buy_again=True).status == "queued"


def test_an_unknown_job_is_refused_and_an_id_cannot_leave_its_path(do: Do, deployment: Deployment) -> None:
    with pytest.raises(Refused, match="no such job"):
        do("jobs.get", "job_01J00000000000000000000001")
    with pytest.raises(Refused):
        do("jobs.get", "../providers?x=")
    assert deployment.requests[-1].url.raw_path == b"/v1/jobs/..%2Fproviders%3Fx%3D"


def test_providers_say_what_they_cost_and_whether_they_can_be_used(do: Do) -> None:
    found = {provider.id: provider for provider in do("providers")}
    assert (found["tryiton"].configured, found["fashn"].configured) == (True, False)
    assert "try_on" in found["sandbox"].tasks


def test_the_list_of_the_real_api_is_read_page_by_page(do: Do, deployment: Deployment) -> None:
    made = [deployment.world.submit(owner="jane").job.id for _ in range(3)]
    deployment.world.submit(owner="joe")
    listed = do("jobs.list", limit=2, owner="jane", created_after=deployment.world.at.now() - timedelta(hours=1))
    assert [job.id for job in listed] == made[::-1]


def test_a_time_without_a_zone_is_the_time_of_this_machine(do: Do, deployment: Deployment) -> None:
    made = deployment.world.submit().job.id
    now = deployment.world.at.now().astimezone().replace(tzinfo=None)
    for after, found in ((now - timedelta(minutes=1), [made]), (now + timedelta(minutes=1), [])):
        assert [job.id for job in do("jobs.list", created_after=after)] == found


# ------------------------------------------------------------------------------- the contract's less ordinary answers
@pytest.mark.parametrize("flavour", ["blocking", "awaiting"])
def test_the_list_is_read_to_its_end_though_a_page_is_short(flavour: str) -> None:
    pages = {
        None: {"items": [{"id": "job_4", "status": "running"}, {"id": "job_3"}], "next_cursor": "b=/+ "},
        "b=/+ ": {"items": [], "next_cursor": "c"},
        "c": {"items": [{"id": "job_1", "a_new_field": 1}], "next_cursor": None},
    }
    asked: list[dict[str, str]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        assert (request.method, request.url.path) == ("GET", "/v1/jobs")
        asked.append(dict(request.url.params))
        return told(200, pages[request.url.params.get("cursor")])

    do = doing(flavour, answer, StillClock())
    after = datetime(2026, 11, 26, 10, 0, tzinfo=UTC)
    jobs = do("jobs.list", limit=2, status="failed", owner="shopper-8812", created_after=after)
    assert [job.id for job in jobs] == ["job_4", "job_3", "job_1"]
    filters = {"limit": "2", "status": "failed", "owner": "shopper-8812", "created_after": "2026-11-26T10:00:00+00:00"}
    assert asked == [filters, {**filters, "cursor": "b=/+ "}, {**filters, "cursor": "c"}]
    assert do("jobs.page", cursor="c").next_cursor is None


@pytest.mark.parametrize("flavour", ["blocking", "awaiting"])
def test_usage_is_asked_by_days(flavour: str) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        return told(200, {"asked": dict(request.url.params)})

    do = doing(flavour, answer, StillClock())
    asked = do("usage", date(2026, 11, 1), "2026-11-26", by="day,provider")["asked"]
    assert asked == {"from": "2026-11-01", "to": "2026-11-26", "by": "day,provider"}
    assert do("usage")["asked"] == {}


# ---------------------------------------------------------------------------------------------------------- strangers
@pytest.mark.parametrize(
    "answer",
    [httpx.Response(200, text="<html>Welcome"), httpx.Response(200, json={"hello": 1}), httpx.Response(200, json=[])],
)
def test_another_server_is_found_out(answer: httpx.Response) -> None:
    with pytest.raises(
        FittingRoomError, match=r"The answer of api\.example is not what the API answers.*Check the address"
    ):
        doing("blocking", lambda _: answer, StillClock())("jobs.get", "job_1")


def test_an_address_that_moved_is_not_followed_with_the_key() -> None:
    moved = httpx.Response(301, headers={"location": "https://other.example/v1/jobs/job_1"})
    with pytest.raises(Refused, match=r"api\.example answered 301\. Check the address"):
        doing("blocking", lambda _: moved, StillClock())("jobs.get", "job_1")
