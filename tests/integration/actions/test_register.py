"""References at a vendor: made once per picture and tenant, never twice at once, and forgotten when the vendor has."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest

from fitting_room.actions.workflow import attempts as purchase
from fitting_room.actions.workflow import start
from fitting_room.actions.workflow.queueing import QUEUE_LIMIT
from fitting_room.jobs.outcome import Failed
from fitting_room.providers.adapter import Reference
from fitting_room.providers.base import ReferenceKind
from fitting_room.providers.catalogue import entry
from fitting_room.stores import aws, provider_keys, references
from tests.deployment import choose
from tests.integration.world import OTHER, SECRET, Vendor, World, failed, finished, picture

PROVIDER = "tryiton"
KINDS = {
    "person": ReferenceKind(class_name="woman", shared=False),
    "garment-0": ReferenceKind(class_name="shirt", flat_lay=True),
}


@dataclass
class Registrar(Vendor):
    """Also makes references, and counts them."""

    made: list[Reference] = field(default_factory=list)
    fails: list[Failed | Exception] = field(default_factory=list)
    kinds: dict[str, ReferenceKind] = field(default_factory=lambda: dict(KINDS))

    def register(self, reference: Reference) -> str | Failed:
        self.made.append(reference)
        if self.fails:
            failure = self.fails.pop(0)
            if isinstance(failure, Exception):
                raise failure
            return failure
        return f"ref-{len(self.made)}"

    @property
    def classes(self) -> list[str]:
        return [reference.kind.class_name for reference in self.made]


@pytest.fixture
def vendor(world: World, monkeypatch: pytest.MonkeyPatch) -> Registrar:
    """Stands for TryItOn, as if that needed references."""
    vendor = Registrar(starts=[finished(864, 1296)])
    needing = entry(PROVIDER).model_copy(update={"references": lambda _: vendor.kinds, "rate": None})
    monkeypatch.setattr("fitting_room.actions.workflow.attempts.adapter", lambda _: vendor)
    for module in (start, purchase):
        if hasattr(module, "entry"):
            monkeypatch.setattr(module, "entry", lambda name, _: needing if name == PROVIDER else entry(name))
    world.configure(PROVIDER)
    return vendor


def test_the_order_names_what_was_made_of_its_pictures(world: World, vendor: Registrar) -> None:
    world.start(world.prepared(provider=PROVIDER))
    assert vendor.classes == ["woman", "shirt"]
    assert vendor.orders[0].references == {"person": "ref-1", "garment-0": "ref-2"}
    person, shirt = vendor.made
    assert "flat lay" in shirt.title and "flat lay" not in person.title
    assert person.picture.read() == vendor.orders[0].base.read()


def test_the_second_job_makes_no_second_reference_of_the_garment_but_its_own_of_the_person(
    world: World, vendor: Registrar
) -> None:
    world.start(world.prepared(provider=PROVIDER))
    world.start(world.prepared(provider=PROVIDER))
    assert vendor.classes == ["woman", "shirt", "woman"]
    assert vendor.orders[1].references["garment-0"] == "ref-2"
    assert vendor.made[0].title != vendor.made[2].title, "a person's reference is one job's own"


def test_another_picture_and_another_tenant_make_their_own(world: World, vendor: Registrar) -> None:
    world.start(world.prepared(provider=PROVIDER))
    world.put("garment.png", picture(200, 200, "maroon"))
    world.start(world.prepared(provider=PROVIDER))
    for name, size in (("person.png", (360, 540)), ("garment.png", (200, 200))):
        world.put(name, picture(*size, "maroon"), folder=f"drop/{OTHER}")
    body = world.body(provider=PROVIDER)
    body["person"] = {"s3": body["person"]["s3"].replace("acme", OTHER)}
    body["garments"][0]["image"] = {"s3": body["garments"][0]["image"]["s3"].replace("acme", OTHER)}
    job_id = world.submit(body, tenant=OTHER).job.id
    world.run(job_id)
    assert vendor.classes.count("shirt") == 3
    assert len({reference.title for reference in vendor.made}) == 6


def test_while_one_job_makes_it_another_waits_and_buys_nothing(world: World, vendor: Registrar) -> None:
    one, two = world.prepared(provider=PROVIDER), world.prepared(provider=PROVIDER)
    said: list[Any] = []
    register = vendor.register

    def meanwhile(reference: Reference) -> str | Failed:
        if reference.kind.class_name == "shirt" and not said:
            said.append(None)
            said[0] = world.start(two)
        return register(reference)

    vendor.register = meanwhile
    world.start(one)
    assert (said[0]["outcome"], len(vendor.orders)) == ("busy", 1)
    assert world.start(two)["outcome"] == "finished"
    assert vendor.classes.count("shirt") == 1


def test_one_that_certainly_failed_is_no_obstacle_to_the_next_job(world: World, vendor: Registrar) -> None:
    vendor.fails = [failed("image_unreadable")]
    job_id = world.submit(provider=PROVIDER).job.id
    world.run(job_id)
    job = world.job(job_id)
    assert (job.status, job.error and job.error.code, len(vendor.orders)) == ("failed", "image_unreadable", 0)
    assert world.start(world.prepared(provider=PROVIDER))["outcome"] == "finished"


def test_one_of_unknown_fate_ends_the_job_uncertain_and_keeps_no_other_job_waiting(
    world: World, vendor: Registrar
) -> None:
    one = world.prepared(provider=PROVIDER)
    vendor.fails = [failed("provider_unavailable", "unknown")]
    assert world.start(one) == {"outcome": "failed", "again": False}
    latest = world.job(one).latest
    assert latest and latest.charged == "unknown"
    two = world.prepared(provider=PROVIDER)
    assert world.start(two)["outcome"] == "finished", "the person's reference was the first job's own"


def test_a_shared_one_of_unknown_fate_is_not_made_a_second_time_while_the_first_may_still_come(
    world: World, vendor: Registrar
) -> None:
    del vendor.kinds["person"]
    one, two = world.prepared(provider=PROVIDER), world.prepared(provider=PROVIDER)
    vendor.fails = [failed("provider_unavailable", "unknown")]
    world.start(one, remaining=60)
    assert world.start(two)["outcome"] == "busy"
    assert vendor.classes == ["shirt"]
    world.at.sleep(61)
    assert world.start(two)["outcome"] == "finished"


def test_a_provider_that_had_enough_of_orders_still_knows_its_references(world: World, vendor: Registrar) -> None:
    vendor.starts = [replace(failed("rate_limited"), retry_after=20), finished(864, 1296)]
    job_id = world.submit(provider=PROVIDER).job.id
    world.run(job_id)
    assert (world.job(job_id).status, len(vendor.orders)) == ("succeeded", 2)
    world.start(world.prepared(provider=PROVIDER))
    assert vendor.classes == ["woman", "shirt", "woman"], "the shirt is not bought again"


def test_a_crash_while_making_it_is_waited_out_and_then_made_up_for(world: World, vendor: Registrar) -> None:
    one, two = world.prepared(provider=PROVIDER), world.prepared(provider=PROVIDER)
    register, crashed = vendor.register, list[Reference]()

    def killed(reference: Reference) -> str | Failed:
        if reference.kind.class_name == "shirt" and not crashed:
            crashed.append(reference)
            raise ConnectionError("killed")
        return register(reference)

    vendor.register = killed
    with pytest.raises(ConnectionError):
        world.start(one, remaining=60)
    assert world.start(two)["outcome"] == "busy", "it may still be at it"
    world.at.sleep(61)
    assert world.start(two)["outcome"] == "finished"
    assert crashed[0].title == vendor.made[-1].title, "so that the vendor can be asked whether it exists"


def test_a_refused_order_makes_the_next_job_register_anew(world: World, vendor: Registrar) -> None:
    vendor.starts = [failed("provider_error", retryable=False), finished(864, 1296)]
    world.start(world.prepared(provider=PROVIDER))
    world.start(world.prepared(provider=PROVIDER))
    assert vendor.classes.count("shirt") == 2


def test_a_reference_is_not_trusted_for_longer_than_the_vendor_keeps_it(world: World, vendor: Registrar) -> None:
    world.start(world.prepared(provider=PROVIDER))
    world.at.sleep(26 * 86400)
    world.start(world.prepared(provider=PROVIDER))
    assert vendor.classes.count("shirt") == 2


def test_one_that_is_found_again_by_its_title_is_not_about_to_go_at_the_vendor(world: World, vendor: Registrar) -> None:
    world.start(world.prepared(provider=PROVIDER))
    world.at.sleep(26 * 86400)
    world.start(world.prepared(provider=PROVIDER))
    _, before, _, after = vendor.made
    assert (before.kind, before.title == after.title) == (after.kind, False)


def test_a_purchase_never_gets_an_invocation_that_making_references_has_used_up(
    world: World, vendor: Registrar
) -> None:
    job_id, register, left = world.prepared(provider=PROVIDER), vendor.register, []

    def slow(reference: Reference) -> str | Failed:
        world.at.sleep(75)
        return register(reference)

    def purchase_begins() -> None:
        left.append(ends - world.at.now())

    vendor.register, vendor.during = slow, purchase_begins
    said: Any = {"outcome": "busy"}
    while said["outcome"] == "busy":
        ends = world.at.now() + timedelta(seconds=180)
        said = world.start(job_id, remaining=180)
    assert (said["outcome"], vendor.classes) == ("finished", ["woman", "shirt"])
    assert left[0] >= timedelta(seconds=150)


def test_each_reference_and_the_order_after_them_have_a_slot_of_their_own(
    world: World, vendor: Registrar, monkeypatch: pytest.MonkeyPatch
) -> None:
    choose(monkeypatch, limits={PROVIDER: {"submits": 1, "seconds": 27}})
    register, began, calls = vendor.register, world.at.now(), list[float]()

    def called() -> None:
        calls.append((world.at.now() - began).total_seconds())

    def registered(reference: Reference) -> str | Failed:
        called()
        return register(reference)

    vendor.register, vendor.during = registered, called
    world.run(world.submit(provider=PROVIDER).job.id)
    assert (vendor.classes, calls) == (["woman", "shirt"], [0, 30, 60])


def test_a_vendor_that_had_enough_while_a_reference_was_made_is_asked_again(world: World, vendor: Registrar) -> None:
    vendor.fails = [replace(failed("rate_limited"), retry_after=20)]
    job_id, began = world.submit(provider=PROVIDER).job.id, world.at.now()
    world.run(job_id)
    assert (world.job(job_id).status, vendor.classes) == ("succeeded", ["woman", "woman", "shirt"])
    assert world.at.now() - began >= timedelta(seconds=20)


def test_a_provider_that_cannot_be_reached_for_a_reference_is_waited_for(world: World, vendor: Registrar) -> None:
    vendor.fails = [failed("provider_unavailable", retryable=True) for _ in range(3)]
    job_id = world.submit(provider=PROVIDER).job.id
    world.run(job_id)
    job = world.job(job_id)
    assert (job.status, list(job.attempts), len(vendor.orders)) == ("succeeded", ["1"], 1)
    assert job.waited >= 15, "it counts against the queue limit"


def test_a_provider_that_stays_away_is_waited_for_as_long_as_a_job_may_queue(world: World, vendor: Registrar) -> None:
    vendor.fails = [failed("provider_unavailable", retryable=True) for _ in range(200)]
    job_id, began = world.submit(provider=PROVIDER).job.id, world.at.now()
    path = world.run(job_id)
    job = world.job(job_id)
    assert (job.error and job.error.code, vendor.orders) == ("provider_unavailable", [])
    assert QUEUE_LIMIT <= world.at.now() - began <= QUEUE_LIMIT + timedelta(minutes=1)
    assert len(path) <= 60


def test_a_job_with_a_fallback_does_not_wait_for_a_provider_that_is_away(world: World, vendor: Registrar) -> None:
    vendor.fails = [failed("provider_unavailable", retryable=True)]
    job_id = world.submit(provider=PROVIDER, fallback=["nova_canvas"]).job.id
    world.run(job_id)
    assert [each.provider for each in world.job(job_id).attempts.values()] == [PROVIDER, "nova_canvas"]


def test_a_refused_key_that_was_changed_makes_the_reference_with_the_new_one(world: World, vendor: Registrar) -> None:
    """Also where the provider's list is only read before anything is made."""
    vendor.fails = [failed("provider_auth")]
    job_id = world.prepared(provider=PROVIDER)
    assert provider_keys.secret(PROVIDER, world.at) == SECRET, "it is known here, and then it is changed"
    aws.secrets().put_secret_value(SecretId=f"secret-of-{PROVIDER}", SecretString="new")
    assert world.start(job_id)["outcome"] == "finished"
    assert [connection.secret for connection in vendor.connections] == [SECRET, "new"]


