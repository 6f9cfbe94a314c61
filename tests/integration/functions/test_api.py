"""The API as a client meets it: HTTP API events (payload 2.0) in, answers out."""

from __future__ import annotations

import base64
import importlib
import io
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from botocore.exceptions import ClientError

from fitting_room.actions.requests import submit as submitting
from fitting_room.jobs.job import Mode
from fitting_room.jobs.outcome import Finished, Pending
from fitting_room.stores import aws, webhooks
from tests.deployment import choose
from tests.integration.atelier import Atelier
from tests.integration.catalogue import Catalogue
from tests.integration.functions import described
from tests.integration.functions.events import CONTEXT, event
from tests.integration.world import (
    LIVE_KEY,
    OTHER_KEY,
    TENANT,
    TEST_KEY,
    Vendor,
    World,
    failed,
    finished,
    pending,
    picture,
)

SHOP = "https://shop.example"


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)

    @property
    def codes(self) -> list[tuple[str, str | None]]:
        return [(fault["code"], fault.get("pointer")) for fault in self.json["errors"]]


Call = Callable[..., Answer]


@pytest.fixture
def call(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Call]:
    handler = importlib.import_module("functions.http.api.handler")
    monkeypatch.setattr(handler, "clock", world.at)

    def send(
        method: str,
        path: str,
        body: Any = None,
        *,
        key: str | None = LIVE_KEY,
        raw: str | None = None,
        base64_encoded: bool = False,
        query: dict[str, str] | None = None,
        **headers: str,
    ) -> Answer:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if key:
            sent["authorization"] = f"Bearer {key}"
        if body is not None or raw is not None:
            sent.setdefault("content-type", "application/json")
        text = json.dumps(body) if raw is None and body is not None else raw
        asked = event(method, path, text, headers=sent, query=query, base64_encoded=base64_encoded)
        answer = handler.handler(asked, CONTEXT)
        if method == "HEAD":
            return Answer(answer["statusCode"], {k.lower(): v for k, v in answer["headers"].items()}, answer["body"])
        found = {name.lower(): value for name, value in answer["headers"].items()}
        assert found["cache-control"] == "no-store", "answers hold links to photos of persons"
        if not 200 <= answer["statusCode"] < 400:
            assert found["content-type"] == "application/problem+json"
            problem = json.loads(answer["body"])
            assert problem["status"] == answer["statusCode"]
            assert {"type", "title", "code", "detail", "remedy", "retryable", "errors", "instance"} <= set(problem)
            assert problem["instance"] == f"urn:request:{found['request-id']}"
        described.check(method, path, answer["statusCode"], found, answer["body"])
        return Answer(answer["statusCode"], found, answer["body"])

    yield send


# ------------------------------------------------------------------------------------------------ keys and scopes
ROUTES = [(route.method, route.path) for route in importlib.import_module("functions.http.api.handler").ROUTES]
SCOPES = {
    ("POST", "/v1/uploads"): "submit",
    ("POST", "/v1/jobs"): "submit",
    ("POST", "/v1/jobs/estimate"): "read",
    ("GET", "/v1/jobs"): "read",
    ("GET", "/v1/jobs/<job_id>"): "read",
    ("DELETE", "/v1/jobs/<job_id>"): "erase",
    ("POST", "/v1/jobs/<job_id>/cancel"): "submit",
    ("POST", "/v1/jobs/<job_id>/retry"): "submit",
    ("POST", "/v1/jobs/<job_id>/recover"): "submit",
    ("GET", "/v1/jobs/<job_id>/images/<name>"): "read",
    ("GET", "/v1/jobs/<job_id>/deliveries"): "read",
    ("POST", "/v1/jobs/<job_id>/deliveries"): "submit",
    ("POST", "/v1/tokens"): "admin",
    ("POST", "/v1/subjects"): "submit",
    ("GET", "/v1/subjects"): "read",
    ("GET", "/v1/subjects/<subject_id>"): "read",
    ("DELETE", "/v1/subjects/<subject_id>"): "erase",
    ("DELETE", "/v1/owners/<owner>"): "erase",
    ("POST", "/v1/batches"): "submit",
    ("GET", "/v1/batches"): "read",
    ("GET", "/v1/batches/<batch_id>"): "read",
    ("GET", "/v1/batches/<batch_id>/jobs"): "read",
    ("POST", "/v1/batches/<batch_id>/cancel"): "submit",
    ("POST", "/v1/batches/<batch_id>/resume"): "submit",
    ("DELETE", "/v1/batches/<batch_id>"): "erase",
    ("GET", "/v1/batches/<batch_id>/report.csv"): "read",
    ("GET", "/v1/batches/<batch_id>/report.json"): "read",
    ("GET", "/v1/batches/<batch_id>/report.html"): "read",
    ("GET", "/v1/providers"): "read",
    ("GET", "/v1/usage"): "read",
    ("GET", "/v1/account"): "read",
}
ALL_SCOPES = {"submit", "read", "erase", "admin"}


