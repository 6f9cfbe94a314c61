"""The client's calls about batches, before an API that is made up here; its contact sheet is the real one."""

from __future__ import annotations

import email
import email.policy
import io
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from fitting_room.actions.batch.contact_sheet import sheet
from fitting_room.actions.batch.report import Facts, ReportRow
from fitting_room_client import BadInput, DeadlinePassed, FittingRoom, command
from tests.client import KEY, URL, Do, StillClock, doing, told

PNG, JPEG = b"\x89PNG\r\n\x1a\n" + b"p" * 9, b"\xff\xd8\xff" + b"j" * 9
ROWS = [
    ReportRow(2, "succeeded", "anna-tee", "job_1", results=("anna", "anna2"), person="person", garments=("tee",)),
    ReportRow(3, "succeeded", "anna/tee", "job_2", results=("again",), person="person", garments=("cap",)),
    ReportRow(4, "succeeded", "../../etc/passwd", "job_3", results=("evil",)),
    ReportRow(5, "failed", "ben", "job_4", person="person2"),
    ReportRow(6, "succeeded", "anna tee", "job_5", results=("more",)),
]


class Api:
    """The routes of batches. `looks`: what each look at the batch finds; the last one stays."""

    def __init__(self) -> None:
        self.looks: list[dict[str, Any]] = [{"status": "finished", "counts": {"rows": 2, "succeeded": 2}}]
        self.requests: list[tuple[str, str, Any]] = []
        self.stored: list[tuple[str, bytes]] = []
        self.keys: list[str] = []
        self.signature = 0
        """Of the links in the page that was asked for last."""

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.host == "bucket.example":
            return self._bucket(request)
        assert request.headers["authorization"] == f"Bearer {KEY}"
        body: Any = json.loads(request.content) if request.content else None
        self.requests.append((request.method, request.url.path, body))
        match request.method, request.url.path.split("/")[2:]:
            case "POST", ["uploads"]:
                post = {"url": "https://bucket.example/", "fields": {"type": body["content_type"]}}
                return told(201, {"id": f"upl_{len(self.stored)}", "post": post})
            case "POST", ["batches"]:
                self.keys.append(request.headers["idempotency-key"])
                return told(202, {"id": "bat_1", "status": "expanding"}, retry_after="5")
            case "GET", ["batches"]:
                newest = [
                    {"id": "bat_2", "status": "expanding"},
                    {"id": "bat_1", "status": "running", "counts": {"rows": 3, "failed": 1}},
                ]
                return told(200, {"items": newest[: int(request.url.params["limit"])]})
            case "GET", ["batches", "bat_1"]:
                look = self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]
                return told(200, {"id": "bat_1", **look}, retry_after="5")
            case "POST", ["batches", "bat_1", action]:
                return told(202, {"id": "bat_1", "status": "cancelled" if action == "cancel" else "running"})
            case "DELETE", ["batches", "bat_1"]:
                return told(202, {"id": "bat_1", "jobs": 7})
            case "GET", ["batches", "bat_1", "report.csv"] if self.looks[0]["status"] in ("running", "paused"):
                return told(409, {"code": "conflict", "detail": "This batch has no report yet.", "remedy": "Wait."})
            case "GET", ["batches", "bat_1", report]:
                page = request.url.params.get("page", "")
                return told(303, location=f"https://bucket.example/{report}{page}?Signature=secret")
        raise AssertionError(request.url.path)

    def _bucket(self, request: httpx.Request) -> httpx.Response:
        assert "authorization" not in request.headers
        if request.method == "POST":
            raw = b"Content-Type: " + request.headers["content-type"].encode() + b"\r\n\r\n" + request.content
            kind, file = (
                bytes(part.get_payload(decode=True))
                for part in email.message_from_bytes(raw, policy=email.policy.HTTP).iter_parts()
            )
            self.stored.append((kind.decode(), file))
            return httpx.Response(204)
        name = request.url.path.strip("/")
        if name == "report.csv":
            return httpx.Response(200, content=b"line,id\n")
        if name.startswith("report.html"):
            return httpx.Response(200, text=self._page(int(name.removeprefix("report.html"))))
        return httpx.Response(200, content=(JPEG if "anna" in name else PNG) + name.encode())

    def _page(self, page: int) -> str:
        self.signature += 1

        def link(name: str) -> str:
            mark = "#abc" if name in ("person", "person2") else ""
            return name and f"https://bucket.example/{name}?Signature={self.signature}&X=1{mark}"

        rows = [
            row._replace(
                person=link(row.person), garments=tuple(map(link, row.garments)), results=tuple(map(link, row.results))
            )
            for row in (ROWS[:2] if page == 1 else ROWS[2:])
        ]
        return sheet(Facts("bat_1", "finished", "", {"rows": 4}), rows, page, 2)

    def sent(self, method: str, path: str) -> list[Any]:
        return [body for asked, at, body in self.requests if (asked, at) == (method, path)]