def test_a_job_makes_the_reference_itself_once_the_other_job_cannot_make_it_any_more(
    world: World, vendor: Registrar
) -> None:
    del vendor.kinds["person"]
    one, two = world.prepared(provider=PROVIDER), world.submit(provider=PROVIDER).job.id
    vendor.fails = [ConnectionError("killed")]
    with pytest.raises(ConnectionError):
        world.start(one, remaining=3600)
    began = world.at.now()
    world.run(two)
    assert (world.job(two).status, len(vendor.orders)) == ("succeeded", 1)
    assert 170 <= (world.at.now() - began).total_seconds() <= 240


def test_a_late_refusal_does_not_delete_a_reference_that_another_job_makes(world: World) -> None:
    now, shirt = world.at.now(), ("acme", PROVIDER, "digest")
    until = now + timedelta(seconds=60)
    assert references.claim(*shirt, now, until).held
    references.save(*shirt, "gone", now)
    references.forget(*shirt, "gone")
    assert references.claim(*shirt, now, until).held
    references.forget(*shirt, "gone")
    assert not references.claim(*shirt, now, until).held, "it would be made twice"
    references.unclaim(*shirt, now)
    assert not references.claim(*shirt, now, until).held, "that was another one's turn"
    references.unclaim(*shirt, until)
    assert references.claim(*shirt, now, until).held
