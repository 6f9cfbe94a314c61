"""The S3 way in: the files of one folder become one job or one batch, however often we hear of them."""

from __future__ import annotations

from collections.abc import Sequence

from fitting_room.actions.drops import news
from fitting_room.actions.drops.files import MANIFESTS, ORDERS, File, files_of, has_order
from fitting_room.actions.drops.folder import Folder, flaw
from fitting_room.actions.drops.job import job_of_order
from fitting_room.actions.drops.manifest import batch_of_manifest
from fitting_room.actions.drops.pair import job_of_pair
from fitting_room.clock import Clock
from fitting_room.jobs.batch import Batch
from fitting_room.jobs.errors import Refusal
from fitting_room.jobs.job import Job
from fitting_room.observability import logger
from fitting_room.stores import tenants


def ingest(key: str, at: Clock) -> str | None:
    """Look at the folder of a file that arrived, and return the id of its job or batch, or None.

    What makes neither becomes a readable `error.json`, and what is not complete a `status.json`.
    """
    folder = Folder.of(key)
    if folder is None or tenants.read(folder.tenant) is None:
        logger.warning("dropped file ignored: no folder of a known tenant")
        return None
    folder = _ruling(folder)
    try:
        made = _made(folder, key, at)
    except Refusal as refusal:
        if refusal.faults[0].code == "throttled":
            raise
        news.refused(folder, refusal.faults)
        return None
    if made is None:
        return None
    news.running(folder, made, at)
    return made.id


def _ruling(folder: Folder) -> Folder:
    """Return the folder whose order names the files of this one: itself, or one that it lies in."""
    above = list(folder.above())
    return next((each for each in (folder, *above) if has_order(each)), folder) if above else folder


def _made(folder: Folder, key: str, at: Clock) -> Job | Batch | None:
    files = files_of(folder)
    if any(file.counts for file in files) and (flaws := list(folder.flaws())):
        raise Refusal(*flaws)
    order = _order(files)
    if order is None:
        return job_of_pair(folder, files, at)
    if order.name in MANIFESTS:
        return batch_of_manifest(folder, order, key, at)
    return job_of_order(folder, order, files, at)


def _order(files: Sequence[File]) -> File | None:
    """Return the file that says what to make of the others; None for a pair.

    Raises `Refusal` if there are several, or if the only one is misspelt: a pair would be bought without its options.
    """
    orders = [file for file in files if file.name in ORDERS]
    if len(orders) > 1:
        names = " and ".join(f"`{file.name}`" for file in orders)
        raise Refusal(flaw(f"The folder holds {names}.", "Keep one of them."))
    if not orders and (misspelt := [file for file in files if file.misspelt]):
        raise Refusal(*(flaw(f"`{file.name}` is not read.", file.remedy) for file in misspelt))
    return orders[0] if orders else None
