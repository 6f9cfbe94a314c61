"""Tokens for browsers: what one allows works, and every try to step out of it is refused with its reason."""

# ruff: noqa: F811  the fixture `call` is imported

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from fitting_room.jobs.errors import Fault
from fitting_room.jobs.outcome import Failed
from fitting_room.jobs.token import lies_under
from tests.deployment import choose
from tests.integration.functions.test_api import ROUTES, Answer, Call, call  # noqa: F401  a fixture
from tests.integration.world import (
    INBOX,
    LIVE_KEY,
    MEDIA,
    TENANT,
    TEST_KEY,
    Vendor,
    World,
    failed,
    finished,
    pending,
    picture,
)

PREFIX = "https://shop.example/garments/"
TEE = {"image": {"url": PREFIX + "tee.png"}, "category": "tops"}
LISTED = {"s3": f"s3://{INBOX}/drop/{TENANT}/garment.png"}
Shopper = Callable[..., Answer]


@pytest.fixture
def token(world: World, call: Call) -> Callable[..., str]:
    world.body()  # its files are there

    def create(owner: str = "jane", **changes: Any) -> str:
        asked = {"owner": owner, "max_jobs": 3, "garments": [PREFIX, LISTED], **changes}
        answer = call("POST", "/v1/tokens", asked)
        assert answer.status == 201, answer.text
        return str(answer.json["token"])

    return create


@pytest.fixture
def send(call: Call) -> Shopper:
    def send(token: str, method: str, path: str, body: Any = None, **facts: Any) -> Answer:
        return call(method, path, body, key=token, **facts)

    return send


def uploaded(world: World, send: Shopper, token: str) -> dict[str, str]:
    answer = send(token, "POST", "/v1/uploads", {"content_type": "image/png", "bytes": 5000})
    assert answer.status == 201, answer.text
    world.put(answer.json["id"], picture(360, 540), folder=f"uploads/{TENANT}")
    return {"upload": answer.json["id"]}


def body(world: World, send: Shopper, token: str, **changes: Any) -> dict[str, Any]:
    return {"person": uploaded(world, send, token), "garments": [{"image": LISTED, "category": "tops"}], **changes}


def submitted(world: World, send: Shopper, token: str, **changes: Any) -> str:
    answer = send(token, "POST", "/v1/jobs", body(world, send, token, **changes))
    assert answer.status == 202, answer.text
    return str(answer.json["id"])


def stored(world: World) -> int:
    return sum(item["sk"] == "JOB" for item in world.items())


# ------------------------------------------------------------------------------------------------ what a token is for
def test_a_shopper_submits_sees_lists_cancels_retries_and_erases_her_own(
    world: World, vendor: Vendor, token: Callable[..., str], send: Shopper
) -> None:
    vendor.starts = [failed("content_blocked"), finished()]
    jane = token(request={"provider": "nova_canvas", "output": {"seed": 12}, "reference": "of the shop"})
    first = submitted(world, send, jane, reference="A-1")
    world.run(first)
    seen = send(jane, "GET", f"/v1/jobs/{first}").json
    assert (seen["owner"], seen["reference"]) == ("jane", "A-1")
    assert world.job(first).request.output.seed == 12
    again = send(jane, "POST", f"/v1/jobs/{first}/retry", {"buy_again": True})
    assert again.status == 202, again.text
    world.run(again.json["id"])
    assert send(jane, "GET", f"/v1/jobs/{again.json['id']}/images/1").status == 303
    world.submit(owner="joe")
    assert [job["id"] for job in send(jane, "GET", "/v1/jobs").json["items"]] == [again.json["id"], first]
    assert send(jane, "POST", f"/v1/jobs/{first}/cancel").status == 202
    assert send(jane, "DELETE", f"/v1/jobs/{first}").status == 202


def test_a_garment_under_the_prefix_may_not_be_redirected_out_of_it(
    world: World, token: Callable[..., str], send: Shopper
) -> None:
    job = world.job(submitted(world, send, token(), garments=[TEE]))
    assert (job.sources["garment-0"].url, job.sources["garment-0"].within) == (PREFIX + "tee.png", PREFIX)
    exact = {"url": "https://other.example/a.png?x=1"}
    job = world.job(submitted(world, send, token(garments=[exact]), garments=[{"image": exact, "category": "tops"}]))
    assert job.sources["garment-0"].within is None