@pytest.fixture
def api() -> Api:
    return Api()


@pytest.fixture
def clock() -> StillClock:
    return StillClock()


@pytest.fixture(params=["blocking", "awaiting"])
def do(request: pytest.FixtureRequest, api: Api, clock: StillClock) -> Do:
    return doing(request.param, api, clock)


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    (tmp_path / "anna.png").write_bytes(PNG)
    (tmp_path / "tee.jpg").write_bytes(JPEG)
    path = tmp_path / "autumn.csv"
    path.write_text("id,person,garment\n1,anna.png,tee.jpg\n2,anna.png,tee.jpg\n")
    return path


def test_each_file_is_uploaded_once_and_the_batch_is_created_under_one_key(do: Do, api: Api, manifest: Path) -> None:
    batch = do("batches.create", manifest, max_cost={"amount": 20, "currency": "USD"}, hold=None, reference="autumn")
    assert (batch.id, batch.status) == ("bat_1", "expanding")
    assert api.stored == [
        ("image/png", PNG),
        ("image/jpeg", JPEG),
        ("text/csv", b"id,person,garment\n1,upl_0,upl_1\n2,upl_0,upl_1\n"),
    ]
    assert api.sent("POST", "/v1/batches") == [
        {"manifest": {"upload": "upl_2"}, "max_cost": {"amount": 20, "currency": "USD"}, "reference": "autumn"}
    ]
    do("batches.create", manifest, idempotency_key="mine")
    assert len(set(api.keys)) == 2
    assert api.keys[1] == "mine"


def test_rows_of_a_program_are_sent_in_the_request_or_as_a_manifest_where_they_are_many(
    do: Do, api: Api, manifest: Path
) -> None:
    row = {"person": "https://x.example/a.jpg", "garments": [{"image": manifest.parent / "tee.jpg"}]}
    do("batches.create", [row, row])
    assert api.sent("POST", "/v1/batches")[0]["jobs"] == [{**row, "garments": [{"image": {"upload": "upl_0"}}]}] * 2
    do("batches.create", [{"prompt": "x"}] * 101)
    assert api.stored[-1] == ("application/jsonl", b"\n".join([b'{"prompt": "x"}'] * 101))
    assert api.sent("POST", "/v1/batches")[1] == {"manifest": {"upload": "upl_1"}}


def test_a_file_that_is_no_image_stops_the_batch_before_it_is_created(do: Do, api: Api, manifest: Path) -> None:
    (manifest.parent / "tee.jpg").write_text("no image")
    with pytest.raises(BadInput, match=r"tee\.jpg: The file is no image"):
        do("batches.create", manifest)
    assert not api.sent("POST", "/v1/batches")


