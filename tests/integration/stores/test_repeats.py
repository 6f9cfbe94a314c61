"""Calls that a client may send again, and the secret of links: two processes agree."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from fitting_room.stores import aws, link_secret, repeats
from fitting_room.stores.repeats import Call
from tests.integration.world import World

KEY, DIGEST = "key-1", "digest-1"


def remember(world: World, number: int, retry: int = 0) -> Call:
    call = Call(f"call_{number:026}", ("fashn", "tryiton"))
    repeats.remember(KEY, DIGEST, call, retry, world.at.now())
    return call


def test_the_newest_call_is_taken_first_and_each_once_a_retry(world: World) -> None:
    calls = [remember(world, number) for number in range(3)]
    taken = [repeats.take(KEY, DIGEST, 1, world.at.now()) for _ in range(4)]
    assert taken == [*reversed(calls), None]
    assert repeats.take(KEY, DIGEST, 2, world.at.now()) == calls[-1], "the answer to the first retry may be lost, too"


def test_a_call_that_began_as_a_retry_answers_only_later_ones(world: World) -> None:
    call = remember(world, 1, retry=2)
    assert repeats.take(KEY, DIGEST, 2, world.at.now()) is None
    assert repeats.take(KEY, DIGEST, 3, world.at.now()) == call


def test_another_key_or_body_is_another_call(world: World) -> None:
    remember(world, 1)
    assert repeats.take("key-2", DIGEST, 1, world.at.now()) is None
    assert repeats.take(KEY, "digest-2", 1, world.at.now()) is None


def test_a_call_ends_after_ten_minutes_though_its_item_is_still_there(world: World) -> None:
    remember(world, 1)
    world.at.sleep(600)
    assert repeats.take(KEY, DIGEST, 1, world.at.now()) is None
    (item,) = (item for item in world.items() if str(item["pk"]).startswith("REPEATS#"))
    assert int(item["ttl"]) == int(world.at.now().timestamp())


@pytest.mark.usefixtures("one_at_a_time")
def test_retries_at_once_never_take_the_same_call(world: World) -> None:
    calls = {remember(world, number) for number in range(6)}
    with ThreadPoolExecutor(6) as clients:
        taken = list(clients.map(lambda _: repeats.take(KEY, DIGEST, 1, world.at.now()), range(6)))
    assert set(taken) == calls


def test_of_two_secrets_that_are_made_at_once_the_first_counts(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def late() -> str:
        aws.table().put_item(Item={**link_secret._KEY, "secret": "theirs"})
        return link_secret._stored() or ""

    made = link_secret._made
    monkeypatch.setattr(link_secret, "_made", lambda: (late(), made())[1])
    assert link_secret.secret(world.at) == "theirs"
    link_secret.secret.clear()
    assert link_secret.secret(world.at) == "theirs"