def filled(path: str) -> str:
    """The path with ids in it of things that do not exist."""
    ids = {
        "<job_id>": "job_01J00000000000000000000001",
        "<batch_id>": "bat_01J00000000000000000000001",
        "<subject_id>": "sub_01J00000000000000000000001",
        "<name>": "1",
        "<owner>": "nobody",
    }
    for name, value in ids.items():
        path = path.replace(name, value)
    return path


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_every_route_needs_a_key(call: Call, method: str, path: str) -> None:
    assert call(method, filled(path), {}, key=None).codes == [("unauthorized", None)]


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Bearer",
        "Bearer nonsense",
        f"Basic {LIVE_KEY}",
        f"Bearer fr_live_{'z' * 32}",
        f"Bearer {LIVE_KEY} x",
        LIVE_KEY,
    ],
)
def test_no_valid_key_is_401_and_says_how(call: Call, authorization: str | None) -> None:
    headers = {} if authorization is None else {"authorization": authorization}
    answer = call("GET", "/v1/providers", key=None, **headers)
    assert (answer.status, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert answer.codes == [("unauthorized", None)]
    assert LIVE_KEY not in answer.text


def test_every_route_has_a_scope_here() -> None:
    assert set(SCOPES) == set(ROUTES)


@pytest.mark.parametrize(("method", "path"), SCOPES)
def test_a_key_without_the_scope_is_403_and_is_told_which(world: World, call: Call, method: str, path: str) -> None:
    scope = SCOPES[method, path]
    world.allow_key(LIVE_KEY, TENANT, "live", scopes=ALL_SCOPES - {scope})
    answer = call(method, filled(path), {})
    assert (answer.status, answer.codes) == (403, [("forbidden", None)])
    assert f"`{scope}`" in answer.json["detail"] and f"`{scope}`" in answer.json["remedy"]


@pytest.mark.parametrize(("method", "path"), SCOPES)
def test_a_key_with_the_scope_alone_reaches_the_route(world: World, call: Call, method: str, path: str) -> None:
    world.allow_key(LIVE_KEY, TENANT, "live", scopes={SCOPES[method, path]})
    assert call(method, filled(path), {}).status not in (401, 403)


@pytest.mark.parametrize(("method", "path"), [*ROUTES, ("GET", "/v1/docs"), ("GET", "/v1/openapi.json")])
def test_no_route_ignores_a_name_in_its_query(call: Call, method: str, path: str) -> None:
    answer = call(method, filled(path), {}, query={"limt": "1"})
    assert (answer.status, answer.codes) == (400, [("invalid_input", "/limt")])


@pytest.mark.parametrize(
    ("path", "asked", "meant"),
    [
        ("/v1/jobs", "created_afer", "Did you mean `created_after`?"),
        ("/v1/subjects", "curser", "Did you mean `cursor`?"),
        ("/v1/usage", "form", "Did you mean `from`?"),
        ("/v1/usage", "group", "use one of: from, to, by."),
        ("/v1/account", "by", "this call takes no query."),
    ],
)
def test_a_misspelt_name_of_a_query_is_answered_with_the_right_one(
    call: Call, path: str, asked: str, meant: str
) -> None:
    assert meant in call("GET", path, query={asked: "x"}).json["remedy"]


def test_a_scope_that_this_release_does_not_know_gives_nothing(world: World, call: Call) -> None:
    world.allow_key(LIVE_KEY, TENANT, "live", scopes={"everything"})
    assert call("GET", "/v1/providers").codes == [("forbidden", None)]


def test_the_scheme_is_not_case_sensitive(call: Call) -> None:
    assert call("GET", "/v1/providers", key=None, authorization=f"bearer {LIVE_KEY}").status == 200


def test_a_revoked_key_is_401_within_half_a_minute(world: World, call: Call) -> None:
    assert call("GET", "/v1/providers").status == 200
    world.allow_key(LIVE_KEY, TENANT, "live", revoked_at="2026-09-01T12:00:00.000Z")
    world.at.sleep(30)
    assert call("GET", "/v1/providers").status == 401


# ------------------------------------------------------------------------------------------------------ routes
@pytest.mark.parametrize("path", ["/", "/v1", "/v1/job", "/v1/jobs/x/images", "/v1/jobs/a/b/c", "/v2/jobs"])
def test_an_unknown_path_is_404(call: Call, path: str) -> None:
    answer = call("GET", path)
    assert (answer.status, answer.codes) == (404, [("not_found", None)])
    assert "tenant" not in answer.json["title"]
    assert "POST /v1/jobs," in answer.json["remedy"]


@pytest.mark.parametrize("path", ["a%2Fb%20c", "a/b%20c", "a/b c"])
def test_an_owner_is_named_in_the_path_whether_or_not_the_gateway_unquotes_it(call: Call, path: str) -> None:
    answer = call("DELETE", f"/v1/owners/{path}")
    assert (answer.status, answer.json) == (202, {"owner": "a/b c", "jobs": 0, "remains": []})


def test_an_unknown_path_is_told_the_route_that_was_meant(call: Call) -> None:
    for method, path, meant in (
        ("POST", "/v1/job", "POST /v1/jobs"),
        ("GET", "/v1/provider", "GET /v1/providers"),
        ("GET", "/jobs/job_01J00000000000000000000001", "GET /v1/jobs/{job_id}"),
    ):
        assert call(method, path).json["remedy"].startswith(f"Did you mean `{meant}`?")


def test_a_trailing_slash_means_nothing(world: World, call: Call) -> None:
    made = call("POST", "/v1/jobs/", world.body())
    assert made.status == 202
    assert call("GET", made.headers["location"] + "/").json["id"] == made.json["id"]
    assert call("GET", "/v1/providers/").status == 200
    assert call("PUT", "/v1/jobs/").status == 405


def test_head_answers_as_get_does_but_without_a_body(world: World, vendor: Vendor, call: Call) -> None:
    vendor.starts = [finished()]
    path = call("POST", "/v1/jobs", world.body()).headers["location"]
    world.run(path.rpartition("/")[2])
    for each in (path, f"{path}/images/1", f"{path}/images/2", "/v1/jobs/x", "/v1/jobs"):
        get, head = call("GET", each), call("HEAD", each)
        assert (head.status, head.text) == (get.status, "")
        assert set(head.headers) == set(get.headers)


def test_every_answer_carries_the_id_of_its_request(world: World, call: Call) -> None:
    answers = [
        call("GET", "/v1/providers"),
        call("POST", "/v1/jobs", world.body()),
        call("GET", "/nowhere"),
        call("POST", "/v1/jobs", raw="{"),
        call("GET", "/v1/providers", key=None),
        call("OPTIONS", "/v1/jobs", key=None, origin=SHOP),
        call("HEAD", "/v1/providers"),
    ]
    assert {answer.headers["request-id"] for answer in answers} == {"request-1"}
    shop = call("GET", "/v1/providers", origin=SHOP)
    assert "Request-Id" in shop.headers["access-control-expose-headers"]


@pytest.mark.parametrize("method", ["GET", "DELETE"])
@pytest.mark.parametrize("of", ["jobs", "subjects"])
@pytest.mark.parametrize(
    "wrong", ["a" * 3000, "job_" + "0" * 3000, "job_01j00000000000000000000001", "sub_1", "ü" * 900, "upl_" + "0" * 26]
)
def test_an_id_that_is_none_is_never_looked_up(call: Call, method: str, of: str, wrong: str) -> None:
    assert call(method, f"/v1/{of}/{wrong}").status == 404
    if (method, of) == ("GET", "jobs"):
        assert call("GET", f"/v1/jobs/{wrong}/images/1").status == 404


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/v1/jobs", "GET, POST"),
        ("DELETE", "/v1/jobs", "GET, POST"),
        ("GET", "/v1/owners/jane", "DELETE"),
        ("GET", "/v1/tokens", "POST"),
        ("POST", "/v1/jobs/job_1", "DELETE, GET"),
        ("PUT", "/v1/uploads", "POST"),
        ("POST", "/v1/providers", "GET"),
        ("GET", "/v1/jobs/estimate", "POST"),
        ("DELETE", "/v1/jobs/estimate", "POST"),
        ("POST", "/v1/docs", "GET"),
        ("PUT", "/v1/subjects", "GET, POST"),
        ("PATCH", "/v1/subjects/sub_1", "DELETE, GET"),
        ("POST", "/v1/jobs/job_1/images/1", "GET"),
        ("GET", "/v1/callbacks/fashn/a-token", "POST"),
    ],
)
def test_another_method_is_405_and_names_the_right_one(call: Call, method: str, path: str, allowed: str) -> None:
    answer = call(method, path)
    assert (answer.status, answer.headers["allow"], answer.codes) == (405, allowed, [("method_not_allowed", None)])
    assert allowed.replace(", ", " or ") in answer.json["remedy"]


