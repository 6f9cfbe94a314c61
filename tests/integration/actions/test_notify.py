"""Webhooks: what a receiver gets, and what becomes of the event when it does not take it."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from itertools import pairwise
from typing import Any

import pytest
import standardwebhooks.webhooks as library
from standardwebhooks import Webhook, WebhookVerificationError

from fitting_room.actions.requests.batches import delete_batch
from fitting_room.actions.requests.delete import delete_job
from fitting_room.actions.requests.deliveries import list_deliveries, resend
from fitting_room.actions.requests.retry import retry
from fitting_room.actions.requests.submit import submit
from fitting_room.actions.upkeep import notify as notifying
from fitting_room.actions.upkeep.notify import notify
from fitting_room.actions.workflow import settle as settling
from fitting_room.jobs.errors import Refusal
from fitting_room.jobs.outcome import Finished
from fitting_room.net import safe_http
from fitting_room.stores import deliveries, webhooks
from fitting_room_client import webhooks as client
from tests.deployment import choose
from tests.integration.atelier import Atelier
from tests.integration.catalogue import Catalogue
from tests.integration.net.server import Server, running
from tests.integration.net.test_safe_http import names
from tests.integration.world import LIVE, OTHER, RIVAL, TENANT, Vendor, World, failed, finished, pending
from tests.unit.memory import FakeClock

BROKE_OFF = "The function that sent it broke off; the receiver may have got it."
OK, BROKEN, GONE = "200 OK", "500 Internal Server Error", "410 Gone"
SPEC = (0, 5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)
"""The schedule of the specification, in seconds."""


class Shop:
    """A receiver: answers what it is told, in order (the last answer for ever), and keeps what it got."""

    def __init__(self, world: World, server: Server) -> None:
        self.world, self.server, self.answers = world, server, [OK]
        self.url = server.url("/hook")
        self.headers: tuple[str, ...] = ()
        self.secret = webhooks.create(TENANT, world.at.now())
        server.answers["/hook"] = self._answer
        self.got: list[tuple[datetime, dict[str, str], bytes]] = []

    def _answer(self, handler: Any) -> None:
        headers, body = self.server.posted[-1]
        self.got.append((self.world.at.now(), headers, body))
        status = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        lines = [f"HTTP/1.1 {status}", "Content-Length: 0", *self.headers, "", ""]
        handler.wfile.write("\r\n".join(lines).encode())

    def events(self, secret: str | None = None) -> list[dict[str, Any]]:
        """What it got, each verified by the library at the time of its arrival. Raises `WebhookVerificationError`."""
        return [self._verified(secret or self.secret.value, *each) for each in self.got]

    @staticmethod
    def _verified(secret: str, moment: datetime, headers: dict[str, str], body: bytes) -> dict[str, Any]:
        class Then(datetime):
            @classmethod
            def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]
                return moment

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(library, "datetime", Then)
            event: dict[str, Any] = Webhook(secret).verify(body, headers)
            return event

    def ids(self) -> list[str]:
        return [headers["webhook-id"] for _, headers, _ in self.got]


@pytest.fixture
def shop(world: World, vendor: Vendor, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    vendor.starts = [finished()]
    with running(Server()) as server:
        choose(monkeypatch, fetch_allow=[server.host])
        yield Shop(world, server)


def ended(world: World, shop: Shop, **changes: Any) -> str:
    """The id of a job that is over and whose webhook is queued."""
    job_id = world.submit(**{"webhook": {"url": shop.url}, **changes}).job.id
    world.run(job_id)
    return job_id


def test_the_end_of_a_batch_is_told_once(world: World, shop: Shop) -> None:
    catalogue = Catalogue(world)
    rows = catalogue.rows(1)
    batch = catalogue.create(jobs=rows, webhook={"url": shop.url}, reference="spring")
    assert world.messages == []
    catalogue.run(batch.id)
    world.notify()
    catalogue.run(batch.id)
    pass_time(world, 7200)
    [event] = shop.events()
    assert event == {
        "type": "batch.finished",
        "timestamp": catalogue.batch(batch.id).finished_at,
        "data": {
            "id": batch.id,
            "status": "finished",
            "reference": "spring",
            "links": {"self": f"/v1/batches/{batch.id}"},
        },
    }
    assert shop.ids() == [batch.id.replace("bat_", "msg_")]


def test_an_event_that_was_delivered_is_erased_with_its_batch(world: World, shop: Shop) -> None:
    catalogue = Catalogue(world)
    batch = catalogue.create(jobs=catalogue.rows(1), webhook={"url": shop.url})
    catalogue.run(batch.id)
    world.notify()
    assert deliveries.get(batch.id)
    delete_batch(batch.id, LIVE, world.at)
    world.erase()
    assert deliveries.get(batch.id) is None


def pass_time(world: World, seconds: float) -> None:
    """From one event to the next: the queue gives out what is due, and so does a sweep within a minute."""
    until = world.at.now() + timedelta(seconds=seconds)
    while world.at.now() < until:
        events = [at for at, _ in world.messages]
        if owed := world.owed_at():
            events.append(max(owed, world.at.now()) + timedelta(seconds=60))
        world.at.moment = min(max(min(events, default=until), world.at.now()), until)
        world.sweep()
        world.notify()


def view(world: World, job_id: str) -> dict[str, Any]:
    return list_deliveries(job_id, LIVE, world.at)


# ---------------------------------------------------------------------------------------------------- what is told
def test_the_end_of_a_job_is_told_once_thin_and_signed(world: World, shop: Shop) -> None:
    job_id = ended(world, shop, owner="shopper-8812", reference="A-1", metadata={"mail": "jane@example.com"})
    world.notify()
    [event] = shop.events()
    assert event == {
        "type": "job.finished",
        "timestamp": world.job(job_id).finished_at,
        "data": {
            "id": job_id,
            "task": "try_on",
            "status": "succeeded",
            "reference": "A-1",
            "owner": "shopper-8812",
            "links": {"self": f"/v1/jobs/{job_id}"},
        },
    }
    _, headers, _ = shop.got[0]
    assert headers["Content-Type"] == "application/json"
    assert headers["webhook-timestamp"] == str(int(world.at.now().timestamp()))
    assert headers["webhook-id"] == "msg_" + job_id.removeprefix("job_")
    assert world.due() == [], "nothing is owed any more"
    pass_time(world, 7200)
    assert len(shop.got) == 1
    assert view(world, job_id) == {
        "webhook_id": headers["webhook-id"],
        "event": "job.finished",
        "host": "127.0.0.1",
        "status": "delivered",
        "next_at": None,
        "items": [{"n": 1, "at": world.job(job_id).finished_at, "status": 200, "error": None, "seconds": 0.0}],
    }


def test_the_client_of_this_repository_verifies_it(world: World, shop: Shop) -> None:
    job_id = ended(world, shop)
    world.notify()
    [(at, headers, body)] = shop.got
    event = client.verify(body, headers, shop.secret.value, now=at.timestamp())
    assert (event.id, event.type, event.data["id"]) == (headers["webhook-id"], "job.finished", job_id)


def test_a_job_that_is_cancelled_is_told_too(world: World, shop: Shop) -> None:
    job_id = world.submit(webhook={"url": shop.url}).job.id
    world.cancel(job_id)
    world.notify()
    assert [event["data"]["status"] for event in shop.events()] == ["cancelled"]


def test_a_job_without_a_webhook_never_enters_the_queue(world: World, shop: Shop) -> None:
    job_id = world.submit().job.id
    world.run(job_id)
    assert (world.messages, world.due()) == ([], [])
    assert view(world, job_id)["status"] is None


def training(world: World, shop: Shop) -> dict[str, Any]:
    """The body of a training of a shirt."""
    world.body()
    return {
        "task": "train_subject",
        "kind": "garment",
        "class_name": "shirt",
        "provider": "atelier",
        "pictures": [{"s3": f"s3://inbox-bucket/drop/{TENANT}/garment.png"}],
        "webhook": {"url": shop.url},
    }


def test_a_failed_training_is_told_while_its_retry_is_under_way(world: World, shop: Shop, atelier: Atelier) -> None:
    atelier.starts = [failed("image_unreadable")]
    old = world.submit(training(world, shop)).job
    world.run(old.id)
    assert retry(old.id, {}, LIVE, world.at).job.subject == old.subject
    world.notify()
    [event] = shop.events()
    assert (event["data"]["status"], event["data"]["links"]["job"]) == ("failed", f"/v1/jobs/{old.id}")


def test_a_training_that_is_cancelled_has_failed_to_make_its_subject(
    world: World, shop: Shop, atelier: Atelier
) -> None:
    job = world.submit(training(world, shop)).job
    world.cancel(job.id)
    world.notify()
    [event] = shop.events()
    assert (event["data"]["id"], event["data"]["status"]) == (job.subject, "failed")


def test_a_training_tells_of_its_subject_and_only_once_the_subject_says_so(
    world: World, shop: Shop, atelier: Atelier, monkeypatch: pytest.MonkeyPatch
) -> None:
    atelier.starts, atelier.polls = [pending("tune-1")], [Finished([], token="ohwx")]
    job = world.submit(training(world, shop)).job
    with monkeypatch.context() as broken:
        broken.setattr(settling, "pay_debt", lambda *_: (_ for _ in ()).throw(TimeoutError))
        with pytest.raises(TimeoutError):
            world.run(job.id)
    notify(job.id, world.at)
    assert shop.got == [], "a reader of the subject would still find it in training"
    pass_time(world, 300)
    [event] = shop.events()
    assert (event["type"], event["data"]["id"], event["data"]["status"]) == ("subject.finished", job.subject, "ready")
    assert event["data"]["links"] == {"self": f"/v1/subjects/{job.subject}", "job": f"/v1/jobs/{job.id}"}


# ------------------------------------------------------------------------------------------------------- signatures
def test_while_a_secret_is_rotated_both_verify_and_afterwards_only_the_new_one(world: World, shop: Shop) -> None:
    old = shop.secret
    new = webhooks.rotate(TENANT, world.at.now())
    ended(world, shop)
    world.notify()
    assert len(shop.events(old.value)) == len(shop.events(new.value)) == 1
    assert shop.got[0][1]["webhook-signature"].count("v1,") == 2
    shop.got.clear()
    world.at.sleep(24 * 3600)
    ended(world, shop)
    world.notify()
    assert len(shop.events(new.value)) == 1
    with pytest.raises(WebhookVerificationError):
        shop.events(old.value)


def test_without_a_secret_nothing_is_sent_until_there_is_one_again(world: World, shop: Shop) -> None:
    job_id = ended(world, shop)
    webhooks.revoke(TENANT, shop.secret.id, world.at.now())
    world.notify()
    assert shop.got == []
    assert view(world, job_id)["items"][0]["error"] == "the tenant has no secret to sign with."
    shop.secret = webhooks.create(TENANT, world.at.now())
    pass_time(world, 60)
    assert len(shop.events()) == 1


def test_a_webhook_is_refused_while_the_tenant_has_no_secret(world: World, vendor: Vendor) -> None:
    with pytest.raises(Refusal) as caught:
        world.submit(webhook={"url": "https://shop.example/hook"})
    [fault] = caught.value.faults
    assert (fault.code, fault.pointer) == ("webhook_not_configured", "/webhook")


# --------------------------------------------------------------------------------------------------------- the schedule
def test_after_a_500_it_is_tried_again_with_the_same_id_and_then_never_more(world: World, shop: Shop) -> None:
    shop.answers = [BROKEN, OK]
    job_id = ended(world, shop)
    world.notify()
    waiting = view(world, job_id)
    assert (waiting["status"], [item["status"] for item in waiting["items"]]) == ("scheduled", [500])
    pass_time(world, 3)
    assert len(shop.got) == 1
    pass_time(world, 4)
    first, second = shop.got
    assert shop.ids()[0] == shop.ids()[1]
    assert first[2] == second[2] and first[1]["webhook-timestamp"] != second[1]["webhook-timestamp"]
    assert len(shop.events()) == 2
    assert view(world, job_id)["status"] == "delivered"
    pass_time(world, 100_000)
    assert len(shop.got) == 2


def test_the_schedule_is_that_of_the_specification_and_has_an_end(world: World, shop: Shop) -> None:
    shop.answers = [BROKEN]
    job_id = ended(world, shop)
    world.notify()
    pass_time(world, 1.2 * sum(SPEC))
    times = [at for at, _, _ in shop.got]
    pauses = [(later - before).total_seconds() for before, later in pairwise(times)]
    assert len(times) == 10
    for pause, spec in zip(pauses, SPEC[1:], strict=True):
        assert spec <= pause <= 1.1 * spec + 60, "a tenth at most is added, and the sweep comes once a minute"
    assert len(set(shop.ids())) == 1
    shown = view(world, job_id)
    assert (shown["status"], [item["n"] for item in shown["items"]]) == ("failed", list(range(1, 11)))
    assert world.due() == []


def test_a_receiver_may_ask_for_more_time(world: World, shop: Shop) -> None:
    shop.answers, shop.headers = ["429 Too Many Requests", OK], ("Retry-After: 600",)
    ended(world, shop)
    world.notify()
    pass_time(world, 590)
    assert len(shop.got) == 1
    pass_time(world, 20)
    assert len(shop.got) == 2


def test_410_ends_the_delivery(world: World, shop: Shop) -> None:
    shop.answers = [GONE]
    job_id = ended(world, shop)
    world.notify()
    pass_time(world, 100_000)
    assert len(shop.got) == 1
    assert view(world, job_id)["status"] == "stopped"


@pytest.mark.parametrize("status", ["301 Moved Permanently", "307 Temporary Redirect"])
def test_a_redirect_is_a_failure_and_is_not_followed(world: World, shop: Shop, status: str) -> None:
    shop.answers, shop.headers = [status, OK], (f"Location: {shop.server.url('/other')}",)
    job_id = ended(world, shop)
    world.notify()
    assert [path.partition("?")[0] for _, path in shop.server.asked] == ["/hook"]
    assert view(world, job_id)["status"] == "scheduled"


def test_a_slow_receiver_is_given_up_on_and_tried_again(
    world: World, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.server.answers["/hook"] = lambda _: shop.server.release.wait()
    job_id = ended(world, shop)
    monkeypatch.setattr(notifying, "TIMEOUT", 0.2)
    world.notify()
    shown = view(world, job_id)
    assert shown["status"] == "scheduled"
    assert shown["items"][0]["error"] == f"http://{shop.server.host} took longer than 0.2 s."


@pytest.mark.parametrize("address", ["10.0.0.1", "169.254.169.254", "127.0.0.1", "::ffff:10.0.0.1", "fd00:ec2::254"])
def test_a_name_that_leads_to_a_private_address_is_not_called(
    world: World, shop: Shop, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setattr(safe_http, "post", partial(safe_http.post, resolve=names(address)))
    job_id = ended(world, shop, webhook={"url": "https://hooks.shop.example/t/token-in-the-path"})
    world.notify()
    [item] = view(world, job_id)["items"]
    assert item["error"] == "https://hooks.shop.example is not a public address."


# -------------------------------------------------------------------------------------------------- crashes and repeats
def test_a_job_its_webhook_and_its_drop_are_owed_at_once_and_all_are_paid_after_a_crash(
    world: World, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Settle dies right after its transaction, and the run of a second job was never started."""
    other = world.submit(webhook={"url": shop.url}).job.id
    job_id = submit(world.body(webhook={"url": shop.url}), LIVE, None, world.at, drop="look").job.id
    with monkeypatch.context() as crashed:
        crashed.setattr(settling, "pay_debt", lambda *_: (_ for _ in ()).throw(TimeoutError))
        crashed.setattr(settling, "_free", lambda *_: (_ for _ in ()).throw(OSError))
        with pytest.raises(TimeoutError):
            world.run(job_id)
    assert sorted(world.due()) == sorted([other, f"{job_id}:drop", f"{job_id}:webhook"])
    assert (world.messages, shop.got) == ([], [])
    world.cancel(other)
    pass_time(world, 180)
    assert json.loads(world.read(f"results/{TENANT}/drop/look/result.json"))["id"] == job_id
    assert {event["data"]["id"]: event["data"]["status"] for event in shop.events()} == {
        job_id: "succeeded",
        other: "cancelled",
    }
    assert (len(shop.got), world.due()) == (2, [])


