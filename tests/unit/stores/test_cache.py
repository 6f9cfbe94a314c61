"""What was read is kept for its seconds, of the clock that is passed, and by its arguments."""

from __future__ import annotations

from datetime import timedelta

import pytest

from fitting_room.stores.cache import MOST_KEPT, Kept, kept_for
from tests.unit.memory import FakeClock


class Shelf:
    """Counts how often it was read."""

    def __init__(self) -> None:
        self.reads: list[str] = []
        self.broken = False

    def kept(self, seconds: float) -> Kept[int, str]:
        @kept_for(seconds)
        def read(name: str) -> int:
            self.reads.append(name)
            if self.broken:
                raise TimeoutError
            return len(self.reads)

        return read


def test_an_answer_is_kept_for_its_seconds_and_no_longer() -> None:
    at, kept = FakeClock(), Shelf().kept(30)
    assert (kept("a", at), kept("a", at)) == (1, 1)
    at.sleep(29.9)
    assert kept("a", at) == 1
    at.sleep(0.1)
    assert (kept("a", at), kept("a", at)) == (2, 2)


def test_answers_are_kept_by_their_arguments() -> None:
    at, shelf = FakeClock(), Shelf()
    kept = shelf.kept(30)
    assert [kept(name, at) for name in "abab"] == [1, 2, 1, 2]


def test_a_fresh_answer_takes_the_place_of_the_kept_one() -> None:
    at, kept = FakeClock(), Shelf().kept(30)
    assert (kept("a", at), kept.fresh("a", at), kept("a", at)) == (1, 2, 2)


def test_a_read_that_failed_is_read_again() -> None:
    at, shelf = FakeClock(), Shelf()
    shelf.broken, kept = True, shelf.kept(30)
    with pytest.raises(TimeoutError):
        kept("a", at)
    shelf.broken = False
    assert kept("a", at) == 2


def test_a_clock_that_is_set_back_makes_no_answer_live_longer() -> None:
    at, kept = FakeClock(), Shelf().kept(30)
    assert kept("a", at) == 1
    assert kept("a", FakeClock(at.moment - timedelta(hours=1))) == 2


def test_a_client_that_guesses_does_not_fill_the_memory() -> None:
    at, shelf = FakeClock(), Shelf()
    kept = shelf.kept(30)
    for number in range(MOST_KEPT + 1):
        kept(str(number), at)
    assert kept("0", at) == MOST_KEPT + 2, "the first answers were dropped"


def test_nothing_is_kept_after_clear() -> None:
    at, kept = FakeClock(), Shelf().kept(30)
    kept("a", at)
    kept.clear()
    assert kept("a", at) == 2