def test_a_token_has_no_more_scopes_than_its_key(
    world: World, call: Call, token: Callable[..., str], send: Shopper
) -> None:
    world.allow_key(LIVE_KEY, TENANT, "live", scopes={"admin", "submit"})
    assert send(token(), "GET", "/v1/jobs").codes == [("forbidden", None)]


def test_a_token_is_stored_as_a_hash(world: World, token: Callable[..., str]) -> None:
    secret = token()
    assert secret.removeprefix("fr_token_") not in json.dumps(world.items(), default=str)


def inside(told: Any) -> Iterator[tuple[str, Any]]:
    """Every named value of an answer."""
    if isinstance(told, dict):
        yield from told.items()
    for part in told.values() if isinstance(told, dict) else told if isinstance(told, list) else []:
        yield from inside(part)


def test_a_shopper_is_told_nothing_of_what_the_shop_pays_and_keeps(
    world: World, vendor: Vendor, token: Callable[..., str], call: Call, send: Shopper
) -> None:
    fault = Fault.of(
        "content_blocked", "Refused.", "Change it.", provider="tryiton", provider_code="E9", provider_detail="acct 7"
    )
    vendor.starts = [pending("vendor-7"), pending("vendor-8"), pending("vendor-9")]
    vendor.polls = [Failed(fault, "no"), finished()]
    world.configure("tryiton")
    jane = token(request={"provider": "tryiton", "metadata": {"margin": "low"}})
    first = submitted(world, send, jane)
    world.run(first)
    again = send(jane, "POST", f"/v1/jobs/{first}/retry")
    world.run(again.json["id"])
    last = send(jane, "POST", "/v1/jobs", body(world, send, jane))
    world.run_until_pending(last.json["id"])
    cancelled = send(jane, "POST", f"/v1/jobs/{last.json['id']}/cancel")
    world.broken(last.json["id"])
    recovery = send(jane, "POST", f"/v1/jobs/{last.json['id']}/recover")
    seen = [send(jane, "GET", f"/v1/jobs/{job_id}") for job_id in (first, again.json["id"], last.json["id"])]
    answers = [again, last, cancelled, recovery, *seen, send(jane, "GET", "/v1/jobs")]
    assert [answer.status for answer in answers] == [202, 202, 202, 202, 200, 200, 200, 200]
    assert seen[0].json["error"]["detail"] == "Refused." and seen[1].json["images"][0]["url"], "what is hers stays"

    told = [pair for answer in answers for pair in inside(answer.json)]
    hidden = ("amount", "credits", "basis", "provider_seconds", "cost", "s3", "metadata", "provider_job_id")
    assert {
        name: value for name, value in told if name in (*hidden, "provider_code", "provider_detail") and value
    } == {}
    linked = [str(value) for name, value in told if name == "url"]
    text = functools.reduce(lambda left, link: left.replace(link, ""), linked, "".join(each.text for each in answers))
    for secret in ("margin", "vendor-", "E9", "acct 7", MEDIA, INBOX, "list price"):
        assert secret not in text
    assert MEDIA in call("GET", f"/v1/jobs/{again.json['id']}").json["images"][0]["s3"], "the shop itself sees all"


# --------------------------------------------------------------------------------------------------- stepping out
def job_of_joe(world: World) -> str:
    return world.submit(owner="joe").job.id


def garment(url: str) -> dict[str, Any]:
    return {"garments": [{"image": {"url": url}, "category": "tops"}]}