@pytest.mark.parametrize("job_id", ["job_1", "ü", "\u2603", "%2e%2e", "a\nb"])
def test_an_unknown_job_is_404_whatever_its_id_looks_like(call: Call, job_id: str) -> None:
    assert call("GET", f"/v1/jobs/{job_id}").status == 404


# ------------------------------------------------------------------------------------------------------ bodies
@pytest.mark.parametrize("path", ["/v1/jobs", "/v1/uploads"])
def test_a_body_above_the_limit_is_413(call: Call, path: str) -> None:
    answer = call("POST", path, raw=json.dumps("ü" * 2_500_001, ensure_ascii=False))
    assert (answer.status, answer.codes) == (413, [("too_large", None)])
    assert "POST /v1/uploads" in answer.json["remedy"]


@pytest.mark.parametrize("content_type", ["text/plain", "multipart/form-data; boundary=x", "application/jsonp", ""])
def test_a_body_that_is_not_declared_as_json_is_415(call: Call, content_type: str) -> None:
    answer = call("POST", "/v1/jobs", {}, content_type=content_type)
    assert (answer.status, answer.codes) == (415, [("unsupported_media_type", None)])


def test_a_picture_sent_as_the_body_is_415(call: Call) -> None:
    raw = base64.b64encode(picture(50, 50)).decode()
    assert call("POST", "/v1/uploads", raw=raw, base64_encoded=True, content_type="image/png").status == 415


@pytest.mark.parametrize(
    "raw", ["", "{", "{'a': 1}", "[1,]", '{"a": NaN}', "[" * 100_000, '"' + "\\ud800" * 2, "9" * 5000]
)
def test_a_body_that_is_not_json_is_400(call: Call, raw: str) -> None:
    answer = call("POST", "/v1/jobs", raw=raw)
    assert (answer.status, answer.codes) == (400, [("invalid_input", "")])


@pytest.mark.parametrize("depth", [65, 300, 975, 980, 5000])
@pytest.mark.parametrize("path", ["/v1/jobs", "/v1/jobs/estimate", "/v1/uploads", "/v1/subjects"])
def test_a_body_that_is_nested_too_deep_is_400(call: Call, depth: int, path: str) -> None:
    for opened, closed in (("[", "]"), ('{"a":', "}")):
        deep = opened * depth + "1" + closed * depth
        raw = '{"task": "try_on", "provider_options": {"sandbox": {"x": ' + deep + "}}}"
        answer = call("POST", path, raw=raw)
        assert (answer.status, answer.codes) == (400, [("invalid_input", "")])
        assert "64 levels" in answer.json["detail"]


@pytest.mark.parametrize("encoding", ["gzip", "br", "GZIP, deflate"])
def test_a_packed_body_is_415_and_names_the_packing(call: Call, encoding: str) -> None:
    raw = base64.b64encode(b"\x1f\x8b\x08 and so on").decode()
    answer = call("POST", "/v1/jobs", raw=raw, base64_encoded=True, content_encoding=encoding)
    assert (answer.status, answer.codes) == (415, [("unsupported_media_type", None)])
    assert encoding.lower() in answer.json["detail"]
    assert "Content-Encoding" in answer.json["remedy"]


def test_a_body_that_says_it_is_not_packed_is_read(world: World, call: Call) -> None:
    assert call("POST", "/v1/jobs", world.body(), content_encoding="identity").status == 202


def test_thousands_of_faults_make_an_answer_of_bounded_size(call: Call) -> None:
    body = {"task": "try_on", **{f"field-{n}" + "x" * 300: n for n in range(5000)}}
    answer = call("POST", "/v1/jobs", body)
    assert answer.status == 422
    assert len(answer.json["errors"]) <= 60 and len(answer.text) < 60_000


def test_bytes_that_are_no_text_are_400(call: Call) -> None:
    assert call("POST", "/v1/jobs", raw=base64.b64encode(b"\xff\xfe{}").decode(), base64_encoded=True).status == 400


def test_a_body_in_base64_is_read_like_any_other(world: World, call: Call) -> None:
    raw = base64.b64encode(json.dumps(world.body()).encode()).decode()
    assert (
        call("POST", "/v1/jobs", raw=raw, base64_encoded=True, content_type="application/json; charset=utf-8").status
        == 202
    )


def test_all_faults_of_a_request_come_in_one_problem(call: Call) -> None:
    answer = call("POST", "/v1/jobs", {"task": "try_on", "person": {}, "garments": [], "webhook": {}, "zzz": 1})
    assert answer.status == 422
    assert set(answer.codes) == {
        ("invalid_input", "/webhook/url"),
        ("webhook_not_configured", "/webhook"),
        ("invalid_input", "/person"),
        ("invalid_input", "/garments"),
        ("invalid_input", "/zzz"),
    }
    assert answer.json["type"] == "urn:fitting-room:problem:invalid_input"
    assert answer.json["title"] == "A field breaks its rule"
    assert all(fault["remedy"] and fault["detail"] for fault in answer.json["errors"])


