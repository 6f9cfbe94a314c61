"""Every example of `docs/api.md`, in its order, sent to the API: the answers are as they are shown there.

A comment of the document says what happens between two examples. `...` stands for any text, any further fields (as a
name) or any further items. Ids and times are other ones; an id that is shown twice is the same one twice.
"""

from __future__ import annotations

import importlib
import json
import re
from datetime import timedelta
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

import pytest

from fitting_room.jobs.errors import CODES
from fitting_room.jobs.outcome import Finished
from fitting_room.providers import catalogue
from fitting_room.providers.fashn.entry import ENTRY as FASHN
from fitting_room.settings import settings
from fitting_room.stores import deliveries, uploads, webhooks
from infra.constructs.bundle import ROOT
from openapi.operations import OPERATIONS
from tests.integration.atelier import offer
from tests.integration.catalogue import Catalogue
from tests.integration.functions import described
from tests.integration.functions.events import CONTEXT, event
from tests.integration.world import LIVE_KEY, TENANT, Vendor, World, finished, pending, picture

TEXT = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
ID, TIME = r"(?<=[a-z]{3}_)[0-9A-Z]{26}", r"\d{4}-\d\d-\d\dT[\d:.]+Z"
DIFFERS = ("bytes", "sha256")


class Example(NamedTuple):
    method: str
    path: str
    headers: dict[str, str]
    body: Any
    status: int
    told: dict[str, str]
    answer: Any


def read(block: str) -> Example:
    asked, answered = block.split("\nHTTP ")
    (method, path), headers, body = _parts(asked)
    (status,), told, answer = _parts(answered)
    return Example(method, path, headers, body, int(status), told, answer)


def _parts(text: str) -> tuple[list[str], dict[str, str], Any]:
    first, *rest = text.strip().splitlines()
    headers: dict[str, str] = {}
    while rest and (found := re.fullmatch(r"([A-Z][A-Za-z-]+): (.+)", rest[0])):
        headers[found[1]] = found[2]
        del rest[0]
    return first.split(), headers, json.loads("\n".join(rest)) if rest else None


