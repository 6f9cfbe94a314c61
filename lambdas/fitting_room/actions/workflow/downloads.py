"""Download a provider's images. The images are paid for and fetching is free, so a bad download is only repeated."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from fitting_room.actions.workflow.attempts import stage
from fitting_room.images.result_checks import decode_result
from fitting_room.jobs.data_url import NotDecodable, decode
from fitting_room.jobs.errors import JobFailure
from fitting_room.jobs.job import Attempt, Job, StoredPicture
from fitting_room.net import safe_http
from fitting_room.net.safe_http import FetchFailed
from fitting_room.providers.base import CatalogueEntry
from fitting_room.settings import settings
from fitting_room.stores.aws import TROUBLE

MAX_RESULT_BYTES = 50_000_000
AT_ONCE = 4


class Downloads(NamedTuple):
    """`results`: the images in staging, in the provider's order. `missing`: why each of the others is not there yet."""

    results: list[StoredPicture]
    missing: list[str]


def download(job: Job, attempt: Attempt, provider: CatalogueEntry, addresses: list[str]) -> Downloads:
    """Fetch the images that are not in staging yet, side by side; keep each good one at once."""
    there = {stored.key.rpartition("-")[2]: stored for stored in attempt.results}
    wanted = {index: address for index, address in enumerate(addresses) if str(index) not in there}

    def one(index: int) -> StoredPicture | str:
        try:
            data = _bytes(wanted[index], provider)
            decode_result(data)  # a page, half a file: not the image yet
            return stage(job, attempt, index, data, attempt.seed)
        except FetchFailed as failed:
            return failed.why
        except NotDecodable as broken:
            return broken.detail
        except JobFailure as failure:
            return failure.fault.detail
        except TROUBLE as error:
            return f"It could not be put into staging ({type(error).__name__})."

    with ThreadPoolExecutor(AT_ONCE) as pool:
        came = dict(zip(wanted, pool.map(one, wanted), strict=True))
    got = {int(index): stored for index, stored in there.items()}
    got |= {index: stored for index, stored in came.items() if isinstance(stored, StoredPicture)}
    return Downloads([got[index] for index in sorted(got)], [why for why in came.values() if isinstance(why, str)])


def _bytes(address: str, provider: CatalogueEntry) -> bytes:
    """Return the bytes of a result, from its address or its data URL.

    Raises `FetchFailed` or `NotDecodable`.
    """
    if address.startswith("data:"):
        return decode(address)
    config = settings().deployment
    hosts = frozenset([*provider.result_hosts, *config.result_hosts.get(provider.id, ())])
    return safe_http.get(address, max_bytes=MAX_RESULT_BYTES, allow=frozenset(config.fetch_allow), hosts=hosts).data