def test_waiting_tells_each_change_and_ends_at_the_end_or_at_a_pause(do: Do, api: Api, clock: StillClock) -> None:
    running = {"status": "running", "counts": {"rows": 2}, "seconds_left": 9}
    done = {"status": "finished", "counts": {"rows": 2, "succeeded": 2}}
    api.looks = [running, running, {**running, "counts": {"rows": 2, "succeeded": 1}}, done]
    seen: list[Any] = []
    assert do("batches.wait", "bat_1", on_change=seen.append).over
    assert [(batch.status, batch.done) for batch in seen] == [("running", 0), ("running", 1), ("finished", 2)]
    assert clock.slept[-3:] == [5.0, 5.0, 5.0]
    api.looks = [{"status": "paused", "paused_for": {"code": "quota_exhausted", "detail": "No credit."}}]
    assert do("batches.wait", "bat_1").paused_for.code == "quota_exhausted"


def test_waiting_has_an_end_if_asked(do: Do, api: Api) -> None:
    api.looks = [{"status": "running"}]
    with pytest.raises(DeadlinePassed, match="its status is running") as caught:
        do("batches.wait", "bat_1", deadline=30)
    assert caught.value.batch
    assert caught.value.batch.id == "bat_1"


def test_the_folder_has_report_images_and_pages_that_work_without_the_api(do: Do, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert do("batches.save", "bat_1", out) == out / "index.html"
    assert (out / "report.csv").read_bytes() == b"line,id\n"
    names = {path.name for path in (out / "results").iterdir()}
    assert names == {"anna-tee.jpg", "anna-tee_2.jpg", "anna_tee.png", "anna_tee-7.png", "_.._etc_passwd.png"}
    assert (out / "results" / "anna_tee.png").read_bytes().endswith(b"again")
    assert len(list((out / "inputs").iterdir())) == 3, "equal images are there once"
    for page, other in (("index.html", "page-2.html"), ("page-2.html", "index.html")):
        html = (out / page).read_text()
        assert f'<a href="{other}">' in html
        assert "Signature" not in html
        assert "https://" not in html
    shown = [part.partition('"')[0] for part in (out / "index.html").read_text().split('src="')[1:]]
    assert len(shown) == 7
    assert all((out / name).is_file() for name in shown)


def test_links_that_expire_meanwhile_are_asked_for_again(do: Do, api: Api, clock: StillClock, tmp_path: Path) -> None:
    served = api._bucket

    def slow(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/anna2" and request.url.params["Signature"] == "1":
            clock.moment += 900
            return httpx.Response(403, text="<Message>Request has expired</Message>")
        return served(request)

    api._bucket = slow
    do("batches.save", "bat_1", tmp_path)
    assert api.signature == 3, "the first page was asked for twice"
    assert (tmp_path / "results" / "anna-tee_2.jpg").exists()


def test_an_image_that_is_gone_is_left_out(do: Do, api: Api, tmp_path: Path) -> None:
    served = api._bucket
    api._bucket = lambda request: httpx.Response(404) if request.url.path == "/person" else served(request)
    do("batches.save", "bat_1", tmp_path)
    assert '<img src="" alt="Person of anna-tee"' in (tmp_path / "index.html").read_text()
    assert (tmp_path / "results" / "anna-tee.jpg").exists()


@pytest.mark.parametrize(
    ("content", "suffix"),
    [
        (b"RIFF\x00\x00\x00\x00WEBPVP8 ", "webp"),
        (b"\x00\x00\x00\x20ftypavif", "avif"),
        (b"\x00\x00\x00\x20ftypheic", "heic"),
        (b"no image", "bin"),
    ],
)
def test_the_bytes_say_which_suffix_a_saved_image_gets(
    do: Do, api: Api, tmp_path: Path, content: bytes, suffix: str
) -> None:
    served = api._bucket

    def other(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=content) if request.url.path == "/anna" else served(request)

    api._bucket = other
    do("batches.save", "bat_1", tmp_path)
    assert (tmp_path / "results" / f"anna-tee.{suffix}").read_bytes() == content


def test_one_call_goes_from_the_manifest_to_the_folder(do: Do, api: Api, manifest: Path, tmp_path: Path) -> None:
    api.looks = [{"status": "running"}, {"status": "finished", "counts": {"rows": 2, "succeeded": 2}}]
    assert do("batch", manifest, save=tmp_path / "out", defaults={"category": "tops"}).status == "finished"
    assert api.sent("POST", "/v1/batches")[0]["defaults"] == {"category": "tops"}
    assert (tmp_path / "out" / "index.html").exists()


def test_the_other_calls(do: Do) -> None:
    assert do("batches.get", "bat_1").status == "finished"
    assert [batch.id for batch in do("batches.page").items] == ["bat_2", "bat_1"]
    assert do("batches.cancel", "bat_1").status == "cancelled"
    assert do("batches.resume", "bat_1").status == "running"
    assert do("batches.delete", "bat_1") == 7


Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def shell(api: Api, clock: StillClock, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the command: exit code, standard output, standard error. A person answers with `answer`, if there is one."""
    http = httpx.Client(transport=httpx.MockTransport(api))
    monkeypatch.setattr(command, "FittingRoom", partial(FittingRoom, http=http, clock=clock))
    monkeypatch.setenv("FITTING_ROOM_URL", URL)
    monkeypatch.setenv("FITTING_ROOM_KEY", KEY)

    def run(*arguments: object, answer: str | None = None) -> tuple[int, str, str]:
        stdin = io.StringIO(answer)
        monkeypatch.setattr(stdin, "isatty", lambda: answer is not None)
        monkeypatch.setattr("sys.stdin", stdin)
        code = command.main(["batch", *map(str, arguments)])
        out, err = capsys.readouterr()
        assert "Signature" not in out + err
        return code, out, err

    return run


def test_run_goes_from_a_manifest_to_the_contact_sheet(shell: Run, api: Api, manifest: Path) -> None:
    spent = {"spent": {"amount": 0.15, "currency": "USD", "credits": 2.0}}
    api.looks = [
        {"status": "running", "counts": {"rows": 2}, "cost": {"spent": {"amount": 0, "currency": "USD"}}},
        {"status": "finished", "counts": {"rows": 2, "succeeded": 2, "reused": 1}, "cost": spent},
    ]
    code, out, err = shell("run", manifest, "--max-cost", "20", "--max-images", "4", "--set", "output.count=2")
    assert (code, out) == (0, f"{manifest.with_suffix('') / 'index.html'}\n"), err
    assert err.splitlines() == [
        "2 of 2 files uploaded",
        "bat_1",
        "running: 2 rows, 0 USD",
        "finished: 2 rows, 2 succeeded, 1 reused, 0.15 USD, 2 credits",
        "page 2 of 2 saved",
        "2 rows, 2 succeeded, 1 reused; spent 0.15 USD, 2 credits",
    ]
    assert api.sent("POST", "/v1/batches") == [
        {
            "manifest": {"upload": "upl_2"},
            "max_cost": {"amount": 20.0, "currency": "USD"},
            "max_images": 4,
            "reference": "autumn.csv",
            "defaults": {"output": {"count": 2}},
        }
    ]


@pytest.mark.parametrize(("answer", "bought"), [("y\n", True), ("Yes\n", True), ("\n", False), ("no\n", False)])
def test_a_person_sees_the_estimate_and_is_asked(
    shell: Run, api: Api, manifest: Path, answer: str, bought: bool
) -> None:
    held = {
        "status": "paused",
        "counts": {"rows": 2, "invalid": 1},
        "images": {"most": 4},
        "cost": {"most": {"amount": 0.3, "currency": "USD", "credits": 0.0}},
        "row_errors": [
            {
                "code": "invalid_input",
                "count": 1,
                "example": None,
                "line": 3,
                "pointer": "/garments/0/category",
                "detail": "There is no such value.",
                "remedy": "Use tops.",
            }
        ],
    }
    api.looks = [held, {"status": "finished", "counts": {"rows": 2, "succeeded": 2}}]
    code, out, err = shell("run", manifest, answer=answer)
    assert code == 0
    assert (
        "2 rows, 1 invalid; at most 4 images and 0.3 USD at list prices\n"
        "  1 invalid at /garments/0/category, first in line 3: There is no such value. Use tops.\n"
        "  to see each row: fitting-room batch show bat_1 -o FOLDER\n"
        "run it? [y/N] " in err
    )
    assert api.sent("POST", "/v1/batches")[0]["hold"] is True
    assert len(api.sent("POST", "/v1/batches/bat_1/resume")) == bought
    assert bool(out) == bought
    assert ("fitting-room batch resume bat_1" in err) != bought


def test_a_held_batch_is_resumed_later(shell: Run, api: Api, manifest: Path, tmp_path: Path) -> None:
    api.looks = [{"status": "paused", "counts": {"rows": 2}}]
    assert shell("run", manifest, "--hold")[0] == 0
    assert not api.sent("POST", "/v1/batches/bat_1/resume")
    api.looks = [{"status": "finished", "counts": {"rows": 2, "succeeded": 2}}]
    code, out, _ = shell("resume", "bat_1", "-o", tmp_path / "out")
    assert (code, out) == (0, f"{tmp_path / 'out' / 'index.html'}\n")
    assert shell("run", manifest, "--yes", answer="")[0] == 0
    assert "hold" not in api.sent("POST", "/v1/batches")[1]


@pytest.mark.parametrize(
    ("look", "told"),
    [
        (
            {"status": "finished", "counts": {"rows": 3, "succeeded": 1, "failed": 1, "invalid": 1}},
            ["error: 2 of 3 rows have no result.", "Run the manifest again: only what is missing is bought."],
        ),
        (
            {"status": "failed", "errors": [{"code": "invalid_input", "detail": "Too dear.", "remedy": "Raise it."}]},
            ["error: Too dear.", "  remedy: Raise it."],
        ),
        (
            {
                "status": "paused",
                "paused_for": {"code": "quota_exhausted", "detail": "No credit.", "remedy": "Buy some."},
            },
            ["error: No credit.", "  remedy: Buy some.", "Go on: fitting-room batch resume bat_1"],
        ),
    ],
)
def test_a_batch_without_all_results_fails_and_says_why(
    shell: Run, api: Api, manifest: Path, look: dict[str, Any], told: list[str]
) -> None:
    api.looks = [look]
    code, _, err = shell("run", manifest)
    assert code == 1
    for part in told:
        assert part in err
    assert (manifest.with_suffix("") / "report.csv").exists() == (look["status"] != "paused")


def test_a_missing_file_is_told_with_its_line_and_nothing_is_sent(shell: Run, api: Api, manifest: Path) -> None:
    (manifest.parent / "tee.jpg").unlink()
    code, _, err = shell("run", manifest)
    assert code == 1
    assert "  field: line 2, garment\n  remedy: " in err
    assert not api.requests


def test_a_held_batch_is_saved_without_a_report(shell: Run, api: Api, tmp_path: Path) -> None:
    api.looks = [{"status": "paused", "counts": {"rows": 2}}]
    code, out, _ = shell("show", "bat_1", "-o", tmp_path / "out")
    assert (code, out) == (0, f"{tmp_path / 'out' / 'index.html'}\n")
    assert (tmp_path / "out" / "index.html").exists()
    assert not (tmp_path / "out" / "report.csv").exists()


def test_list_show_and_cancel(shell: Run) -> None:
    newest = "bat_2  expanding  0 rows\n"
    assert shell("list")[1] == newest + "bat_1  running    3 rows, 1 failed\n"
    assert shell("list", "--limit", "1")[1] == newest
    assert json.loads(shell("show", "bat_1")[1])["status"] == "finished"
    assert shell("cancel", "bat_1")[1].startswith("bat_1 is cancelled: ")