STORY = [
    found[1] or read(found[2])
    for found in re.finditer(r"<!-- (.*?) -->|^```http\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)
]


class Reader:
    """Sends what is shown, and does what a comment says."""

    def __init__(self, world: World, vendor: Vendor, handler: Any) -> None:
        self.world, self.vendor, self.handler = world, vendor, handler
        self.ids: dict[str, str] = {}
        self.made: dict[str, Any] = {}

    def real(self, text: str) -> str:
        return re.sub(ID, lambda shown: self.ids.get(shown[0], shown[0]), text)

    def send(self, shown: Example) -> None:
        path, _, query = self.real(shown.path).partition("?")
        headers = {name.lower(): value for name, value in shown.headers.items()}
        headers |= {"authorization": f"Bearer {LIVE_KEY}", "content-type": "application/json"}
        body = self.real(json.dumps(shown.body)) if shown.body is not None else None
        query = query.replace("2026-11-26", self.world.at.now().date().isoformat())
        sent = event(shown.method, path, body, headers=headers, query=dict(parse_qsl(query)))
        answer = self.handler(sent, CONTEXT)
        assert answer["statusCode"] == shown.status, answer["body"]
        for name, value in shown.told.items():
            self.compare(value, answer["headers"].get(name, ""), name)
        if shown.answer is not None:
            self.compare(shown.answer, json.loads(answer["body"]), shown.path)
        if shown.path == "/v1/jobs" and shown.status == 202:
            self.made = shown.body

    def compare(self, shown: Any, real: Any, where: str) -> None:
        if isinstance(shown, dict):
            names = shown.keys() - {"..."}
            assert names <= real.keys() if "..." in shown else names == real.keys(), (where, names ^ real.keys())
            for name in names - set(DIFFERS):
                self.compare(shown[name], real[name], f"{where}/{name}")
        elif isinstance(shown, list):
            more = shown[-1:] == ["..."]
            items = shown[:-1] if more else shown
            assert len(items) <= len(real) if more else len(items) == len(real), (where, real)
            for index, item in enumerate(items):
                self.compare(item, real[index], f"{where}/{index}")
        elif isinstance(shown, str):
            assert isinstance(real, str), (where, real)
            self.compare_texts(shown, real, where)
        else:
            assert shown == real, (where, real)

    def compare_texts(self, shown: str, real: str, where: str) -> None:
        for told, found in zip(re.findall(ID, shown), re.findall(ID, real), strict=False):
            self.ids.setdefault(told, found)
        day = r"^\d{4}-\d\d-\d\d$"
        if not (re.match(day, shown) and re.match(day, real)):
            known = re.sub(TIME, "<time>", self.real(shown))
            pattern = re.escape(known).replace(r"\.\.\.", ".*")
            assert re.fullmatch(pattern, re.sub(TIME, "<time>", real)), (where, real)

    def happen(self, comment: str) -> None:
        ids = [self.real(found) for found in re.findall(r"[a-z]{3}_[0-9A-Z]{26}", comment)]
        shown = re.findall(ID, comment)
        match re.sub(r"[a-z]{3}_[0-9A-Z]{26}", "ID", comment):
            case "ID and ID are sent":
                self.ids[shown[1]] = self.world.at.new_id("upl").partition("_")[2]
                for name, size in zip((ids[0], f"upl_{self.ids[shown[1]]}"), ((864, 1296), (1024, 1024)), strict=True):
                    key = self.world.put(name, picture(*size), folder=f"uploads/{TENANT}")
                    uploads.put(uploads.Upload(name, TENANT, key, "live"), self.world.at.now() + timedelta(days=1))
            case "ID succeeds":
                self.vendor.starts, self.vendor.polls = [pending("fa-123")], [finished(864, 1296, credits=1)]
                self.world.run(ids[0])
            case "the webhook of ID is told":
                owed = deliveries.get(ids[0])
                assert owed
                claimed = deliveries.claim(owed, self.world.at.now(), "2027")
                assert claimed
                deliveries.end(
                    claimed, claimed.tries["1"].model_copy(update={"status": 200, "seconds": 0.2}), "delivered"
                )
            case "ID is at the provider":
                self.world.at.sleep(60)
                self.vendor.starts = [pending("fa-124")]
                body = json.loads(self.real(json.dumps(self.made)))
                job_id = self.world.submit(body).job.id
                self.ids[shown[0]] = job_id.partition("_")[2]
                self.world.run_until_pending(job_id)
            case "ID is cancelled":
                self.world.broken(ids[0])
            case "ID makes the subject":
                self.vendor.starts, self.vendor.polls = [pending("tune-1")], [Finished([], token="ohwx")]
                self.world.run(ids[0])
            case "ID is run":
                self.vendor.starts, self.vendor.polls = [pending("fa-125")], [finished(864, 1296, credits=1)]
                Catalogue(self.world).run(ids[0])
            case "what is to be erased is erased":
                self.world.erase()
            case other:
                raise AssertionError(f"nobody knows how to do this: {other}")


def test_every_example_of_the_document_is_answered_as_it_says(
    world: World, vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    handler = importlib.import_module("functions.http.api.handler")
    monkeypatch.setattr(handler, "clock", world.at)
    monkeypatch.setenv("PROVIDER_SECRETS", json.dumps({name: f"secret-of-{name}" for name in ("fashn", "astria")}))
    settings.cache_clear()
    world.configure("fashn", "astria")
    offer(monkeypatch, [FASHN if each.id == "fashn" else each for each in catalogue.entries()])  # with its usual time
    webhooks.create(TENANT, world.at.now())
    reader = Reader(world, vendor, handler.handler)
    for each in STORY:
        reader.happen(each) if isinstance(each, str) else reader.send(each)


def test_every_call_has_an_example() -> None:
    shown = [
        described.operation(each.method, each.path.partition("?")[0]) for each in STORY if isinstance(each, Example)
    ]
    missing = {name for name, operation in OPERATIONS.items() if operation not in shown}
    assert not missing


def test_the_tree_of_errors_has_every_code_where_it_belongs() -> None:
    refused, failed = re.findall(r"^```text\nHTTP status.*?^```", TEXT, re.DOTALL | re.MULTILINE)[0].split("\n\n")
    status, refusals = 0, set[tuple[str, int]]()
    for line in refused.splitlines()[2:]:
        found = re.match(r"[│├└─ ]+(?:(\d{3}) )?([a-z_]+\b)", line)
        assert found, line
        status = int(found[1] or status)
        if found[2] in CODES:
            refusals.add((found[2], status))
    own = {(code, facts.status) for code, facts in CODES.items() if facts.status}
    assert refusals == own | {("invalid_input", 400), ("upload_missing", 409)}
    ends = set(re.findall(r"─ ([a-z_]+)(?: \*)?  ", failed))
    assert {code for code, facts in CODES.items() if facts.status is None} <= ends <= CODES.keys()
    for code, mark in re.findall(r"─ (?:\d{3} )?([a-z_]+)( \*)?  ", refused + failed):
        assert bool(mark) == CODES[code].retryable, code
