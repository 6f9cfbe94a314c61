"""How many jobs an owner, and an address on the internet, submitted on a UTC day. Neither is stored, only its hash.

The hash of an address has a salt that lives two days. After that nobody can tell from the table which address it was;
backups of the table may keep the salt for 35 days more.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from datetime import datetime
from typing import NamedTuple

from fitting_room.clock import Clock
from fitting_room.stores import aws
from fitting_room.stores.api_keys import Caller
from fitting_room.stores.cache import kept_for
from fitting_room.stores.items import KEEP_DAY, put_new, ttl_of_day, uncount_job, update_if


class Count(NamedTuple):
    """`partition`: of an owner or an address, in the world of a key."""

    partition: str
    day: str

    @property
    def key(self) -> dict[str, str]:
        return {"pk": self.partition, "sk": self.day}


def of_owner(caller: Caller, owner: str, at: Clock) -> Count:
    digest = hashlib.sha256(owner.encode()).hexdigest()
    return Count(f"TODAY#{caller.tenant}#{caller.mode}#OWNER#{digest}", _day(at.now()))


def of_address(caller: Caller, at: Clock) -> Count:
    digest = hmac.new(_salt(_day(at.now()), at).encode(), caller.address.encode(), "sha256").hexdigest()
    return Count(f"TODAY#{caller.tenant}#{caller.mode}#ADDRESS#{digest}", _day(at.now()))


def add(count: Count, most: int) -> bool:
    """Count one job. False when the day's number is used up."""
    ttl = ttl_of_day(count.day)
    return update_if(
        count.key,
        "ADD jobs :one SET #ttl = :ttl",
        "attribute_not_exists(jobs) OR jobs < :most",
        names={"#ttl": "ttl"},
        values={":one": 1, ":most": most, ":ttl": ttl},
    )


def take_back(count: Count) -> None:
    """Uncount a job that was not stored."""
    uncount_job(count.key)


@kept_for(KEEP_DAY.total_seconds())
def _salt(day: str) -> str:
    key = {"pk": "SALT", "sk": day}
    put_new({**key, "salt": secrets.token_hex(32), "ttl": ttl_of_day(day)})
    return str(aws.table().get_item(Key=key, ConsistentRead=True)["Item"]["salt"])


def _day(now: datetime) -> str:
    return now.date().isoformat()
