"""Keep answers of reads in this process, for some seconds of the clock that the caller passes."""

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
    """A read that keeps its answers. It is called with the read's own arguments, and with the clock after them."""

    def __init__(self, read: Callable[[*Key], Answer], seconds: float) -> None:
        self._read = read
        self._seconds = seconds
        self._answers: dict[tuple[*Key], tuple[datetime, Answer]] = {}

    def __call__(self, *args: *tuple[*Key, Clock]) -> Answer:
        key, now = args[:-1], args[-1].now()
        kept = self._answers.get(key)
        # an answer from the future was read before the clock was set back: how old it is, is not known
        if kept and 0 <= (now - kept[0]).total_seconds() < self._seconds:
            return kept[1]
        return self.fresh(*args)

    def fresh(self, *args: *tuple[*Key, Clock]) -> Answer:
        """Read now, and keep that answer instead.

        A read that raises keeps nothing.
        """
        key, at = args[:-1], args[-1]
        answer = self._read(*key)
        if len(self._answers) >= MOST_KEPT:
            self._answers.clear()
        self._answers[key] = (at.now(), answer)
        return answer

    def clear(self) -> None:
        self._answers.clear()


def kept_for(seconds: float) -> Callable[[Callable[[*Key], Answer]], Kept[Answer, *Key]]:
    """Keep the answers of a read, each by its arguments.

    Its callers pass the clock as one more argument, the last.
    """

    def decorate(read: Callable[[*Key], Answer]) -> Kept[Answer, *Key]:
        return Kept(read, seconds)

    return decorate