# -------------------------------------------------------------------------------------------------------- jobs
def test_a_job_is_accepted_with_the_address_to_ask_at(world: World, call: Call) -> None:
    answer = call("POST", "/v1/jobs", world.body(owner="shopper-1"))
    assert answer.status == 202
    assert answer.headers["content-type"] == "application/json"
    assert (answer.headers["location"], answer.headers["retry-after"]) == (f"/v1/jobs/{answer.json['id']}", "5")
    assert "idempotent-replayed" not in answer.headers
    again = call("GET", answer.headers["location"])
    assert (again.status, again.json, again.headers["retry-after"]) == (200, answer.json, "5")


def test_a_repeated_request_says_that_it_is_a_replay(world: World, call: Call) -> None:
    body = world.body()
    one = call("POST", "/v1/jobs", body, Idempotency_Key="order-1".upper())
    two = call("POST", "/v1/jobs", body, idempotency_key="ORDER-1")
    assert (one.status, two.status, two.headers["idempotent-replayed"]) == (202, 202, "true")
    assert one.json["id"] == two.json["id"]
    other = call("POST", "/v1/jobs", body | {"owner": "x"}, idempotency_key="ORDER-1")
    assert (other.status, other.codes) == (422, [("idempotency_conflict", None)])
    batches = [call("POST", "/v1/batches", {"jobs": [body]}, idempotency_key="ORDER-2") for _ in range(2)]
    assert [each.headers.get("idempotent-replayed") for each in batches] == [None, "true"]


# --------------------------------------------------------------------------------------------- Prefer: wait
def when_it_waits(world: World, monkeypatch: pytest.MonkeyPatch, act: Callable[[], Any]) -> None:
    """Do something during the first pause of a caller that waits."""
    sleep = world.at.sleep

    def slept(seconds: float) -> None:
        monkeypatch.setattr(world.at, "sleep", sleep)
        sleep(seconds)
        act()

    monkeypatch.setattr(world.at, "sleep", slept)


