"""The command `fitting-room`, before the real API: what it prints, saves and answers to the shell."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import httpx
import pytest

from fitting_room.jobs.outcome import Charged
from fitting_room_client import FittingRoom, command
from tests.client import URL, StillClock, told
from tests.integration.client.conftest import Deployment
from tests.integration.world import LIVE_KEY, TENANT, TEST_KEY, Vendor, failed, finished

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def shell(
    deployment: Deployment, clock: StillClock, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Run:
    """Run it: exit code, standard output, standard error."""
    http = httpx.Client(transport=httpx.MockTransport(deployment))
    monkeypatch.setattr(command, "FittingRoom", partial(FittingRoom, http=http, clock=clock))
    monkeypatch.setenv("FITTING_ROOM_URL", URL)
    monkeypatch.setenv("FITTING_ROOM_KEY", LIVE_KEY)

    def run(*arguments: object) -> tuple[int, str, str]:
        code = command.main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        assert LIVE_KEY not in out + err
        return code, out, err

    return run


def test_try_saves_the_image_and_shows_each_step(
    shell: Run, vendor: Vendor, deployment: Deployment, person: Path, tee: Path, tmp_path: Path
) -> None:
    vendor.starts = [finished(count=2)]
    out = tmp_path / "out.png"
    wanted = ("--provider", "nova_canvas", "--category", "tops", "--set", "output.count=2")
    code, said, progress = shell("try", person, tee, "-o", out, *wanted)
    assert (code, said) == (0, f"{out}\n{tmp_path / 'out_2.png'}\n"), progress
    job_id = deployment.world.executions()[0]
    saved = [out.read_bytes(), (tmp_path / "out_2.png").read_bytes()]
    assert saved == [deployment.stored(job_id, n) for n in (1, 2)]
    lines = [line.split() for line in progress.splitlines() if not line.startswith("warning: ")]
    assert [(line[0], line[1]) for line in lines] == [(job_id, "queued"), (job_id, "done")]
    body = json.loads(deployment.sent("POST", "/v1/jobs")[0].content)
    assert (body["output"], body["provider"]) == ({"format": "png", "count": 2}, "nova_canvas")


def test_a_refusal_prints_every_fault_with_field_and_remedy(
    shell: Run, person: Path, tee: Path, tmp_path: Path
) -> None:
    wrong = ("--provider", "tryiton", "--set", "output.seed=1", "--set", "output.guidance=3")
    code, out, err = shell("try", person, tee, "-o", tmp_path / "out.jpg", *wrong)
    assert (code, out) == (1, "")
    assert err.count("error: ") == 2
    assert "\n  field: /output/seed\n  remedy: " in err
    assert not (tmp_path / "out.jpg").exists()


def test_a_failed_job_prints_why_and_its_id(
    shell: Run, vendor: Vendor, deployment: Deployment, person: Path, tee: Path, tmp_path: Path
) -> None:
    vendor.starts = [failed("content_blocked", "yes")]
    code, _, err = shell("try", person, tee, "-o", tmp_path / "out.png", "--provider", "tryiton")
    assert code == 1
    assert err.endswith(
        f"error: The vendor's pipeline failed.\n  remedy: Try again.\n  job: {deployment.world.executions()[0]}\n"
    )


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["-o", "out.gif"], "out.gif has no suffix of an image"),
        (["-o", "missing/out.png"], "There is no folder missing"),
        (["-o", "out.png", "--set", "output"], "'output' sets no field"),
        (["-o", "out.png", "--set", "output=2", "--set", "output.count=2"], "'output.count=2' sets no field"),
        (["-o", "out.png", "--local"], "endpoints.json does not say where the local cloud is"),
        (["-o", "out.png", "--local", __file__], "does not say where the local cloud is"),
    ],
)
def test_what_cannot_end_well_is_not_begun(
    shell: Run, deployment: Deployment, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, arguments: list[str], told: str
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = shell("try", "upl_1", "upl_2", *arguments)
    assert (code, out, deployment.requests) == (1, "", [])
    assert told in err
    assert "  remedy: " in err


def test_a_missing_file_is_named(shell: Run, tmp_path: Path) -> None:
    code, _, err = shell("try", tmp_path / "nobody.jpg", "upl_1", "-o", tmp_path / "out.png")
    assert (code, err.splitlines()[:2]) == (
        1,
        [f"error: The file {tmp_path / 'nobody.jpg'} cannot be read: No such file or directory.", "  field: /person"],
    )


def test_show_prints_no_link_unless_asked(
    shell: Run, vendor: Vendor, deployment: Deployment, person: Path, tee: Path, tmp_path: Path
) -> None:
    vendor.starts = [finished(mask=finished().images[0].data)]
    wanted = ("--provider", "nova_canvas", "--category", "tops", "--set", "output.mask=true")
    shell("try", person, tee, "-o", tmp_path / "out.png", *wanted)
    job_id = deployment.world.executions()[0]
    code, out, _ = shell("jobs", "show", job_id)
    job = json.loads(out)
    assert (code, job["id"], job["status"]) == (0, job_id, "succeeded")
    assert (job["images"][0]["width"], job["mask"]["width"]) == (360, 360)
    assert "Signature" not in out
    assert "Signature" in shell("jobs", "show", job_id, "--links")[1]
    assert shell("jobs", "show", job_id, "-o", tmp_path / "again.png")[0] == 0
    for again, first in (("again.png", "out.png"), ("again_mask.png", "out_mask.png")):
        assert (tmp_path / again).read_bytes() == (tmp_path / first).read_bytes()


@pytest.mark.parametrize("charged", ["yes", "unknown"])
def test_cancel_says_that_a_job_is_over_and_was_charged(
    shell: Run, vendor: Vendor, deployment: Deployment, charged: Charged
) -> None:
    vendor.starts = [failed("content_blocked", charged)]
    job_id = deployment.world.submit(provider="tryiton").job.id
    deployment.world.run(job_id)
    assert shell("jobs", "cancel", job_id)[1] == f"{job_id} is failed; charged: {charged}\n"


def test_cancel_says_whether_it_was_charged(shell: Run, deployment: Deployment) -> None:
    job_id = deployment.world.submit(provider="tryiton").job.id
    code, out, _ = shell("jobs", "cancel", job_id)
    assert (code, out) == (0, f"{job_id} is queued; charged: no\n")
    code, _, err = shell("jobs", "recover", job_id)
    assert code == 1
    assert "  remedy: " in err


def test_an_estimate_says_in_a_line_what_stops_each_other_provider(
    shell: Run, deployment: Deployment, person: Path, tee: Path
) -> None:
    code, out, _ = shell("estimate", person, tee, "--category", "tops", "--set", "output.seed=12")
    can, cannot = (part.splitlines() for part in out.split("\n\n"))
    assert code == 0 and can[0].startswith("PROVIDER") and cannot[0].split() == ["CANNOT", "WHY"]
    assert all(len(line) <= 110 for line in (*can, *cannot)), "it is read in a terminal"
    assert {line.split()[0] for line in cannot[1:]} >= {"fashn", "tryiton", "fal", "astria", "aidge", "gemini"}
    assert "tryiton    TryItOn does not take `output.seed` for the task `try_on`." in cannot


def test_estimate_and_providers_are_tables(shell: Run, deployment: Deployment, person: Path, tee: Path) -> None:
    code, out, _ = shell("estimate", person, tee, "--provider", "nova_canvas", "--category", "tops")
    assert (code, [line.split()[:5] for line in out.splitlines()][:2]) == (
        0,
        [["PROVIDER", "MODEL", "IMAGES", "AT", "MOST"], ["nova_canvas", "amazon.nova-canvas-v1:0", "1", "0.06", "USD"]],
    )
    code, out, _ = shell("providers")
    rows = {line.split()[0]: line.split()[1] for line in out.splitlines()}
    assert (code, rows["tryiton"], rows["fashn"]) == (0, "yes", "no")
    assert len(deployment.requests) == 2


def test_a_provider_whose_models_are_dead_is_not_usable(shell: Run, deployment: Deployment) -> None:
    deployment.world.at.sleep(60 * 86400)  # Nova Canvas has reached its end
    _, out, _ = shell("providers")
    rows = {line.split()[0]: line.split()[1] for line in out.splitlines()}
    assert (rows["nova_canvas"], rows["tryiton"]) == ("no", "yes")


def test_a_provider_that_the_key_may_not_use_is_not_usable(shell: Run) -> None:
    _, out, _ = shell("providers", "--key", TEST_KEY)
    rows = {line.split()[0]: line.split()[1] for line in out.splitlines()}
    assert (rows["tryiton"], rows["sandbox"]) == ("no", "yes")


def test_list_shows_as_many_as_asked(shell: Run, deployment: Deployment) -> None:
    page = {
        "items": [{"id": f"job_{n}", "status": "failed", "reference": TENANT} for n in range(3)],
        "next_cursor": "x",
    }
    deployment.before = lambda _: told(200, page)  # not served by the API yet
    code, out, _ = shell("jobs", "list", "--status", "failed", "--limit", "4")
    assert (code, [line.split()[0] for line in out.splitlines()]) == (0, ["JOB", "job_0", "job_1", "job_2", "job_0"])
    assert dict(deployment.requests[0].url.params) == {"limit": "4", "status": "failed"}


def test_address_and_key_of_the_local_cloud(shell: Run, deployment: Deployment, tmp_path: Path) -> None:
    file = tmp_path / "endpoints.json"
    file.write_text(json.dumps({"api": "https://api.example", "api_key": "fr_live_" + "9" * 32}))
    code, _, err = shell("providers", "--local", file)
    assert (code, deployment.requests[0].headers["authorization"]) == (1, "Bearer fr_live_" + "9" * 32)
    assert "has no valid API key" in err
    assert "9" * 32 not in err


@pytest.mark.parametrize(
    ("given", "host", "key"),
    [
        (["--local", "endpoints.json"], "local.example", "k_local"),
        (["--local", "endpoints.json", "--key", "k_mine"], "local.example", "k_mine"),
        (["--local", "endpoints.json", "--url", "https://mine.example"], "mine.example", "k_local"),
        (["--url", "https://mine.example", "--key", "k_mine"], "mine.example", "k_mine"),
    ],
)
def test_an_address_or_key_that_is_given_is_used(
    shell: Run,
    deployment: Deployment,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    given: list[str],
    host: str,
    key: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("endpoints.json").write_text(json.dumps({"api": "https://local.example", "api_key": "k_local"}))
    deployment.before = lambda _: told(200, {"items": []})
    shell("providers", *given)
    [asked] = deployment.requests
    assert (asked.url.host, asked.headers["authorization"]) == (host, f"Bearer {key}")


def test_an_interrupt_says_that_the_job_goes_on(
    shell: Run, clock: StillClock, person: Path, tee: Path, tmp_path: Path
) -> None:
    def press(_: float) -> None:
        raise KeyboardInterrupt

    clock.meanwhile = press
    code, _, err = shell("try", person, tee, "-o", tmp_path / "out.png", "--provider", "tryiton")
    assert code == 1
    assert err.splitlines()[0].startswith("job_")
    assert "goes on" in err.splitlines()[-1]