ROUTES_OF_SHOPS = [
    ("POST", "/v1/jobs/estimate"),
    ("GET", "/v1/jobs/<job_id>/deliveries"),
    ("POST", "/v1/jobs/<job_id>/deliveries"),
    ("POST", "/v1/tokens"),
    ("POST", "/v1/subjects"),
    ("GET", "/v1/subjects"),
    ("DELETE", "/v1/owners/jane"),
    ("POST", "/v1/batches"),
    ("GET", "/v1/batches"),
    ("GET", "/v1/batches/<batch_id>"),
    ("GET", "/v1/batches/<batch_id>/jobs"),
    ("POST", "/v1/batches/<batch_id>/cancel"),
    ("POST", "/v1/batches/<batch_id>/resume"),
    ("DELETE", "/v1/batches/<batch_id>"),
    ("GET", "/v1/batches/<batch_id>/report.csv"),
    ("GET", "/v1/batches/<batch_id>/report.json"),
    ("GET", "/v1/batches/<batch_id>/report.html"),
    ("GET", "/v1/providers"),
    ("GET", "/v1/usage"),
    ("GET", "/v1/account"),
]
JOBS_OF_OTHERS = [
    ("GET", ""),
    ("GET", "/images/1"),
    ("POST", "/cancel"),
    ("POST", "/retry"),
    ("POST", "/recover"),
    ("DELETE", ""),
]
BODIES: list[dict[str, Any]] = [
    {"owner": "joe"},
    {"owner": "jane"},
    {"task": "try_on"},
    {"provider": "tryiton"},
    {"output": {"count": 8, "quality": "best"}},
    {"provider_options": {}},
    {"metadata": {}},
    {"mask": {"type": "prompt", "prompt": "everything"}},
    {"prompt": "a castle"},
    {"webhook": {"url": "https://evil.example/"}},
    {"reuse": True},
    {"moderation": "none"},
    {"person": {"url": PREFIX + "joe.png"}},
    {"person": {"s3": f"s3://{INBOX}/drop/{TENANT}/person.png"}},
    {"person": {"data": "data:image/png;base64,AAAA"}},
    {"person": {"subject": "sub_01J00000000000000000000001"}},
    {"person": {"upload": "upl_01J00000000000000000000001", "url": PREFIX}},
    {"garments": [{"image": {"s3": f"s3://{INBOX}/drop/{TENANT}/other.png"}, "category": "tops"}]},
    {"garments": [{"image": {**LISTED, "url": PREFIX + "x.png"}}]},
    {"garments": [{"image": LISTED, "subject": "sub_01J00000000000000000000001"}]},
    {"garments": [{"subject": "sub_01J00000000000000000000001"}]},
    {"garments": [{"image": LISTED, "category": "tops"}, {"image": {"url": "https://evil.example/x.png"}}]},
    {"garments": {"image": LISTED}},
    garment("https://evil.example/garments/x.png"),
    garment("https://shop.example.evil.example/garments/x.png"),
    garment("https://shop.example/garments-of-others/x.png"),
    garment("https://shop.example/other/x.png"),
    garment(PREFIX + "../private/x.png"),
    garment(PREFIX + "%2e%2e/private/x.png"),
    garment(PREFIX + "a/%252e%252e/%252e%252e/private/x.png"),
    garment(PREFIX + "..%2fprivate/x.png"),
    garment(PREFIX + "..;/private/x.png"),
    garment(PREFIX + "..\\private\\x.png"),
    garment("https://shop.example@evil.example/garments/x.png"),
    garment("https://evil.example/?https://shop.example/garments/x.png"),
    garment("https://evil.example#@shop.example/garments/x.png"),
    garment("https://shop.example:8443/garments/x.png"),
    garment("http://shop.example/garments/x.png"),
    garment("//shop.example/garments/x.png"),
    garment("https://SHOP.example./garments/x.png"),
]


@pytest.mark.parametrize("changes", BODIES, ids=lambda changes: json.dumps(changes)[:80])
def test_a_body_that_steps_out_is_refused_with_its_reason(
    world: World, token: Callable[..., str], send: Shopper, changes: dict[str, Any]
) -> None:
    jane = token()
    answer = send(jane, "POST", "/v1/jobs", body(world, send, jane) | changes)
    assert (answer.status, {code for code, _ in answer.codes}) == (403, {"forbidden"})
    assert (answer.json["pointer"] + "/").startswith(f"/{next(iter(changes))}/")
    assert answer.json["detail"] and answer.json["remedy"]
    assert stored(world) == 0 and world.spent() == (0, 0)


@pytest.mark.parametrize(("method", "path"), ROUTES_OF_SHOPS)
def test_a_call_of_the_shop_is_refused(token: Callable[..., str], send: Shopper, method: str, path: str) -> None:
    answer = send(token(), method, path.replace("<", "").replace(">", ""), {} if method == "POST" else None)
    assert (answer.status, answer.codes) == (403, [("forbidden", None)])
    assert "token" in answer.json["detail"]


def test_every_route_is_either_a_shoppers_or_tried_here() -> None:
    tried = {(method, path.replace("jane", "<owner>")) for method, path in ROUTES_OF_SHOPS}
    theirs = {(method, f"/v1/jobs/<job_id>{rest}".replace("/1", "/<name>")) for method, rest in JOBS_OF_OTHERS}
    one = {("GET", "/v1/subjects/<subject_id>"), ("DELETE", "/v1/subjects/<subject_id>")}
    assert set(ROUTES) == tried | theirs | one | {("POST", "/v1/uploads"), ("POST", "/v1/jobs"), ("GET", "/v1/jobs")}