def test_a_caller_that_prefers_to_wait_gets_the_finished_job(
    world: World, vendor: Vendor, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    vendor.starts = [finished()]
    when_it_waits(world, monkeypatch, lambda: world.run(world.executions()[-1]))
    answer = call("POST", "/v1/jobs", world.body(), prefer="respond-async, wait=25")
    assert (answer.status, answer.json["status"]) == (200, "succeeded")
    assert answer.headers["preference-applied"] == "wait=25"
    assert answer.headers["location"] == f"/v1/jobs/{answer.json['id']}" and "retry-after" not in answer.headers


def test_a_wait_ends_in_time_for_an_answer(world: World, call: Call) -> None:
    answer = call("POST", "/v1/jobs", world.body(), prefer="wait=600")
    assert (answer.status, answer.json["step"], answer.headers["preference-applied"]) == (202, "queued", "wait=25")
    assert 24 < sum(world.at.slept) <= 25 and answer.headers["retry-after"]
    again = call("GET", answer.headers["location"], prefer="wait=3")
    assert (again.status, again.json["status"]) == (200, "queued")
    assert sum(world.at.slept) == pytest.approx(28, abs=0.1)


def test_a_finished_job_is_not_waited_for(world: World, vendor: Vendor, call: Call) -> None:
    vendor.starts = [finished()]
    path = call("POST", "/v1/jobs", world.body()).headers["location"]
    world.run(path.rpartition("/")[2])
    before = list(world.at.slept)
    answer = call("GET", path, prefer="wait=25")
    assert (answer.status, answer.headers["preference-applied"], world.at.slept) == (200, "wait=25", before)


def test_a_key_that_may_not_read_jobs_does_not_wait_for_one(world: World, call: Call) -> None:
    world.allow_key(LIVE_KEY, TENANT, "live", scopes={"submit"})
    answer = call("POST", "/v1/jobs", world.body(), prefer="wait=25")
    assert (answer.status, world.at.slept) == (202, []) and "preference-applied" not in answer.headers


ABOUT_JANE: dict[str, Any] = {"owner": "jane-8812", "reference": "A-77/8812", "metadata": {"note": "for Jane"}}
TOLD_OF_JANE = (
    "jane-8812",
    "A-77/8812",
    "for Jane",
    "s3://",
    "X-Amz-Signature",
    "/images/",
    "shop.example",
    "ohwx",
    "tune-8812",
)


def known_of(world: World, call: Call, atelier: Atelier, key: str) -> dict[tuple[str, str], Answer]:
    """The answers to every call that a key of one scope may make about Jane, by route."""
    named = {**ABOUT_JANE, "webhook": {"url": f"{SHOP}/hook"}}
    webhooks.create(TENANT, world.at.now())
    ids: list[str] = []
    for ending in (finished(), pending("vendor-2"), failed(charged="unknown")):
        atelier.starts = [ending]
        ids.append(call("POST", "/v1/jobs", world.body(**named), idempotency_key=f"order-{len(ids)}").json["id"])
        if isinstance(ending, Pending):
            world.run_until_pending(ids[-1])
            world.cancel(ids[-1])
        else:
            world.run(ids[-1])
    made, perhaps, dead = ids
    person = world.body()["person"]
    taught = {**PERSON, **named, "provider": "atelier", "pictures": [person]}
    atelier.starts, atelier.polls = [pending("tune-8812")], [Finished([], token="ohwx")]
    subject = call("POST", "/v1/subjects", taught, idempotency_key="person").json
    world.run(subject["links"]["job"].rpartition("/")[2])
    rows = {"jobs": [world.body(**ABOUT_JANE)], "reference": "A-77/8812", "hold": True}
    batch = call("POST", "/v1/batches", rows, idempotency_key="catalogue").json["id"]
    world.allow_key(LIVE_KEY, TENANT, "live", scopes={key})
    world.at.sleep(31)
    calls: dict[tuple[str, str], Any] = {
        ("POST", "/v1/uploads"): ("", {"content_type": "image/png", "bytes": 10_000}),
        ("POST", "/v1/jobs"): ("order-0", world.body(**named)),
        ("POST", "/v1/jobs/<job_id>/cancel"): (made, None),
        ("POST", "/v1/jobs/<job_id>/retry"): (dead, {"buy_again": True}),
        ("POST", "/v1/jobs/<job_id>/recover"): (perhaps, None),
        ("POST", "/v1/jobs/<job_id>/deliveries"): (made, None),
        ("POST", "/v1/subjects"): ("person", taught),
        ("POST", "/v1/tokens"): ("", {"owner": "jane-8812", "garments": ["https://shop.example/"]}),
        ("DELETE", "/v1/jobs/<job_id>"): (made, None),
        ("DELETE", "/v1/subjects/<subject_id>"): (subject["id"], None),
        ("DELETE", "/v1/owners/<owner>"): ("somebody", None),
        ("POST", "/v1/batches"): ("catalogue", rows),
        ("POST", "/v1/batches/<batch_id>/cancel"): (batch, None),
        ("POST", "/v1/batches/<batch_id>/resume"): (batch, None),
        ("DELETE", "/v1/batches/<batch_id>"): (batch, None),
    }
    assert set(calls) == {route for route, scope in SCOPES.items() if scope != "read"}
    answers = {}
    for (method, path), (name, body) in calls.items():
        if SCOPES[method, path] == key:
            there = re.sub("<.*>", name, path)
            answers[method, path] = call(method, there, body, idempotency_key=name or "new")
    return answers


@pytest.mark.parametrize("scope", ["submit", "erase", "admin"])
def test_a_key_that_may_not_read_is_told_nothing_of_the_person_and_the_images(
    world: World, call: Call, atelier: Atelier, scope: str
) -> None:
    for route, answer in known_of(world, call, atelier, scope).items():
        assert answer.status in (201, 202) or route == ("POST", "/v1/batches/<batch_id>/resume"), (route, answer.text)
        about = answer.text if route != ("POST", "/v1/uploads") else ""  # its form is a signed one, for the new file
        assert not [word for word in TOLD_OF_JANE if word in about], route


def test_it_is_told_where_a_job_stands_in_the_form_that_all_keys_get(world: World, vendor: Vendor, call: Call) -> None:
    vendor.starts = [finished()]
    path = call("POST", "/v1/jobs", world.body(**ABOUT_JANE)).headers["location"]
    world.run(path.rpartition("/")[2])
    whole = call("POST", f"{path}/cancel").json
    world.allow_key(LIVE_KEY, TENANT, "live", scopes={"submit"})
    world.at.sleep(31)
    part = call("POST", f"{path}/cancel").json
    empty: dict[str, Any] = {"owner": None, "reference": None, "metadata": {}, "images": [], "mask": None}
    assert part == {**whole, **empty, "links": {"self": path, "images": [], "mask": None}}
    assert whole["images"][0]["url"] and whole["owner"] == "jane-8812"


@pytest.mark.parametrize("prefer", ["wait", "wait=soon", "wait=0", "wait=-1", "await=3", "return=minimal", ""])
def test_a_preference_that_is_no_wait_changes_nothing(world: World, call: Call, prefer: str) -> None:
    answer = call("POST", "/v1/jobs", world.body(), prefer=prefer)
    assert (answer.status, world.at.slept) == (202, []) and "preference-applied" not in answer.headers


def test_a_used_up_budget_is_429_with_retry_after(world: World, call: Call) -> None:
    body = world.body(output={"count": 5})
    answers = [call("POST", "/v1/jobs", body) for _ in range(3)]
    assert [answer.status for answer in answers] == [202, 202, 429]
    assert 43_200 <= int(answers[2].headers["retry-after"]) <= 43_201
    assert answers[2].json["retryable"] is True


def test_a_test_key_that_names_a_vendor_is_403(world: World, call: Call) -> None:
    answer = call("POST", "/v1/jobs", world.body("test", provider="nova_canvas"), key=TEST_KEY)
    assert (answer.status, answer.codes) == (403, [("provider_not_allowed", "/provider")])


def test_another_tenant_gets_404_for_job_and_image(world: World, vendor: Vendor, call: Call) -> None:
    vendor.starts = [finished()]
    path = call("POST", "/v1/jobs", world.body()).headers["location"]
    world.run(path.rpartition("/")[2])
    for each in (path, f"{path}/images/1"):
        assert call("GET", each).status in (200, 303)
        assert call("GET", each, key=OTHER_KEY).status == 404


def test_an_image_is_a_redirect_to_a_fresh_link(world: World, vendor: Vendor, call: Call) -> None:
    vendor.starts = [finished()]
    path = call("POST", "/v1/jobs", world.body()).headers["location"]
    early = call("GET", f"{path}/images/1")
    assert (early.status, "queued" in early.json["detail"]) == (404, True)
    world.run(path.rpartition("/")[2])
    answer = call("GET", f"{path}/images/1")
    assert (answer.status, answer.text or "") == (303, "")
    assert "X-Amz-Expires=900" in answer.headers["location"]
    for n in ("0", "2", "-1", "one", "1.0", "9" * 5000, "١"):
        assert call("GET", f"{path}/images/{n}").status == 404
    done = call("GET", path)
    assert (done.json["status"], "retry-after" in done.headers) == ("succeeded", False)


def test_the_mask_has_an_address_that_lasts(world: World, vendor: Vendor, call: Call) -> None:
    vendor.starts = [finished(mask=finished().images[0].data)]
    path = call("POST", "/v1/jobs", world.body(output={"mask": True})).headers["location"]
    early = call("GET", f"{path}/images/mask")
    assert (early.status, early.json["remedy"].count("output.mask")) == (404, 1)
    world.run(path.rpartition("/")[2])
    done = call("GET", path).json
    assert (done["links"]["mask"], "n" in done["mask"]) == (f"{path}/images/mask", False)
    answer = call("GET", done["links"]["mask"])
    assert (answer.status, answer.text or "") == (303, "")
    assert "/mask.png?" in answer.headers["location"] and "X-Amz-Expires=900" in answer.headers["location"]
    assert call("GET", done["links"]["mask"], key=OTHER_KEY).status == 404


def test_an_upload_is_created(call: Call) -> None:
    answer = call("POST", "/v1/uploads", {"content_type": "image/png", "bytes": 100})
    assert answer.status == 201
    assert set(answer.json) == {"id", "post", "expires_at", "usable_until"}
    assert answer.json["post"]["fields"]["key"].endswith(answer.json["id"])
    assert (answer.json["expires_at"], answer.json["usable_until"]) == (
        "2026-09-01T12:15:00.000Z",
        "2026-09-04T12:00:00.000Z",
    ), "the form ends long before the upload does"


@pytest.mark.parametrize(
    "wrong", [{"bytes": "100"}, {"bytes": True}, {"bytes": 0}, {"content_type": "image/jpg"}, {"z": 1}]
)
def test_an_upload_is_as_strict_as_a_job(call: Call, wrong: dict[str, Any]) -> None:
    answer = call("POST", "/v1/uploads", {"content_type": "image/png", "bytes": 100, **wrong})
    assert (answer.status, answer.codes) == (422, [("invalid_input", f"/{next(iter(wrong))}")])
    assert answer.json["remedy"].endswith(".")


def test_the_providers_are_listed(call: Call) -> None:
    answer = call("GET", "/v1/providers")
    assert [item["id"] for item in answer.json["items"]] == [
        "nova_canvas",
        "stability",
        "fashn",
        "tryiton",
        "fal",
        "aidge",
        "sagemaker",
        "astria",
        "gemini",
        "sandbox",
    ]


# -------------------------------------------------------------------------------------------------------- CORS
def test_a_preflight_needs_no_key_and_names_methods_and_headers(call: Call) -> None:
    answer = call("OPTIONS", "/v1/jobs", key=None, origin=SHOP, access_control_request_method="POST")
    assert answer.status == 204
    assert (answer.headers["access-control-allow-origin"], answer.headers["vary"]) == (SHOP, "Origin")
    assert "POST" in answer.headers["access-control-allow-methods"]
    for name in ("Authorization", "Content-Type", "Idempotency-Key"):
        assert name in answer.headers["access-control-allow-headers"]


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "https://shop.example.evil.example", "null", "http://shop.example"]
)
def test_another_origin_gets_no_permission(call: Call, origin: str) -> None:
    for answer in (call("OPTIONS", "/v1/jobs", key=None, origin=origin), call("GET", "/v1/providers", origin=origin)):
        assert "access-control-allow-origin" not in answer.headers
        assert answer.headers["vary"] == "Origin", "a cache must not give this answer to the shop"