def test_a_lost_message_is_made_up_for_by_the_sweep(world: World, shop: Shop) -> None:
    ended(world, shop)
    world.messages.clear()
    pass_time(world, 120)
    assert len(shop.events()) == 1


@pytest.mark.parametrize(("dies", "arrivals"), [("_sent", 1), ("_end", 2)])
def test_a_function_that_dies_before_or_after_it_sends_has_the_try_repeated(
    world: World, shop: Shop, monkeypatch: pytest.MonkeyPatch, dies: str, arrivals: int
) -> None:
    """At least once: what was sent before it died comes again, with the same id."""

    class Died(BaseException):
        pass

    def die(*_: Any) -> Any:
        raise Died

    job_id = ended(world, shop)
    with monkeypatch.context() as killed:
        killed.setattr(notifying, dies, die)
        with pytest.raises(Died):
            world.notify()
    assert [item["error"] for item in view(world, job_id)["items"]] == [None], "for all we know it is under way"
    pass_time(world, 180)
    assert len(shop.events()) == arrivals
    assert len(set(shop.ids())) == 1
    shown = view(world, job_id)
    assert shown["status"] == "delivered"
    assert [(item["status"], item["error"]) for item in shown["items"]] == [(None, BROKE_OFF), (200, None)]


def test_a_try_that_kills_its_function_each_time_has_an_end(
    world: World, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = ended(world, shop)
    killed: list[None] = []

    def die(*_: Any) -> Any:
        killed.append(None)
        raise MemoryError

    monkeypatch.setattr(notifying, "_sent", die)
    for _ in range(30):
        with suppress(MemoryError):
            pass_time(world, 60)
    shown = view(world, job_id)
    assert (len(killed), shown["status"], world.due()) == (10, "failed", [])
    assert [item["error"] for item in shown["items"]] == [BROKE_OFF] * 10


def test_messages_that_come_twice_or_late_send_nothing_more(world: World, shop: Shop) -> None:
    shop.answers = [BROKEN, OK]
    job_id = ended(world, shop)
    for _ in range(3):
        notify(job_id, world.at)
    assert len(shop.got) == 1, "the next try is due in 5 seconds"
    world.at.sleep(6)
    for _ in range(3):
        notify(job_id, world.at)
    assert len(shop.got) == 2


def test_a_function_whose_clock_is_behind_does_not_put_the_first_try_off(world: World, shop: Shop) -> None:
    job_id = ended(world, shop)
    notify(job_id, FakeClock(world.at.now() - timedelta(seconds=1)))
    assert len(shop.got) == 1


def test_of_two_functions_with_one_message_one_sends(world: World, shop: Shop) -> None:
    job_id = ended(world, shop)
    found = deliveries.get(job_id)
    assert found
    later = "2026-09-01T13:00:00.000Z"
    assert deliveries.claim(found, world.at.now(), later) is not None
    assert deliveries.claim(found, world.at.now(), later) is None


# ------------------------------------------------------------------------------------------------------------ erasing
def test_an_erased_job_sends_nothing_more_and_its_tries_are_gone(world: World, shop: Shop) -> None:
    shop.answers = [BROKEN]
    job_id = ended(world, shop)
    world.notify()
    delete_job(job_id, LIVE, world.at)
    with pytest.raises(Refusal, match="is being erased"):
        resend(job_id, LIVE, world.at)
    pass_time(world, 400)
    world.erase()
    pass_time(world, 10_000)
    assert len(shop.got) == 1
    assert not [item for item in world.items() if "webhook" in json.dumps(item, default=str) and job_id in item["pk"]]
    with pytest.raises(Refusal) as caught:
        view(world, job_id)
    assert caught.value.status == 410


def test_a_job_that_is_erased_while_it_runs_owes_no_webhook(world: World, shop: Shop) -> None:
    job_id = world.submit(webhook={"url": shop.url}).job.id
    delete_job(job_id, LIVE, world.at)
    world.broken(job_id)
    pass_time(world, 1000)
    assert shop.got == []


def test_a_job_erased_during_a_try_does_not_come_back(
    world: World, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = ended(world, shop)

    def erased(*_: Any, **__: Any) -> safe_http.Answered:
        deliveries.remove(job_id)
        return safe_http.Answered(500, None)

    monkeypatch.setattr(safe_http, "post", erased)
    world.notify()
    assert deliveries.get(job_id) is None


# ----------------------------------------------------------------------------------------------------------- resending
@pytest.mark.parametrize("before", [OK, GONE, BROKEN])
def test_an_event_can_be_sent_again_with_its_id_and_a_schedule_of_its_own(
    world: World, shop: Shop, before: str
) -> None:
    shop.answers = [before]
    job_id = ended(world, shop)
    world.notify()
    shop.answers = [BROKEN, OK]
    shown = resend(job_id, LIVE, world.at)
    assert (shown["status"], len(shown["items"])) == ("scheduled", 1)
    world.notify()
    pass_time(world, 7)
    assert (len(shop.events()), len(set(shop.ids()))) == (3, 1)
    shown = view(world, job_id)
    assert (shown["status"], [item["n"] for item in shown["items"]]) == ("delivered", [1, 2, 3])


def test_a_resend_whose_message_is_lost_is_made_up_for(world: World, shop: Shop) -> None:
    job_id = ended(world, shop)
    world.notify()
    resend(job_id, LIVE, world.at)
    world.messages.clear()
    pass_time(world, 120)
    assert len(shop.got) == 2


def test_a_resend_during_a_try_is_not_forgotten(world: World, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    job_id = ended(world, shop)
    real = safe_http.post

    def meanwhile(*arguments: Any, **options: Any) -> Any:
        world.at.sleep(1)
        monkeypatch.setattr(safe_http, "post", real)
        resend(job_id, LIVE, world.at)
        return real(*arguments, **options)

    monkeypatch.setattr(safe_http, "post", meanwhile)
    world.notify()
    world.notify()
    assert len(shop.events()) == 2
    assert [item["status"] for item in view(world, job_id)["items"]] == [200, 200]


def test_what_cannot_be_sent_again_says_why(world: World, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    without, open_one = world.submit().job.id, world.submit(webhook={"url": shop.url}).job.id
    over = ended(world, shop)
    world.notify()
    monkeypatch.setattr("fitting_room.actions.requests.deliveries.MAX_TRIES", 1)
    for job_id, says in ((without, "no webhook"), (open_one, "is queued"), (over, "was tried 1 times")):
        with pytest.raises(Refusal, match=says) as caught:
            resend(job_id, LIVE, world.at)
        assert caught.value.status == 409
    for job_id, caller in ((over, RIVAL), ("job_nonsense", LIVE)):
        for ask in (list_deliveries, resend):
            with pytest.raises(Refusal) as caught:
                ask(job_id, caller, world.at)
            assert caught.value.status == 404
    assert (len(shop.got), world.messages) == (1, [])


# -------------------------------------------------------------------------------------------------------------- secrecy
def test_neither_secrets_nor_the_address_reach_the_log(world: World, shop: Shop, logs: io.StringIO) -> None:
    shop.answers = [BROKEN, GONE]
    ended(world, shop, owner="jane-doe")
    world.notify()
    pass_time(world, 10)
    assert len(shop.got) == 2
    written = logs.getvalue()
    assert "webhook tried" in written
    for word in (shop.secret.value, "whsec_", "v1,", "c0ffee", "/hook", "jane-doe"):
        assert word not in written
    assert shop.secret.value not in repr(shop.secret)


def test_another_tenant_s_secret_signs_nothing(world: World, shop: Shop) -> None:
    foreign = webhooks.create(OTHER, world.at.now())
    ended(world, shop)
    world.notify()
    assert len(shop.events()) == 1
    with pytest.raises(WebhookVerificationError):
        shop.events(foreign.value)