@pytest.mark.parametrize(("method", "rest"), JOBS_OF_OTHERS)
def test_a_job_of_another_owner_is_unknown(
    world: World, token: Callable[..., str], send: Shopper, method: str, rest: str
) -> None:
    answer = send(token(), method, f"/v1/jobs/{job_of_joe(world)}{rest}")
    assert (answer.status, answer.codes) == (404, [("not_found", None)])


@pytest.mark.parametrize("asked", [None, {"buy_again": True}])
def test_a_retry_of_a_job_that_the_token_could_not_have_made_is_refused(
    world: World, vendor: Vendor, token: Callable[..., str], call: Call, send: Shopper, asked: Any
) -> None:
    vendor.starts = [failed("content_blocked", "unknown")]
    costly: dict[str, Any] = {"output": {"count": 3}}
    by_key = call("POST", "/v1/jobs", world.body(owner="jane", **costly)).json["id"]
    by_token = submitted(world, send, token(request=costly))
    for job_id in (by_key, by_token):
        world.run(job_id)
    before = world.spent()
    jane = token(max_jobs=1, request={"output": {"count": 1}})
    for job_id in (by_key, by_token):
        answer = send(jane, "POST", f"/v1/jobs/{job_id}/retry", asked)
        assert (answer.status, answer.codes) == (403, [("forbidden", None)]), answer.text
        assert answer.json["remedy"].startswith("Submit a new job")
    assert (stored(world), world.spent()) == (2, before)
    again = send(token(max_jobs=1, request=costly), "POST", f"/v1/jobs/{by_token}/retry", {"buy_again": True})
    assert again.status == 202, "a later token of the same terms could have submitted this very job"
    assert world.job(again.json["id"]).request.output.count == 3


def test_a_retry_of_a_recovery_is_held_to_the_same_terms(
    world: World, vendor: Vendor, token: Callable[..., str], send: Shopper
) -> None:
    vendor.starts, vendor.polls = [pending()], [failed("content_blocked")]
    world.configure("tryiton")
    first = submitted(world, send, token(request={"provider": "tryiton"}))
    world.run_until_pending(first)
    world.cancel(first)
    recovery = send(token(), "POST", f"/v1/jobs/{first}/recover").json["id"]
    world.run(recovery)
    assert send(token(), "POST", f"/v1/jobs/{recovery}/retry").status == 403
    assert send(token(request={"provider": "tryiton"}), "POST", f"/v1/jobs/{recovery}/retry").status == 202


def test_uploads_and_lists_of_others_are_refused(world: World, token: Callable[..., str], send: Shopper) -> None:
    jane, joe = token(), token("joe")
    for theirs in (uploaded(world, send, joe), {"upload": world.upload("person")}):
        answer = send(jane, "POST", "/v1/jobs", body(world, send, jane) | {"person": theirs})
        assert (answer.status, answer.codes) == (403, [("forbidden", "/person/upload")])
    assert send(jane, "GET", "/v1/jobs", query={"owner": "joe"}).status == 403


def test_an_idempotency_key_of_another_shopper_answers_nothing(
    world: World, token: Callable[..., str], send: Shopper
) -> None:
    jane, joe = token(), token("joe", garments=[PREFIX, LISTED])
    sent = body(world, send, jane)
    assert send(jane, "POST", "/v1/jobs", sent, idempotency_key="1").status == 202
    assert send(jane, "POST", "/v1/jobs", sent, idempotency_key="1").headers["idempotent-replayed"] == "true"
    assert send(joe, "POST", "/v1/jobs", sent, idempotency_key="1").codes == [("forbidden", "/person/upload")]


# ------------------------------------------------------------------------------------------------- count and time
def test_no_job_beyond_the_number_a_retry_included(
    world: World, vendor: Vendor, token: Callable[..., str], send: Shopper
) -> None:
    vendor.starts = [failed("content_blocked")]
    jane = token(max_jobs=1)
    job_id = submitted(world, send, jane)
    world.run(job_id)
    before = world.spent()
    for answer in (
        send(jane, "POST", f"/v1/jobs/{job_id}/retry"),
        send(jane, "POST", "/v1/jobs", body(world, send, jane)),
    ):
        assert (answer.status, answer.codes) == (403, [("forbidden", None)])
        assert "1 job" in answer.json["detail"]
    assert world.spent() == before
    assert stored(world) == 1