def test_every_answer_to_the_shop_can_be_read_by_it(world: World, call: Call) -> None:
    answers = [
        call("GET", "/v1/providers", origin=SHOP),
        call("POST", "/v1/jobs", world.body(), origin=SHOP),
        call("GET", "/v1/jobs/x", origin=SHOP),
        call("GET", "/nowhere", origin=SHOP),
        call("PUT", "/v1/jobs", origin=SHOP),
        call("GET", "/v1/providers", key=None, origin=SHOP),
        call("POST", "/v1/jobs", raw="{", origin=SHOP),
    ]
    assert [answer.status for answer in answers] == [200, 202, 404, 404, 405, 401, 400]
    assert {answer.headers.get("access-control-allow-origin") for answer in answers} == {SHOP}
    assert "Location" in answers[1].headers["access-control-expose-headers"]


def test_no_origin_is_allowed_unless_the_deployment_says_so(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    choose(monkeypatch, cors_origins=[])
    assert "access-control-allow-origin" not in call("GET", "/v1/providers", origin=SHOP).headers
    choose(monkeypatch, cors_origins=["https://a.example", "*"])
    assert call("GET", "/v1/providers", origin=SHOP).headers["access-control-allow-origin"] == SHOP


# -------------------------------------------------------------------------------------------- AWS has no room
TOKEN = {"owner": "jane", "max_jobs": 1, "garments": ["https://shop.example/garments/"]}


@pytest.mark.parametrize(("method", "path"), [("GET", "/v1/jobs/{id}"), ("POST", "/v1/jobs"), ("POST", "/v1/tokens")])
@pytest.mark.parametrize("code", ["ThrottlingException", "ProvisionedThroughputExceededException"])
def test_a_throttled_table_is_429_with_a_time_to_come_back(
    world: World, call: Call, monkeypatch: pytest.MonkeyPatch, logs: io.StringIO, method: str, path: str, code: str
) -> None:
    job_id = world.submit().job.id
    bodies: dict[str, Any] = {"/v1/jobs": world.body(owner="jane"), "/v1/tokens": TOKEN}
    assert call("GET", f"/v1/jobs/{job_id}").status == 200

    def throttled(**_: Any) -> None:
        raise ClientError({"Error": {"Code": code, "Message": "x"}}, "GetItem")

    client = aws.table().meta.client
    for table, names in ((aws.table(), ("get_item", "query", "update_item")), (client, ("transact_write_items",))):
        for name in names:
            monkeypatch.setattr(table, name, throttled)
    answer = call(method, path.format(id=job_id), bodies.get(path), origin=SHOP)
    assert (answer.status, answer.codes, answer.json["retryable"]) == (429, [("throttled", None)], True)
    assert answer.headers["retry-after"] == "1"
    assert "crashed" not in logs.getvalue()


def test_a_throttled_bucket_is_429_too(world: World, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    body = world.body(person={"data": base64.b64encode(picture(360, 540)).decode()})

    def slow_down(**_: Any) -> None:
        raise ClientError({"Error": {"Code": "SlowDown", "Message": "Please reduce your request rate."}}, "PutObject")

    monkeypatch.setattr(aws.s3(), "put_object", slow_down)
    answer = call("POST", "/v1/jobs", body)
    assert (answer.status, answer.codes, answer.headers["retry-after"]) == (429, [("throttled", None)], "1")


# ----------------------------------------------------------------------------------------------- what is not told
def test_our_own_fault_is_500_and_leaks_nothing(
    world: World, call: Call, monkeypatch: pytest.MonkeyPatch, logs: io.StringIO
) -> None:
    def crash(*_: Any, **__: Any) -> None:
        raise RuntimeError("https://signed.example/?X-Amz-Signature=abc Jane Doe")

    monkeypatch.setattr(submitting, "check", crash)
    answer = call("POST", "/v1/jobs", world.body(), origin=SHOP)
    assert (answer.status, answer.codes, answer.json["retryable"]) == (500, [("internal", None)], True)
    assert answer.headers["access-control-allow-origin"] == SHOP
    logged = logs.getvalue()
    assert "RuntimeError" in logged and "submit.py" in logged, "we can find it"
    for secret in ("signed.example", "Jane Doe"):
        assert secret not in answer.text + logged


def test_no_log_holds_a_key_a_link_a_picture_or_a_person(
    world: World, vendor: Vendor, call: Call, logs: io.StringIO
) -> None:
    vendor.starts = [finished()]
    text = base64.b64encode(picture(360, 540)).decode()
    body = world.body(person={"data": f"data:image/png;base64,{text}"}, owner="jane-doe", metadata={"name": "Jane Doe"})
    path = call("POST", "/v1/jobs", body, idempotency_key="idempotency-secret").headers["location"]
    world.run(path.rpartition("/")[2])
    call("GET", path)
    call("GET", f"{path}/images/1")
    call("POST", "/v1/jobs", body | {"person": {"url": "https://signed.example/?token=1"}, "merge": "x"})
    call("GET", "/v1/providers", key=f"fr_live_{'q' * 32}")
    logged = logs.getvalue()
    assert "job settled" in logged, "there is a log to look at"
    for secret in (
        LIVE_KEY,
        "q" * 32,
        "X-Amz",
        "signed.example",
        text[:30],
        "jane-doe",
        "Jane Doe",
        "idempotency-secret",
    ):
        assert secret not in logged


# ------------------------------------------------------------------------------------------------ subjects, erasing
PERSON = {"kind": "person", "class_name": "woman", "provider": "atelier"}


def teach(world: World, call: Call, key: str = LIVE_KEY, **headers: str) -> Answer:
    world.body()
    pictures = [{"s3": f"s3://inbox-bucket/drop/{TENANT}/person.png"}]
    return call("POST", "/v1/subjects", {**PERSON, "pictures": pictures}, key=key, **headers)


def test_a_subject_is_accepted_shown_listed_and_deleted(world: World, atelier: Atelier, call: Call) -> None:
    answer = teach(world, call, idempotency_key="k")
    assert (answer.status, answer.json["status"], answer.headers["retry-after"]) == (202, "training", "10")
    assert answer.headers["location"] == f"/v1/subjects/{answer.json['id']}" == answer.json["links"]["self"]
    again = teach(world, call, idempotency_key="k")
    assert (again.json["id"], again.headers["idempotent-replayed"]) == (answer.json["id"], "true")
    at = answer.headers["location"]
    shown = call("GET", at)
    assert (shown.status, shown.headers["retry-after"], shown.json) == (200, "10", answer.json)
    assert call("GET", "/v1/subjects").json == {"items": [answer.json], "next_cursor": None}
    assert call("GET", answer.json["links"]["job"]).json["subject"] == answer.json["id"]
    deleted = call("DELETE", at)
    assert (deleted.status, deleted.json) == (202, {"id": answer.json["id"], "remains": []})
    assert call("DELETE", at).status == 202, "as often as one likes"
    assert call("GET", at).json["erase_requested_at"]


def test_a_ready_subject_is_not_asked_for_again(world: World, atelier: Atelier, call: Call) -> None:
    atelier.starts = [Pending("tune-1", 1)]
    atelier.polls = [Finished([])]
    answer = teach(world, call)
    world.run(answer.json["links"]["job"].rpartition("/")[2])
    assert "retry-after" not in call("GET", answer.headers["location"]).headers


def test_a_batch_that_is_over_is_not_asked_for_again(world: World, vendor: Vendor, call: Call) -> None:
    vendor.starts = [finished()]
    made = call("POST", "/v1/batches", {"jobs": [world.body()]})
    at = made.headers["location"]
    assert [made.headers["retry-after"], call("GET", at).headers["retry-after"]] == ["5", "5"]
    Catalogue(world).run(made.json["id"])
    over = call("GET", at)
    assert (over.json["status"], "retry-after" in over.headers) == ("finished", False)


def test_another_tenant_neither_sees_nor_deletes_a_subject_or_a_job(world: World, atelier: Atelier, call: Call) -> None:
    links = teach(world, call).json["links"]
    for path in links.values():
        for method in ("GET", "DELETE"):
            assert call(method, path, key=OTHER_KEY).status == 404
    assert call("GET", "/v1/subjects", key=OTHER_KEY).json["items"] == []
    assert world.erasures == []


@pytest.mark.parametrize(
    "query",
    [
        {"limit": "0"},
        {"limit": "101"},
        {"limit": "x"},
        {"limit": "١٢"},
        {"limit": ""},
        {"cursor": "x"},
        {"cursor": "job_01J00000000000000000000001"},
    ],
)
def test_a_page_that_cannot_be_is_400(call: Call, query: dict[str, str]) -> None:
    answer = call("GET", "/v1/subjects", query=query)
    assert (answer.status, answer.codes) == (400, [("invalid_input", f"/{next(iter(query))}")])


def test_pages_of_subjects_follow_each_other(world: World, atelier: Atelier, call: Call) -> None:
    ids = [teach(world, call).json["id"] for _ in range(2)]
    first = call("GET", "/v1/subjects", query={"limit": "1"}).json
    second = call("GET", "/v1/subjects", query={"limit": "1", "cursor": first["next_cursor"]}).json
    assert [item["id"] for page in (first, second) for item in page["items"]] == ids[::-1]


def test_an_erased_job_answers_410_at_each_of_its_addresses(world: World, vendor: Vendor, call: Call) -> None:
    vendor.starts = [finished()]
    body = world.body()
    at = call("POST", "/v1/jobs", body, idempotency_key="k").headers["location"]
    world.run(at.rpartition("/")[2])
    answer = call("DELETE", at)
    assert (answer.status, [left["provider"] for left in answer.json["remains"]]) == (202, ["nova_canvas"])
    assert call("GET", at).json["erase_requested_at"], "not yet, but soon"
    world.erase()
    for path in (at, f"{at}/images/1", f"{at}/deliveries"):
        gone = call("GET", path)
        assert (gone.status, gone.codes) == (410, [("erased", None)])
    assert call("DELETE", at).json == answer.json
    again = call("POST", "/v1/jobs", body, idempotency_key="k")
    assert (again.status, again.codes) == (410, [("erased", None)]), "and is not made anew by a late repetition"
    assert call("DELETE", "/v1/jobs/job_unknown").status == 404


# ------------------------------------------------------------------------------------- cancel, retry and recover
def made(world: World, call: Call, vendor: Vendor, outcome: Any, **changes: Any) -> str:
    """The address of a job that ended as its vendor said."""
    vendor.starts = [outcome]
    at: str = call("POST", "/v1/jobs", world.body(**changes)).headers["location"]
    world.run(at.rpartition("/")[2])
    return at


def test_a_cancelled_job_is_answered_as_it_is_and_again_when_asked_again(
    world: World, vendor: Vendor, call: Call
) -> None:
    at = call("POST", "/v1/jobs", world.body()).headers["location"]
    answer = call("POST", f"{at}/cancel")
    assert (answer.status, answer.json["id"], answer.json["attempts"]) == (202, at.rpartition("/")[2], [])
    world.broken(answer.json["id"])
    for _ in range(2):
        answer = call("POST", f"{at}/cancel")
        assert (answer.status, answer.json["status"], answer.json["error"]["code"]) == (202, "cancelled", "cancelled")
    assert vendor.orders == []


def test_a_retry_is_accepted_with_the_new_job_s_address_and_replayed(world: World, vendor: Vendor, call: Call) -> None:
    at = made(world, call, vendor, failed("content_blocked"))
    first, second = call("POST", f"{at}/retry"), call("POST", f"{at}/retry", {"buy_again": False})
    assert (first.status, "idempotent-replayed" in first.headers) == (202, False)
    assert (second.status, second.headers["idempotent-replayed"]) == (202, "true")
    assert first.headers["location"] == second.headers["location"] == f"/v1/jobs/{first.json['id']}"
    assert first.json["retried_from"] == at.rpartition("/")[2]
    assert call("GET", at).json["retried_by"] == first.json["id"]


def test_a_retry_that_may_be_charged_twice_is_409_and_says_what_to_send(
    world: World, vendor: Vendor, call: Call
) -> None:
    at = made(world, call, vendor, failed("content_blocked", "yes"))
    answer = call("POST", f"{at}/retry")
    assert (answer.status, answer.codes) == (409, [("may_be_charged", None)])
    assert '{"buy_again": true}' in answer.json["remedy"]
    assert call("POST", f"{at}/retry", {"buy_again": True}).status == 202
    answer = call("POST", f"{at}/retry", {"buy_again": "yes"})
    assert (answer.status, answer.codes) == (422, [("invalid_input", "/buy_again")])


def test_a_recovery_is_accepted_with_the_new_job_s_address_and_replayed(
    world: World, vendor: Vendor, call: Call
) -> None:
    world.configure("tryiton")
    vendor.starts = [pending("v-9")]
    at = call("POST", "/v1/jobs", world.body(provider="tryiton")).headers["location"]
    job_id = at.rpartition("/")[2]
    world.run_until_pending(job_id)
    world.cancel(job_id)
    first, second = call("POST", f"{at}/recover"), call("POST", f"{at}/recover")
    assert (first.status, second.status, second.headers["idempotent-replayed"]) == (202, 202, "true")
    assert first.headers["location"] == second.headers["location"]
    assert first.json["recovered_from"] == job_id
    assert call("GET", at).json["recovered_by"] == first.json["id"]


def test_a_recovery_of_nothing_is_409(world: World, vendor: Vendor, call: Call) -> None:
    answer = call("POST", f"{made(world, call, vendor, failed('content_blocked'))}/recover")
    assert (answer.status, answer.codes) == (409, [("nothing_to_recover", None)])


@pytest.mark.parametrize("verb", ["cancel", "retry", "recover"])
@pytest.mark.parametrize("key", [OTHER_KEY, TEST_KEY])
def test_nobody_else_changes_a_job(world: World, vendor: Vendor, call: Call, verb: str, key: str) -> None:
    at = made(world, call, vendor, failed("content_blocked"))
    answer = call("POST", f"{at}/{verb}", key=key)
    assert (answer.status, answer.codes) == (404, [("not_found", None)])
    assert call("GET", f"{at}/{verb}").headers["allow"] == "POST"


def test_the_tries_of_a_webhook_are_shown_and_it_is_told_again(world: World, vendor: Vendor, call: Call) -> None:
    webhooks.create(TENANT, world.at.now())
    at = made(world, call, vendor, finished(), webhook={"url": "https://shop.example/hook?token=c0ffee"})
    shown = call("GET", f"{at}/deliveries")
    assert (shown.status, shown.json["status"], shown.json["host"]) == (200, "scheduled", "shop.example")
    assert "c0ffee" not in shown.text
    again = call("POST", f"{at}/deliveries")
    assert (again.status, again.json["items"]) == (202, [])
    without = made(world, call, vendor, finished())
    assert call("POST", f"{without}/deliveries").codes == [("conflict", None)]


@pytest.mark.parametrize(("owner", "stranger"), [(LIVE_KEY, TEST_KEY), (TEST_KEY, LIVE_KEY)])
def test_live_and_test_are_two_worlds(world: World, call: Call, owner: str, stranger: str) -> None:
    mode: Mode = "test" if owner == TEST_KEY else "live"
    at = call("POST", "/v1/jobs", world.body(mode), key=owner).headers["location"]
    world.broken(call("POST", f"{at}/cancel", key=owner).json["id"])
    for method, path in [
        ("GET", at),
        ("DELETE", at),
        ("GET", f"{at}/images/1"),
        ("GET", f"{at}/deliveries"),
        *(("POST", f"{at}/{verb}") for verb in ("cancel", "retry", "recover", "deliveries")),
    ]:
        assert call(method, path, key=stranger).codes == [("not_found", None)], (method, path)
        assert call(method, path, key=owner).status != 404 or path.endswith("/images/1"), (method, path)


def test_usage_is_told_to_a_key_of_the_tenant(world: World, call: Call, vendor: Vendor) -> None:
    vendor.starts = [finished()]
    world.run(world.submit().job.id)
    answer = call("GET", "/v1/usage", query={"by": "provider"})
    assert answer.status == 200 and answer.json["items"][0]["provider"] == "nova_canvas"
    assert call("GET", "/v1/usage", key=OTHER_KEY).json["total"]["jobs"] == 0
    assert call("GET", "/v1/usage", query={"by": "week"}).codes == [("invalid_input", "/by")]
