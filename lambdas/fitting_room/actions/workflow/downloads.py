"""Download a provider's images. The images are paid for and fetching is free, so a bad download is only repeated."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from fitting_room.actions.workflow.attempts import stage
from fitting_room.clock import Clock
from fitting_room.images.result_checks import decode_result
from fitting_room.jobs.data_url import NotDecodable, decode
from fitting_room.jobs.errors import JobFailure
from fitting_room.jobs.job import Attempt, Job, StoredPicture
from fitting_room.net import safe_http
from fitting_room.net.safe_http import FetchFailed, NotListed
from fitting_room.providers.base import CatalogueEntry
from fitting_room.settings import settings
from fitting_room.stores.aws import TROUBLE

MAX_RESULT_BYTES = 50_000_000
AT_ONCE = 4
FETCH_SECONDS = 120
"""The longest download of one image. An unfinished one starts again from zero at the next look."""
SPARE_SECONDS = 30
"""Left of an invocation to check, store and record what has come."""


class Missing(NamedTuple):
    """Why an image is not in staging yet; `why` has no full stop.

    `made`: False where the provider is not to blame: without a network or time, throttled, or while S3 does not take
    the image. `unlisted`: it lies at a host from which this deployment does not fetch.
    """

    why: str
    made: bool = True
    unlisted: bool = False


class Downloads(NamedTuple):
    """`results`: the images in staging, in the provider's order. `missing`: the others."""

    results: list[StoredPicture]
    missing: list[Missing]


def download(
    job: Job, attempt: Attempt, provider: CatalogueEntry, addresses: list[str], until: float, at: Clock
) -> Downloads:
    """Fetch the images that are not in staging yet, side by side; keep each good one at once.

    `until`: when this invocation ends (epoch ms).
    """
    there = {stored.key.rpartition("-")[2]: stored for stored in attempt.results}
    wanted = {index: address for index, address in enumerate(addresses) if str(index) not in there}

    def one(index: int) -> StoredPicture | Missing:
        seconds = (until - at.ms()) / 1000 - SPARE_SECONDS
        if seconds <= 0:
            return Missing("there was no time left to fetch it", made=False)
        try:
            data = _bytes(wanted[index], provider, min(seconds, FETCH_SECONDS))
            decode_result(data)  # a page, half a file: not the image yet
            return stage(job, attempt, index, data, attempt.seed)
        except FetchFailed as failed:
            return Missing(failed.why, failed.made, isinstance(failed, NotListed))
        except NotDecodable as broken:
            return Missing(broken.detail.rstrip("."))
        except JobFailure as failure:
            return Missing(failure.fault.detail.rstrip("."))
        except TROUBLE as error:
            return Missing(f"it could not be put into staging ({type(error).__name__})", made=False)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        came = dict(zip(wanted, pool.map(one, wanted), strict=True))
    got = {int(index): stored for index, stored in there.items()}
    got |= {index: stored for index, stored in came.items() if isinstance(stored, StoredPicture)}
    return Downloads(
        [got[index] for index in sorted(got)], [each for each in came.values() if isinstance(each, Missing)]
    )


def _bytes(address: str, provider: CatalogueEntry, seconds: float) -> bytes:
    """Return the bytes of a result, from its address or its data URL.

    Raises `FetchFailed` or `NotDecodable`.
    """
    if address.startswith("data:"):
        return decode(address)
    config = settings().deployment
    hosts = frozenset([*provider.result_hosts, *config.result_hosts.get(provider.id, ())])
    return safe_http.get(
        address,
        max_bytes=MAX_RESULT_BYTES,
        allow=frozenset(config.fetch_allow),
        hosts=hosts,
        timeout=seconds,
    ).data