def test_a_recovery_is_no_job_of_the_number(
    world: World, vendor: Vendor, token: Callable[..., str], send: Shopper
) -> None:
    vendor.starts = [pending()]
    world.configure("tryiton")
    jane = token(max_jobs=1, request={"provider": "tryiton"})
    job_id = submitted(world, send, jane)
    world.run_until_pending(job_id)
    world.cancel(job_id)
    assert send(jane, "POST", f"/v1/jobs/{job_id}/recover").status == 202


def test_many_submits_at_once_make_no_more_jobs_than_the_token_is_for(
    world: World, token: Callable[..., str], send: Shopper, one_at_a_time: None
) -> None:
    jane = token(max_jobs=3)
    sent = body(world, send, jane)
    from fitting_room.actions.requests.authenticate import authenticate
    from fitting_room.actions.requests.submit import submit
    from fitting_room.jobs.errors import Refusal

    caller = authenticate(f"Bearer {jane}", world.at)._replace(address="203.0.113.9")

    def once(_: int) -> bool:
        try:
            submit(sent, caller, None, world.at)
        except Refusal as refused:
            assert refused.status == 403
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(once, range(8))) == 3
    assert stored(world) == 3


def test_no_more_uploads_than_three_a_job(world: World, token: Callable[..., str], send: Shopper) -> None:
    jane = token(max_jobs=1)
    for _ in range(3):
        uploaded(world, send, jane)
    answer = send(jane, "POST", "/v1/uploads", {"content_type": "image/png", "bytes": 5000})
    assert (answer.status, answer.codes) == (403, [("forbidden", None)])


def test_nothing_after_its_time_or_after_its_key(world: World, token: Callable[..., str], send: Shopper) -> None:
    jane = token(ttl_seconds=60)
    sent = body(world, send, jane)
    world.at.sleep(59)
    assert send(jane, "GET", "/v1/jobs").status == 200
    world.at.sleep(1)
    for method, path in (("POST", "/v1/jobs"), ("GET", "/v1/jobs"), ("POST", "/v1/uploads")):
        answer = send(jane, method, path, sent if method == "POST" else None)
        assert (answer.status, answer.codes) == (401, [("unauthorized", None)])
    later = token()
    world.allow_key(LIVE_KEY, TENANT, "live", revoked_at="2026-09-01T12:00:00.000Z")
    world.at.sleep(30)
    assert send(later, "GET", "/v1/jobs").status == 401


def test_erasing_the_owner_ends_her_tokens_and_takes_her_uploads(
    world: World,
    token: Callable[..., str],
    call: Call,
    send: Shopper,
) -> None:
    jane = token()
    sent = body(world, send, jane)
    assert call("DELETE", "/v1/owners/jane").status == 202
    world.erase()
    assert world.keys(f"uploads/{TENANT}/", INBOX) == []
    assert send(jane, "POST", "/v1/jobs", sent).status in (403, 422)
    world.at.sleep(30)
    assert send(jane, "GET", "/v1/jobs").status == 401
    for minute in range(20):
        if minute == 13:  # the form, which lives for 15 minutes, is sent once more
            world.put(sent["person"]["upload"], picture(360, 540), folder=f"uploads/{TENANT}")
        world.at.sleep(60)
        world.sweep()
        world.erase()
    assert world.keys(f"uploads/{TENANT}/", INBOX) == [] and world.due() == []
    assert "jane" not in json.dumps(world.items(), default=str)


def test_a_token_and_an_upload_made_after_the_erasure_of_their_owner_stay(
    world: World, token: Callable[..., str], call: Call, send: Shopper
) -> None:
    uploaded(world, send, token())
    assert call("DELETE", "/v1/owners/jane").status == 202
    world.at.sleep(1)
    later = token(ttl_seconds=3600)
    kept = uploaded(world, send, later)["upload"]
    for _ in range(20):
        world.erase()
        world.at.sleep(60)
        world.sweep()
    assert send(later, "GET", "/v1/jobs").status == 200
    assert world.keys(f"uploads/{TENANT}/", INBOX) == [f"uploads/{TENANT}/{kept}"]


