"""Keep in this process what was read, for some seconds of the clock that the caller passes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Generic, TypeVar, TypeVarTuple

from fitting_room.clock import Clock

MOST_KEPT = 1000
"""Answers of one read. A client that guesses keys must not fill the memory."""

Answer = TypeVar("Answer")
Key = TypeVarTuple("Key")


class Kept(Generic[Answer, *Key]):
    """A read that keeps its answers, each by the arguments before the clock. A read that raises keeps nothing."""

    def __init__(self, read: Callable[[*Key, Clock], Answer], seconds: float) -> None:
        self._read = read
        self._seconds = seconds
        self._answers: dict[tuple[object, ...], tuple[datetime, Answer]] = {}

    def __call__(self, *args: *tuple[*Key, Clock]) -> Answer:
        *key, at = args
        kept = self._answers.get(tuple(key))
        # an answer from the future was read before the clock was set back: how old it is, is not known
        if kept and 0 <= (at.now() - kept[0]).total_seconds() < self._seconds:
            return kept[1]
        return self.fresh(*args)

    def fresh(self, *args: *tuple[*Key, Clock]) -> Answer:
        """Read now, and keep that answer instead."""
        *key, at = args
        answer = self._read(*args)
        if len(self._answers) >= MOST_KEPT:
            self._answers.clear()
        self._answers[tuple(key)] = (at.now(), answer)
        return answer

    def clear(self) -> None:
        self._answers.clear()


def kept_for(seconds: float) -> Callable[[Callable[[*Key, Clock], Answer]], Kept[Answer, *Key]]:
    """Keep the answers of a read that takes the clock as its last argument."""

    def decorate(read: Callable[[*Key, Clock], Answer]) -> Kept[Answer, *Key]:
        return Kept(read, seconds)

    return decorate
