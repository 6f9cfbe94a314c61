"""Providers' keys, pauses and changes of the catalogue, and within how many seconds the functions notice."""

from __future__ import annotations

import json
import os
import runpy
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from admin.stage import Stage
from fitting_room.actions.job_view import view
from fitting_room.actions.requests.context import deployment
from fitting_room.actions.requests.estimate import estimate
from fitting_room.actions.requests.list_providers import list_providers
from fitting_room.actions.requests.recover import recover
from fitting_room.actions.workflow import attempts
from fitting_room.jobs.errors import Refusal
from fitting_room.jobs.outcome import Failed
from fitting_room.observability import logger
from fitting_room.settings import settings
from fitting_room.stores import aws, jobs, model_lifecycles, offers, provider_keys
from tests.deployment import choose
from tests.integration.world import LIVE, SECRET, Vendor, World, failed, finished, pending


class Account(BaseHTTPRequestHandler):
    """TryItOn's `GET /credits`, for one key, and Astria's list of models."""

    models = '{"models": {"gemini": {"tune_id": 3618064}, "seedream": {"tune_id": 777}}}'

    def do_GET(self) -> None:
        if self.path == "/cli/models":
            self.send_response(200)
            self.end_headers()
            self.wfile.write(self.models.encode())
            return
        known = (self.path, self.headers["Authorization"]) == ("/api/v1/credits", "Bearer the-vendors-key")
        self.send_response(200 if known else 401)
        self.end_headers()
        self.wfile.write(b'{"ok": true, "credits": {"on_demand": 1234567, "subscription": 0}}' if known else b"{}")

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def account(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    server = HTTPServer(("127.0.0.1", 0), Account)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"
    endpoints = {"tryiton": f"{address}/api/v1", "astria": address}
    deployment = json.loads(os.environ["DEPLOYMENT"]) | {"endpoints": endpoints}
    monkeypatch.setenv("DEPLOYMENT", json.dumps(deployment))
    secrets = {name: f"secret-of-{name}" for name in ("tryiton", "aidge", "astria")}
    monkeypatch.setenv("PROVIDER_SECRETS", json.dumps(secrets))
    settings.cache_clear()
    for name in secrets.values():
        aws.secrets().create_secret(Name=name)
    yield
    server.shutdown()
    server.server_close()


def test_a_provider_s_key_goes_to_its_secret_only(world: World, account: None, admin: Any) -> None:
    assert admin("provider set tryiton", stdin="the-vendors-key\n") == {"provider": "tryiton", "configured": True}
    assert provider_keys.secret.fresh("tryiton", world.at) == "the-vendors-key"
    assert provider_keys.configured.fresh(world.at) == {"tryiton"}
    assert "the-vendors-key" not in str(world.items())


@pytest.mark.parametrize(
    ("provider", "given", "says"),
    [
        ("tryiton", "\n", "needs a key"),
        ("tryiton", "short", "at least 8"),
        ("tryiton", "two words of it", "without spaces"),
        ("tryiton", "fr_live_aaaaaaaaaaaaaaaaaaaaaaaa", "key of Fitting Room"),
        ("aidge", '{"app_key": "x"}', "app_secret"),
        ("nova", "x", "no provider `nova`: use one of nova_canvas"),
    ],
)
def test_a_key_of_another_shape_is_refused(
    world: World, account: None, refused: Any, provider: str, given: str, says: str
) -> None:
    assert says in refused(f"provider set {provider}", stdin=given)
    assert provider_keys.configured.fresh(world.at) == frozenset()


def test_a_check_proves_the_key_for_free(account: None, admin: Any, refused: Any) -> None:
    assert "provider set tryiton" in refused("provider check tryiton")
    admin("provider set tryiton", stdin="the-vendors-key")
    assert admin("provider check tryiton") == {
        "provider": "tryiton",
        "shape": "ok",
        "accepted": True,
        "credits": 1234567,
    }
    admin("provider set tryiton", stdin="another-key")
    said = refused("provider check tryiton")
    assert "TryItOn does not accept the key" in said and "another-key" not in said
    assert "billed by AWS" in refused("provider check nova_canvas")


def test_where_no_free_call_is_the_shape_is_told(account: None, admin: Any) -> None:
    admin("provider set aidge", stdin='{"app_key": "app-1", "app_secret": "secret-1"}')
    assert admin("provider check aidge")["accepted"] is None


def test_the_models_that_a_provider_lists_by_another_id_are_told(
    account: None, admin: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """777 is another tune of seedream, and gpt-image-2 is not in the list."""
    moved = {"seedream": "777", "gpt-image-2": ""}
    assert admin("provider set astria", stdin="sd_the-key") == {
        "provider": "astria",
        "configured": True,
        "moved": moved,
    }
    assert admin("provider check astria")["moved"] == moved
    told = admin("provider check astria", text=True)
    assert "(seedream: 777, gpt-image-2: none): set them in `provider_settings.astria`" in told
    monkeypatch.setattr(Account, "models", "[]")
    assert admin("provider set astria", stdin="sd_the-key")["moved"] is None, "the key is stored all the same"


def test_a_rotated_key_is_used_within_30_seconds(
    world: World, vendor: Vendor, admin: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.configure("tryiton")
    vendor.starts = [finished()]
    world.start(world.prepared(provider="tryiton"))
    admin("provider set tryiton", stdin="the-new-key-of-tryiton")
    world.at.sleep(30)
    world.at.sleep(60)  # its rate
    world.start(world.prepared(provider="tryiton"))
    keys = [connection.secret for connection in vendor.connections]
    assert (keys[0], keys[-1]) == (SECRET, "the-new-key-of-tryiton")


# -------------------------------------------------------------------------------------------------------- pauses
def test_a_paused_provider_gets_no_new_job_within_30_seconds(
    world: World, admin: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.configure("tryiton")
    assert world.submit(provider="tryiton").job.plan == ["tryiton"]
    assert admin("provider pause tryiton --reason outage")["paused"]["reason"] == "outage"
    world.at.sleep(30)
    with pytest.raises(Refusal) as caught:
        world.submit(provider="tryiton")
    [fault] = caught.value.faults
    assert (caught.value.status, fault.code, fault.retryable) == (422, "provider_paused", True)
    assert "tryiton" not in world.submit().job.plan
    [shown] = [each for each in list_providers(deployment(world.at), LIVE)["items"] if each["id"] == "tryiton"]
    assert shown["paused"] is True and shown["configured"] is True
    [row] = [row for row in admin("provider list") if row["provider"] == "tryiton"]
    assert row["paused"]["reason"] == "outage"
    assert "paused since" in admin("provider list", text=True)
    assert admin("provider resume tryiton")["paused"] is None
    world.at.sleep(30)
    assert world.submit(provider="tryiton").job.plan == ["tryiton"]


def test_a_job_that_waits_goes_to_the_next_provider_or_waits(world: World, vendor: Vendor, admin: Any) -> None:
    world.configure("tryiton")
    vendor.starts = [finished()]
    alone = world.prepared(provider="tryiton")
    two = world.prepared(provider="tryiton", fallback=["nova_canvas"])
    admin("provider pause tryiton")
    assert world.start(alone)["outcome"] == "busy"
    world.run(two)
    job = world.job(two)
    assert [attempt.provider for attempt in job.attempts.values()] == ["tryiton", "nova_canvas"]
    assert (job.status, vendor.orders[0].model) == ("succeeded", "amazon.nova-canvas-v1:0")
    admin("provider resume tryiton")
    world.run(alone)
    assert world.job(alone).status == "succeeded"


def test_a_pause_ends_a_job_only_after_its_queue_limit(world: World, vendor: Vendor, admin: Any) -> None:
    world.configure("tryiton")
    admin("provider pause tryiton")
    offers.forget()
    job_id = world.submit().job.id  # Nova Canvas
    admin("provider pause nova_canvas")
    vendor.starts = [finished()]
    world.run(job_id)
    job = world.job(job_id)
    assert job.error and (job.error.code, job.error.retryable) == ("provider_paused", True)
    assert job.waited >= 890 and vendor.orders == []


# ----------------------------------------------------------------------------------------------------- overrides
@pytest.mark.parametrize("kept", [True, False])
def test_what_was_bought_costs_what_it_cost_then(world: World, vendor: Vendor, admin: Any, kept: bool) -> None:
    """A job without the price in its record is one of an earlier release: it is told at today's price."""
    world.configure("fashn")
    admin("provider override fashn --model tryon-v1.6 --price 0.05 --credits 2")
    world.at.sleep(30)
    vendor.starts, vendor.polls = [pending("f-1")], [Failed(failed().fault, "unknown")]
    job_id = world.submit(provider="fashn/tryon-v1.6", output={"count": 2}).job.id
    world.run(job_id)
    if not kept:
        aws.table().update_item(
            Key=jobs.key(job_id), UpdateExpression="REMOVE attempts.#1.prices", ExpressionAttributeNames={"#1": "1"}
        )
    admin("provider override fashn --model tryon-v1.6 --price 0.5 --credits 20")
    world.at.sleep(30)
    [attempt] = view(world.job(job_id), world.at)["attempts"]
    assert attempt["cost"]["amount"] == (0.1 if kept else 1)
    assert (world.job(job_id).usage.amount, world.spent()) == (0.1, (2, 100_000))
    if kept:  # its recovery learns that nothing was charged: what is given back is what was paid
        vendor.polls = [failed(charged="no", retryable=False)]
        world.run(recover(job_id, LIVE, world.at).job.id)
        assert (world.job(job_id).usage.amount, world.spent()) == (None, (0, 0))


def test_an_override_changes_what_is_planned_bought_and_counted(
    world: World, vendor: Vendor, admin: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROVIDER_SECRETS", json.dumps({"fashn": "secret-of-fashn"}))
    settings.cache_clear()
    world.configure("fashn")
    assert offers.entry("fashn", world.at).models[0].sent_as is None
    admin("provider override fashn --model tryon-v1.6 --sent-as tryon-v1.7")
    admin("provider override fashn --model tryon-v1.6 --price 0.05 --credits 2")
    world.at.sleep(30)
    vendor.starts = [finished()]
    job_id = world.submit(provider="fashn/tryon-v1.6").job.id
    world.run(job_id)
    assert vendor.orders[0].model == "tryon-v1.7"
    usage = world.job(job_id).usage
    assert (usage.amount, usage.credits) == (0.05, 2)
    admin("provider override fashn --model tryon-v1.6 --end-of-life 2026-09-01")
    world.at.sleep(30)
    with pytest.raises(Refusal) as caught:
        world.submit(provider="fashn")
    assert caught.value.faults[0].code == "model_retired"
    [row] = [row for row in admin("provider list") if row["provider"] == "fashn"]
    assert row["overridden"] and row["models"][0]["retired"] and row["models"][0]["sent_as"] == "tryon-v1.7"
    assert admin("provider override fashn --clear")["override"].keys() == {"at", "models", "prices"}
    world.at.sleep(30)
    assert world.submit(provider="fashn").job.plan == ["fashn"]


def test_a_pause_outlasts_the_changes_of_the_catalogue_made_during_it(admin: Any) -> None:
    admin("provider pause fashn --reason outage")
    for change in ("--model tryon-v1.6 --price 0.05", "--clear"):
        admin(f"provider override fashn {change}")
        [row] = [row for row in admin("provider list") if row["provider"] == "fashn"]
        assert row["paused"]["reason"] == "outage"
    assert not row["overridden"]


def test_what_costs_credits_counts_in_the_budget_of_images_though_its_price_is_set_to_0(
    world: World, admin: Any
) -> None:
    world.configure("fashn")
    admin("provider override fashn --model tryon-v1.6 --price 0 --credits 1")
    world.submit(provider="fashn/tryon-v1.6", output={"count": 2})
    assert world.spent() == (2, 0)


def test_an_overridden_price_is_that_of_an_image_where_the_catalogue_has_one_of_a_token(
    world: World, vendor: Vendor, admin: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROVIDER_SECRETS", json.dumps({"gemini": "secret-of-gemini"}))
    settings.cache_clear()
    world.configure("gemini")
    admin("provider override gemini --model gemini-nano-banana-2.1 --price 0.05")
    world.at.sleep(30)
    [offer] = estimate(world.body(provider="gemini"), LIVE, world.at)["plan"]
    assert (offer["cost"]["amount"], offer["cost"]["basis"]) == (0.05, "image")
    vendor.starts = [replace(finished(), amount=0.0336)]
    job_id = world.submit(provider="gemini").job.id
    world.run(job_id)
    assert world.job(job_id).usage.amount == 0.05


def test_a_model_that_the_operator_adds_is_bought_by_its_id_in_the_form_of_another(
    world: World, vendor: Vendor, admin: Any
) -> None:
    world.configure("gemini")
    with pytest.raises(Refusal):
        world.submit(provider="gemini/gemini-nano-banana-2.2")
    admin("provider override gemini --model gemini-nano-banana-2.2 --like gemini-nano-banana-2.1")
    [offer] = estimate(world.body(provider="gemini/gemini-nano-banana-2.2"), LIVE, world.at)["plan"]
    assert (offer["model"], offer["cost"]["amount"]) == ("gemini-nano-banana-2.2", 0.0336)
    admin("provider override gemini --model gemini-nano-banana-2.2 --price 0.05")
    vendor.starts = [finished()]
    job_id = world.submit(provider="gemini/gemini-nano-banana-2.2").job.id
    world.run(job_id)
    [order] = vendor.orders
    assert (order.model, order.shape) == ("gemini-nano-banana-2.2", "gemini-nano-banana-2.1")
    assert (world.job(job_id).status, world.job(job_id).usage.amount) == ("succeeded", 0.05)
    assert estimate(world.body(provider="gemini"), LIVE, world.at)["plan"][0]["model"] == "gemini-nano-banana-2.1"
    [row] = [row for row in admin("provider list") if row["provider"] == "gemini"]
    assert "gemini-nano-banana-2.2" in [model["id"] for model in row["models"]]
    admin("provider override gemini --clear")
    assert view(world.job(job_id), world.at)["model"] == "gemini-nano-banana-2.2", "though there is no such model now"


@pytest.mark.parametrize(
    ("line", "asked", "before", "after"),
    [
        (
            "fal --model openai/gpt-image-2/edit --quality best --price 0.21",
            {"provider": "fal/openai/gpt-image-2/edit", "output": {"quality": "best"}},
            (None, None),
            (0.21, None),
        ),
        (
            "fal --model openai/gpt-image-2/edit --quality best --price 0.21",
            {"provider": "fal/openai/gpt-image-2/edit", "output": {"quality": "fast"}},
            (None, None),
            (None, None),
        ),
        ("tryiton --model fashion-v2 --price 0.3", {"provider": "tryiton"}, (None, 1), (0.3, 1)),
    ],
)
def test_a_price_of_a_model_that_had_none_of_its_own(
    world: World, vendor: Vendor, admin: Any, line: str, asked: dict[str, Any], before: Any, after: Any
) -> None:
    world.configure("fal", "tryiton")

    def price() -> tuple[float | None, float | None]:
        [offer] = estimate(world.body(**asked), LIVE, world.at)["plan"]
        return offer["cost"]["amount"], offer["cost"]["credits"]

    assert price() == before
    admin(f"provider override {line}")
    assert price() == after


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("fashn", "--clear alone"),
        ("fashn --sent-as x", "--model: name one of tryon-v1.6"),
        ("fashn --model tryon-v9 --sent-as x", "no model `tryon-v9`: use tryon-v1.6"),
        ("fashn --model tryon-v1.6 --sent-as a$b", "--sent-as: send up to 128"),
        ("fashn --model tryon-v1.6 --end-of-life soon", "--end-of-life: send a date"),
        ("fashn --price -1", "--price: send a number from 0"),
        ("fashn --price nan", "--price: send a number from 0"),
        ("fashn --model tryon-v9 --like tryon-v8", "--like: fashn has no model `tryon-v8`: use tryon-v1.6"),
        ("fashn --model tryon-max --like tryon-v1.6", "in the catalogue: go back to that with --clear"),
        ("fashn --model a$b --like tryon-v1.6", "--model: send up to 128"),
        ("fashn --model tryon-v9 --like a$b", "--like: send a model of the catalogue"),
        ("tryiton --model new --like clothes", "another id needs a release"),
        ("tryiton --model new --price 1", "has prices for: all models together"),
        ("tryiton --model clothes --price 1 --max-side 1024", "has prices for: all models together"),
        ("fal --model openai/gpt-image-2/edit --price 1 --quality bets", "has prices for: --model fal-ai"),
        ("tryiton --model clothes --sent-as x", "another id needs a release"),
        ("nova_canvas --price 1 --quality fast", "--quality standard --max-side 1024"),
        ("nova --price 1", "no provider `nova`"),
    ],
)
def test_an_override_of_an_unknown_shape_is_refused(world: World, refused: Any, line: str, says: str) -> None:
    assert says in refused(f"provider override {line}")
    assert not [item for item in world.items() if item["pk"] == "OVERRIDES"]


def test_a_table_in_trouble_leaves_the_last_reading(world: World, admin: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    admin("provider pause fashn")
    assert offers.pauses(world.at).keys() == {"fashn"}
    world.at.sleep(30)
    monkeypatch.setattr(offers, "read", lambda: (_ for _ in ()).throw(TimeoutError("the table is away")))
    assert offers.pauses(world.at).keys() == {"fashn"}


@pytest.mark.parametrize("change", [{"since_release": 9}, {"prices": "none"}, {"paused": True}])
def test_a_pause_holds_though_the_rest_of_its_override_cannot_be_read(
    world: World, vendor: Vendor, change: dict[str, Any]
) -> None:
    world.configure("tryiton")
    stored = {"at": "2026-09-01", "paused": {"at": "2026-09-01", "reason": "outage"}} | change
    aws.table().put_item(Item={"pk": "OVERRIDES", "sk": "OVERRIDES", "tryiton": stored, "fashn": {"prices": "none"}})
    assert offers.pauses(world.at).keys() == {"tryiton"}
    with pytest.raises(Refusal) as caught:
        world.submit(provider="tryiton")
    assert [fault.code for fault in caught.value.faults] == ["provider_paused"]


def test_a_provider_that_calls_its_model_gone_is_left_alone_for_a_day_or_until_it_is_sent_another(
    world: World, vendor: Vendor, admin: Any
) -> None:
    world.configure("fashn")
    vendor.starts = [failed("model_retired")]
    world.run(world.submit(provider="fashn").job.id)
    model_lifecycles.observed.clear()
    assert world.submit().job.plan == ["nova_canvas"]
    with pytest.raises(Refusal) as caught:
        world.submit(provider="fashn")
    [fault] = caught.value.faults
    assert (fault.code, fault.provider) == ("model_retired", "fashn")
    assert "asked again after 2026-09-02T12:00" in fault.remedy and "private_access" not in fault.remedy
    [shown] = [each for each in list_providers(deployment(world.at), LIVE)["items"] if each["id"] == "fashn"]
    states = [(model["lifecycle"]["state"], model["lifecycle"]["retired"]) for model in shown["models"]]
    assert states == [("gone", True), ("unknown", False)]

    admin("provider override fashn --model tryon-v1.6 --sent-as tryon-v1.7")
    assert world.submit().job.plan == ["nova_canvas", "fashn"]
    admin("provider override fashn --clear")
    assert world.submit().job.plan == ["nova_canvas"]
    world.at.sleep(86_400)
    assert world.submit().job.plan == ["nova_canvas", "fashn"]


def test_a_provider_whose_first_model_is_gone_works_with_the_next_and_the_job_keeps_it(
    world: World, vendor: Vendor, admin: Any
) -> None:
    world.configure("fal")
    vendor.starts = [failed("model_retired"), pending("fal-ai/flux-pro/requests/1")]
    vendor.polls = [finished(360, 540)]
    world.run(world.submit(provider="fal").job.id)
    model_lifecycles.observed.clear()
    [offer] = estimate(world.body(provider="fal"), LIVE, world.at)["plan"]
    assert (offer["model"], offer["cost"]["amount"]) == ("fal-ai/flux-pro/v1/vto", 0.0475)
    job_id = world.submit(provider="fal").job.id
    admin("provider resume fal")
    world.at.sleep(60)
    world.run(job_id)
    job = world.job(job_id)
    assert vendor.orders[-1].model == "fal-ai/flux-pro/v1/vto"
    assert (job.status, job.usage.amount) == ("succeeded", 0.0475)
    assert view(job, world.at)["attempts"][0]["model"] == view(job, world.at)["model"] == "fal-ai/flux-pro/v1/vto"
    [offer] = estimate(world.body(provider="fal"), LIVE, world.at)["plan"]
    assert offer["model"] == "fal-ai/fashn/tryon/v1.6", "the operator had fal asked for it again"


def test_a_model_that_is_gone_is_planned_again_by_the_name_that_the_stage_gives_its_successor(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.configure("gemini")
    monkeypatch.setattr(attempts, "adapter", lambda _: Vendor([failed("model_retired")]))
    world.run(world.submit(provider="gemini").job.id)
    model_lifecycles.observed.clear()
    with pytest.raises(Refusal):
        world.submit(provider="gemini")
    names = {"gemini-nano-banana-2.1": ["gemini-nano-banana-3"]}
    choose(monkeypatch, provider_settings={"gemini": {"models": names}})
    world.run(world.submit(provider="gemini").job.id)
    model_lifecycles.observed.clear()
    with pytest.raises(Refusal):
        world.submit(provider="gemini")
    choose(monkeypatch, provider_settings={})
    with pytest.raises(Refusal):
        world.submit(provider="gemini")


def test_a_model_that_the_operator_adds_is_not_retired_with_the_one_that_it_is_like(
    world: World, monkeypatch: pytest.MonkeyPatch, admin: Any
) -> None:
    world.configure("gemini")
    names = {"gemini-nano-banana-2.1": ["gemini-nano-banana-3"]}
    choose(monkeypatch, provider_settings={"gemini": {"models": names}})
    monkeypatch.setattr(attempts, "adapter", lambda _: Vendor([failed("model_retired")]))
    world.run(world.submit(provider="gemini").job.id)
    model_lifecycles.observed.clear()
    with pytest.raises(Refusal):
        world.submit(provider="gemini")
    admin("provider override gemini --model gemini-nano-banana-4 --like gemini-nano-banana-2.1")
    [offer] = estimate(world.body(provider="gemini"), LIVE, world.at)["plan"]
    assert offer["model"] == "gemini-nano-banana-4"


def test_the_last_refusals_of_a_provider_are_listed(world: World, vendor: Vendor, admin: Any) -> None:
    world.configure("tryiton")
    codes = (
        "quota_exhausted",
        "provider_auth",
        "rate_limited",
        "provider_unavailable",
        "provider_error",
        "model_retired",
    )
    refused = {}
    for code in codes:
        vendor.starts = [failed(code)]
        refused[code] = world.submit(provider="tryiton").job.id
        world.run(refused[code])
    [row] = [row for row in admin("provider list") if row["provider"] == "tryiton"]
    assert {code: told["job_id"] for code, told in row["refusals"].items()} == refused
    assert row["refusals"]["quota_exhausted"]["at"] == "2026-09-01T12:00:00.000Z"
    assert "last quota_exhausted" in admin("provider list", text=True)


def test_a_log_line_does_not_break_the_json(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    aws.table().put_item(Item={"pk": "OVERRIDES", "sk": "OVERRIDES", "fashn": {"models": 7}})
    monkeypatch.setattr(logger.registered_handler, "stream", sys.stdout)  # as in a new process
    monkeypatch.setattr(sys, "argv", ["admin", "provider", "list", "--json"])
    runpy.run_module("admin", run_name="__main__")
    said = capsys.readouterr()
    assert "fashn" in [row["provider"] for row in json.loads(said.out)]
    assert "an override cannot be read" in said.err