# ----------------------------------------------------------------------------------------------------- daily limits
def test_an_owner_has_a_number_of_jobs_a_day(world: World, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    choose(monkeypatch, daily_owner_jobs=1)
    assert call("POST", "/v1/jobs", world.body(owner="jane")).status == 202
    answer = call("POST", "/v1/jobs", world.body(owner="jane"))
    assert (answer.status, answer.codes) == (429, [("budget_exceeded", None)])
    assert answer.headers["retry-after"] == "43201" and "daily_owner_jobs" in answer.json["remedy"]
    assert call("POST", "/v1/jobs", world.body(owner="joe")).status == 202
    testing = call("POST", "/v1/jobs", world.body("test", owner="jane"), key=TEST_KEY)
    assert testing.status == 202, "jobs of test keys are counted by themselves"
    world.at.sleep(43201)
    assert call("POST", "/v1/jobs", world.body(owner="jane")).status == 202


def test_an_address_has_a_number_of_jobs_of_tokens_a_day_and_is_not_stored(
    world: World,
    token: Callable[..., str],
    call: Call,
    send: Shopper,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    choose(monkeypatch, daily_address_jobs=1)
    submitted(world, send, token())
    joe = token("joe")
    answer = send(joe, "POST", "/v1/jobs", body(world, send, joe))
    assert (answer.status, answer.codes) == (429, [("budget_exceeded", None)])
    assert call("POST", "/v1/jobs", world.body(owner="joe")).status == 202, "a key's own calls are not counted so"
    assert "203.0.113.9" not in json.dumps(world.items(), default=str)
    hashes = {item["pk"] for item in world.items() if "#ADDRESS#" in item["pk"]}
    world.at.sleep(86400)
    submitted(world, send, token("joe"))
    assert len({item["pk"] for item in world.items() if "#ADDRESS#" in item["pk"]} - hashes) == 1


def test_a_refused_job_is_not_counted(world: World, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    choose(monkeypatch, daily_owner_jobs=1, daily_images=1)
    assert call("POST", "/v1/jobs", world.body(owner="joe")).status == 202
    assert "tenant" in call("POST", "/v1/jobs", world.body(owner="jane")).json["detail"]
    choose(monkeypatch, daily_owner_jobs=1, daily_images=5)
    assert call("POST", "/v1/jobs", world.body(owner="jane")).status == 202


# ------------------------------------------------------------------------------------------------- making a token
@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"owner": ""}, "/owner"),
        ({"owner": "\ud800"}, "/owner"),
        ({"ttl_seconds": 3601}, "/ttl_seconds"),
        ({"max_jobs": 0}, "/max_jobs"),
        ({"garments": []}, "/garments"),
        ({"garments": ["http://shop.example/"]}, "/garments/0"),
        ({"garments": ["https://shop.example/garments"]}, "/garments/0"),
        ({"garments": [PREFIX, "https://shop.example/a/../"]}, "/garments/1"),
        ({"garments": [PREFIX + "?x=/"]}, "/garments/0"),
        ({"garments": [7]}, "/garments/0"),
        ({"garments": [PREFIX, {"subject": {"id": 1}}]}, "/garments/1/subject"),
        ({"garments": [PREFIX, {"url": PREFIX + "a.png", "s3": None}]}, "/garments/1"),
        ({"garments": [PREFIX, {"data": "data:image/png;base64,AAAA"}]}, "/garments/1"),
        ({"garments": [PREFIX, {"upload": None}]}, "/garments/1"),
        ({"garments": [{"url": "nonsense"}]}, "/garments/0/url"),
        ({"request": {"person": {}}}, "/request/person"),
        ({"request": {"owner": "joe"}}, "/request/owner"),
        ({"request": {"provider": "nobody"}}, "/request/provider"),
        ({"request": {"output": {"count": 99}}}, "/request/output/count"),
        ({"request": {"colour": "red"}}, "/request/colour"),
        ({"garments": [{"url": f"{PREFIX}{n}{'x' * 2000}"} for n in range(50)]}, "/request"),
    ],
)
def test_a_token_that_could_make_no_job_is_refused(call: Call, changes: dict[str, Any], pointer: str) -> None:
    answer = call("POST", "/v1/tokens", {"owner": "jane", "garments": [PREFIX]} | changes)
    assert answer.status == 422
    assert pointer in [told for _, told in answer.codes]


def test_a_host_is_compared_without_its_case_and_a_path_with_it() -> None:
    assert lies_under("https://Shop.Example/garments/a/b.png?w=2", PREFIX)
    assert not lies_under("https://shop.example/Garments/a.png", PREFIX)


def test_the_port_of_https_may_be_spelled_out_in_an_address_and_in_a_prefix() -> None:
    assert lies_under("https://shop.example:443/garments/a.png", PREFIX)
    assert lies_under("https://shop.example/garments/a.png", "https://shop.example:443/garments/")
    assert not lies_under("https://shop.example:8443/garments/a.png", PREFIX)
