"""A tenant's budget of a day: never exceeded, and what was not charged can be spent again."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ConnectionClosedError
from moto.core.models import botocore_stubber

from fitting_room.jobs.job import Reservation
from fitting_room.stores import aws, budgets, daily
from fitting_room.stores.items import transact
from tests.integration.world import LIVE, OTHER, TENANT, World

DAY, TOMORROW = "2026-09-01", "2026-09-02"
LIMIT = 10
"""Images a day; the money is 1 USD."""


def of(images: int, microusd: int = 0, day: str = DAY) -> Reservation:
    return Reservation(day=day, images=images, microusd=microusd)


def give_back(world: World, job_id: str, images: int, microusd: int = 0) -> None:
    transact({"refund": budgets.refund(TENANT, job_id, DAY, images, microusd)}, world.at.sleep)


def test_a_budget_can_be_spent_to_the_last_image_and_the_last_cent(world: World) -> None:
    assert budgets.reserve(TENANT, of(4, 600_000), world.at)
    assert not budgets.reserve(TENANT, of(1, 400_001), world.at)
    assert budgets.reserve(TENANT, of(6, 400_000), world.at)
    assert not budgets.reserve(TENANT, of(1), world.at) and not budgets.reserve(TENANT, of(0, 1), world.at)
    assert budgets.spent(TENANT, DAY) == (10, 1_000_000)


def test_budgets_are_of_one_tenant_and_one_day(world: World) -> None:
    assert budgets.reserve(TENANT, of(LIMIT), world.at)
    assert budgets.reserve(OTHER, of(LIMIT), world.at) and budgets.reserve(TENANT, of(LIMIT, day=TOMORROW), world.at)


def test_what_a_whole_day_cannot_pay_is_known_without_a_look(world: World) -> None:
    assert budgets.coverable(TENANT, of(LIMIT, 1_000_000), world.at)
    assert not budgets.coverable(TENANT, of(LIMIT + 1), world.at) and not budgets.coverable(
        TENANT, of(1, 1_000_001), world.at
    )


def test_what_was_given_back_can_be_spent_again(world: World) -> None:
    assert budgets.reserve(TENANT, of(LIMIT, 500_000), world.at)
    give_back(world, "job_1", 3, 200_000)
    world.at.sleep(5)
    assert not budgets.reserve(TENANT, of(4), world.at)
    assert budgets.reserve(TENANT, of(3, 700_000), world.at)
    assert budgets.spent(TENANT, DAY) == (10, 1_000_000)


def test_an_old_reading_refuses_for_five_seconds_and_never_allows_too_much(world: World) -> None:
    assert budgets.reserve(TENANT, of(LIMIT), world.at)
    give_back(world, "job_1", 3)
    assert not budgets.reserve(TENANT, of(3), world.at)
    world.at.sleep(5)
    assert budgets.reserve(TENANT, of(3), world.at)
    assert not budgets.reserve(TENANT, of(1), world.at)


def test_refunds_are_spread_over_sixteen_items_and_none_is_the_one_that_submits_change(world: World) -> None:
    budgets.reserve(TENANT, of(LIMIT), world.at)
    names = [f"job_{n}" for n in range(60)]
    for name in names:
        give_back(world, name, 0, 1)
    found = {str(item["sk"]): item for item in world.items() if item["pk"] == f"BUDGET#{TENANT}"}
    assert int(str(found.pop(DAY)["microusd"])) == 0
    assert found.keys() == {f"{DAY}#{zlib.crc32(name.encode()) % 16:02d}" for name in names}
    assert budgets.spent(TENANT, DAY) == (LIMIT, -60)


def test_a_provider_that_made_more_than_was_set_aside_has_spent_more(world: World) -> None:
    budgets.reserve(TENANT, of(8), world.at)
    give_back(world, "job_1", -2)
    world.at.sleep(5)
    assert budgets.spent(TENANT, DAY) == (10, 0)
    assert not budgets.reserve(TENANT, of(1), world.at)


def test_a_reservation_that_is_undone_costs_nothing(world: World) -> None:
    budgets.reserve(TENANT, of(4, 10), world.at)
    budgets.release(TENANT, "job_1", of(4, 10))
    assert budgets.spent(TENANT, DAY) == (0, 0)


@pytest.fixture
def lost_answer(world: World, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """From the call on, the network loses the first answer of the table, so that the SDK sends the same once more.

    Like DynamoDB, and unlike moto, the table then does a transaction of one token once.
    """
    done: list[str | None] = []
    real = botocore_stubber.process_request
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)

    def send(request: Any) -> Any:
        token = json.loads(request.body).get("ClientRequestToken")
        if token and token in done:
            return 200, {}, b"{}"
        answer = real(request)
        done.append(token)
        if len(done) == 1:
            raise ConnectionClosedError(endpoint_url=request.url)
        return answer

    return lambda: monkeypatch.setattr(botocore_stubber, "process_request", send)


def test_a_reservation_that_is_undone_counts_once_though_the_answer_is_lost(
    world: World, lost_answer: Callable[[], None]
) -> None:
    """Counted twice, it would let the tenant spend more than its budget."""
    budgets.reserve(TENANT, of(4, 10), world.at)
    lost_answer()
    budgets.release(TENANT, "job_1", of(4, 10))
    assert budgets.spent(TENANT, DAY) == (0, 0)


def test_a_test_job_that_is_uncounted_counts_once_though_the_answer_is_lost(
    world: World, lost_answer: Callable[[], None]
) -> None:
    for _ in range(3):
        budgets.count_test_job(TENANT, world.at.now())
    lost_answer()
    budgets.take_test_job_back(TENANT, world.at.now())
    assert budgets.test_jobs(TENANT, world.at.now()) == 2


def test_an_owner_s_job_that_is_uncounted_counts_once_though_the_answer_is_lost(
    world: World, lost_answer: Callable[[], None]
) -> None:
    count = daily.of_owner(LIVE, "jane", world.at)
    assert [daily.add(count, 3) for _ in range(4)] == [True, True, True, False]
    lost_answer()
    daily.take_back(count)
    assert [daily.add(count, 3) for _ in range(2)] == [True, False]


def test_a_refund_counts_once_though_the_answer_is_lost(world: World, lost_answer: Callable[[], None]) -> None:
    budgets.reserve(TENANT, of(4, 10), world.at)
    lost_answer()
    give_back(world, "job_1", 3, 5)
    assert budgets.spent(TENANT, DAY) == (1, 5)


def test_every_item_of_a_day_goes_when_the_day_is_over_and_not_before(world: World) -> None:
    budgets.reserve(TENANT, of(4, 10), world.at)
    transact({"batch": budgets.setting_aside(OTHER, of(4, 10), world.at)}, world.at.sleep)
    give_back(world, "job_1", 3)
    budgets.count_test_job(TENANT, world.at.now())
    found = [item for item in world.items() if item["pk"].startswith(("BUDGET#", "TESTS#"))]
    ends = {datetime.fromtimestamp(int(str(item["ttl"])), UTC) for item in found}
    assert (len(found), ends) == (4, {datetime(2026, 9, 3, tzinfo=UTC)})


def test_many_submits_at_once_spend_exactly_the_budget(world: World, one_at_a_time: None) -> None:
    with ThreadPoolExecutor(8) as pool:
        taken = list(pool.map(lambda _: budgets.reserve(TENANT, of(1, 10), world.at), range(40)))
    assert (taken.count(True), budgets.spent(TENANT, DAY)) == (LIMIT, (LIMIT, 100))


def test_reserving_is_one_plain_write(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Submits of one tenant that meet in a transaction would refuse each other."""
    client = aws.table().meta.client
    monkeypatch.setattr(client, "transact_write_items", lambda **_: pytest.fail("a transaction"))
    assert budgets.reserve(TENANT, of(1), world.at)
