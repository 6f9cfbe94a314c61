"""Time and ids, in one place so that tests can hold them still."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, timedelta


class Clock:
    """`now` is aware UTC. `sleep` waits for real."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def ms(self) -> int:
        return int(self.now().timestamp() * 1000)

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)

    def new_id(self, prefix: str) -> str:
        """Return a new id: the prefix, `_`, and a ULID, which sorts by time of creation."""
        from ulid import ULID  # few functions make ids, and importing it takes 15 ms

        return f"{prefix}_{ULID.from_datetime(self.now())}"


def is_id(value: str, prefix: str) -> bool:
    """Return whether `new_id` may have given out a value."""
    return re.fullmatch(rf"{prefix}_[0-9A-HJKMNP-TV-Z]{{26}}", value) is not None


def first_id(prefix: str, moment: datetime) -> str:
    """Return the lowest id that `new_id` may give out at that time."""
    from ulid import ULID

    return f"{prefix}_{str(ULID.from_datetime(moment))[:10]}{'0' * 16}"


def text(moment: datetime) -> str:
    """Return a time as RFC 3339 in UTC with milliseconds.

    Such texts sort as the times do.
    """
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse(moment: str) -> datetime:
    return datetime.fromisoformat(moment)


def from_ms(value: int) -> datetime:
    return datetime.fromtimestamp(value / 1000, UTC)


def later(moment: datetime, seconds: float) -> str:
    return text(moment + timedelta(seconds=seconds))
