"""A vendor's callback: it ends one wait, once, whichever of the two comes first; and does nothing else."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass, field

import pytest
from botocore.exceptions import ClientError

from fitting_room.actions.workflow import attempts as purchase
from fitting_room.actions.workflow import start
from fitting_room.actions.workflow.callback import await_callback, wake
from fitting_room.actions.workflow.collect import collect
from fitting_room.actions.workflow.settle import settle
from fitting_room.actions.workflow.standing import CALLBACK_SOON
from fitting_room.jobs.outcome import Unread
from fitting_room.providers.catalogue import entry
from fitting_room.stores import aws
from tests.deployment import choose
from tests.integration.world import Vendor, World, failed, finished, pending

PROVIDER, OTHER_PROVIDER = "tryiton", "fashn"
OURS = "https://api.example"


@dataclass
class Machine:
    """Where waits end. `over`: the tokens of waits that have ended by themselves, and how AWS says so."""

    ended: list[str] = field(default_factory=list)
    over: dict[str, str] = field(default_factory=dict)

    def send_task_success(self, *, taskToken: str, output: str) -> None:  # noqa: N803
        assert json.loads(output) == {}
        if code := self.over.get(taskToken):
            raise getattr(aws.step_functions().exceptions, code, ClientError)(
                {"Error": {"Code": code}}, "SendTaskSuccess"
            )
        self.ended.append(taskToken)


@pytest.fixture
def machine(world: World, monkeypatch: pytest.MonkeyPatch) -> Machine:
    machine = Machine()
    monkeypatch.setattr(aws.step_functions(), "send_task_success", machine.send_task_success)
    return machine


@pytest.fixture
def vendor(world: World, vendor: Vendor, monkeypatch: pytest.MonkeyPatch) -> Vendor:
    """One that calls back."""
    calling = entry(PROVIDER).model_copy(update={"callbacks": True, "rate": None, "concurrency": None})
    for module in (start, purchase):
        if hasattr(module, "entry"):
            monkeypatch.setattr(module, "entry", lambda name, _: calling if name == PROVIDER else entry(name))
    choose(monkeypatch, callback_url=OURS)
    world.configure(PROVIDER)
    vendor.starts, vendor.polls = [pending("v-1")], [pending("v-1")]
    return vendor


@pytest.fixture
def sent(world: World, machine: Machine, vendor: Vendor) -> str:
    """A job that the vendor has taken, with an address to call."""
    job_id = world.prepared(provider=PROVIDER)
    assert world.start(job_id) == {"outcome": "pending", "wait": 2, "callback": "soon"}
    return job_id


def token(vendor: Vendor) -> str:
    """The secret of the address that the vendor got last."""
    address = vendor.orders[-1].callback
    assert address is not None
    before, _, secret = address.rpartition("/")
    assert before == f"{OURS}/v1/callbacks/{PROVIDER}"
    return secret


def test_on_time_it_ends_the_wait(world: World, machine: Machine, vendor: Vendor, sent: str) -> None:
    await_callback(sent, "wait-1", world.at)
    assert machine.ended == []
    assert wake(PROVIDER, token(vendor), world.at)
    assert machine.ended == ["wait-1"]
    vendor.polls = [finished(864, 1296)]
    assert world.poll(sent) == {"outcome": "finished"}
    assert vendor.polled == ["v-1"], "the status is read once, with our own key"


def test_early_it_ends_the_wait_as_soon_as_there_is_one(
    world: World, machine: Machine, vendor: Vendor, sent: str
) -> None:
    assert wake(PROVIDER, token(vendor), world.at)
    assert machine.ended == []
    await_callback(sent, "wait-1", world.at)
    assert machine.ended == ["wait-1"]


def test_it_may_come_before_the_vendor_has_answered_the_order(world: World, machine: Machine, vendor: Vendor) -> None:
    vendor.during = lambda: heard.append(wake(PROVIDER, token(vendor), world.at))
    heard: list[bool] = []
    job_id = world.prepared(provider=PROVIDER)
    assert world.start(job_id)["outcome"] == "pending"
    await_callback(job_id, "wait-1", world.at)
    assert (heard, machine.ended) == ([True], ["wait-1"])


def test_when_the_vendor_was_not_done_after_all_the_next_wait_is_a_real_one(
    world: World, machine: Machine, vendor: Vendor, sent: str
) -> None:
    wake(PROVIDER, token(vendor), world.at)
    await_callback(sent, "wait-1", world.at)
    assert world.poll(sent) == {"outcome": "pending", "wait": 2, "callback": "soon"}
    await_callback(sent, "wait-2", world.at)
    assert machine.ended == ["wait-1"]


def test_between_two_waits_it_ends_the_second(world: World, machine: Machine, vendor: Vendor, sent: str) -> None:
    await_callback(sent, "wait-1", world.at)
    machine.over["wait-1"] = "TaskTimedOut"
    assert wake(PROVIDER, token(vendor), world.at)
    await_callback(sent, "wait-2", world.at)
    assert machine.ended == ["wait-2"]


def test_twice_it_is_taken_and_does_nothing_more(world: World, machine: Machine, vendor: Vendor, sent: str) -> None:
    wake(PROVIDER, token(vendor), world.at)
    await_callback(sent, "wait-1", world.at)
    await_callback(sent, "wait-2", world.at)
    before = world.items()
    assert wake(PROVIDER, token(vendor), world.at), "so that the vendor does not say it a third time"
    assert machine.ended == ["wait-1"]
    assert world.items() == before


def test_late_it_is_taken_and_does_nothing(world: World, machine: Machine, vendor: Vendor, sent: str) -> None:
    await_callback(sent, "wait-1", world.at)
    vendor.polls = [finished(864, 1296)]
    world.poll(sent)
    collect(sent, world.at)
    settle(sent, world.at)
    assert world.job(sent).final
    machine.over["wait-1"] = "TaskTimedOut"
    settled = world.job(sent)
    assert wake(PROVIDER, token(vendor), world.at)
    assert (machine.ended, world.job(sent)) == ([], settled)


def test_never_the_status_is_read_once_a_wait_and_seldom_after_five_minutes(
    world: World, vendor: Vendor, sent: str
) -> None:
    assert world.poll(sent)["callback"] == "soon"
    assert len(vendor.polled) == 1, "a vendor that calls back is not asked again and again within one look"
    world.at.sleep(CALLBACK_SOON)
    assert world.poll(sent)["callback"] == "later"
    world.at.sleep(1800)
    for _ in range(2):
        said = world.poll(sent)
        assert said == {"outcome": "pending", "wait": 60}, "the last reads do not wait for a callback"
        world.at.sleep(60)
    assert world.poll(sent) == {"outcome": "failed", "again": False}
    job = world.job(sent)
    assert job.latest and job.latest.error and (job.latest.error.code, job.latest.charged) == ("timed_out", "unknown")


def test_a_refused_read_is_repeated_after_its_pause_without_waiting_for_a_callback(
    world: World, vendor: Vendor, sent: str
) -> None:
    vendor.polls = [Unread("HTTP 503", 503), pending("v-1")]
    assert world.poll(sent) == {"outcome": "pending", "wait": 5}
    assert world.poll(sent)["callback"] == "soon"


@pytest.mark.parametrize(
    "guess", ["", "a" * 42, "a" * 43, "a" * 44, "ä" * 43, f"{'a' * 42}\n", f"{'a' * 40}/../", "$" * 43]
)
def test_forged_it_is_refused_and_changes_nothing(
    world: World, machine: Machine, vendor: Vendor, sent: str, guess: str
) -> None:
    await_callback(sent, "wait-1", world.at)
    before = world.items()
    assert not wake(PROVIDER, guess, world.at)
    assert (machine.ended, world.items()) == ([], before)


def test_a_secret_is_good_for_its_own_vendor_only(world: World, machine: Machine, vendor: Vendor, sent: str) -> None:
    await_callback(sent, "wait-1", world.at)
    for _ in range(2):
        assert not wake(OTHER_PROVIDER, token(vendor), world.at)
    assert machine.ended == []
    assert wake(PROVIDER, token(vendor), world.at)
    assert not wake(OTHER_PROVIDER, token(vendor), world.at)
    assert machine.ended == ["wait-1"]


def test_each_attempt_has_a_secret_of_its_own(world: World, machine: Machine, vendor: Vendor) -> None:
    vendor.starts, vendor.polls = [pending("v-1"), pending("v-2")], [failed("provider_error", "no")]
    job_id = world.prepared(provider=PROVIDER)
    world.start(job_id)
    first = token(vendor)
    assert world.poll(job_id) == {"outcome": "prepared", "runner": "http"}
    world.start(job_id)
    assert token(vendor) != first
    await_callback(job_id, "wait-2", world.at)
    assert wake(PROVIDER, first, world.at)
    assert machine.ended == [], "the attempt that is over wakes nobody"
    assert wake(PROVIDER, token(vendor), world.at)
    assert machine.ended == ["wait-2"]


@pytest.mark.parametrize("code", ["TaskTimedOut", "TaskDoesNotExist", "InvalidToken"])
def test_a_wait_that_is_over_needs_no_ending(
    world: World, machine: Machine, vendor: Vendor, sent: str, code: str
) -> None:
    await_callback(sent, "wait-1", world.at)
    machine.over["wait-1"] = code
    assert wake(PROVIDER, token(vendor), world.at)


def test_a_wait_that_cannot_be_ended_is_an_error(world: World, machine: Machine, vendor: Vendor, sent: str) -> None:
    await_callback(sent, "wait-1", world.at)
    machine.over["wait-1"] = "AccessDeniedException"
    with pytest.raises(ClientError):
        wake(PROVIDER, token(vendor), world.at)


def test_there_is_nothing_to_wait_for_once_the_outcome_is_known(
    world: World, machine: Machine, vendor: Vendor, sent: str
) -> None:
    vendor.polls = [finished(864, 1296)]
    world.poll(sent)
    await_callback(sent, "known", world.at)
    collect(sent, world.at)
    settle(sent, world.at)
    await_callback(sent, "settled", world.at)
    await_callback("job_unknown", "unknown", world.at)
    assert machine.ended == ["known", "settled", "unknown"]


@pytest.mark.parametrize(("calls", "address"), [(True, ""), (False, OURS)])
def test_a_vendor_or_a_stage_without_callbacks_is_polled(
    world: World, machine: Machine, vendor: Vendor, monkeypatch: pytest.MonkeyPatch, calls: bool, address: str
) -> None:
    silent = entry(PROVIDER).model_copy(update={"callbacks": calls, "rate": None, "concurrency": None})
    monkeypatch.setattr(start, "entry", lambda *_: silent)
    monkeypatch.setenv("API_URL", OURS)
    choose(monkeypatch, callback_url=address)
    job_id = world.prepared(provider=PROVIDER)
    assert world.start(job_id) == {"outcome": "pending", "wait": 2}
    assert vendor.orders[-1].callback is None
    await_callback(job_id, "wait-1", world.at)
    assert machine.ended == ["wait-1"], "who waits all the same is not left waiting"


def test_a_slash_at_the_end_of_the_stage_s_address_is_not_doubled(
    world: World, machine: Machine, vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    choose(monkeypatch, callback_url=f"{OURS}/")
    world.start(world.prepared(provider=PROVIDER))
    assert str(vendor.orders[-1].callback).startswith(f"{OURS}/v1/callbacks/{PROVIDER}/")


def test_the_secret_is_neither_stored_nor_logged(
    world: World, machine: Machine, vendor: Vendor, sent: str, logs: io.StringIO
) -> None:
    await_callback(sent, "wait-1", world.at)
    wake(PROVIDER, token(vendor), world.at)
    wake(PROVIDER, token(vendor), world.at)
    machine.over["wait-2"] = "TaskTimedOut"
    await_callback(sent, "wait-2", world.at)
    assert token(vendor) not in str(world.items()) + logs.getvalue()


def test_what_is_kept_of_a_callback_goes_by_itself(world: World, machine: Machine, vendor: Vendor, sent: str) -> None:
    [kept] = [item for item in world.items() if str(item["pk"]).startswith("CALLBACK#")]
    days = (int(kept["ttl"]) - world.at.now().timestamp()) / 86400
    assert 1 < days <= 2, "longer than any execution, and not for good"
