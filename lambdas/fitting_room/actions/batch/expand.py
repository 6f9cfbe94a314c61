"""Read a batch's manifest: check each row as a job is checked, store it, reckon what all can cost, and set that aside once.

A row that cannot be run is kept with its faults, and stops no other. Doing all of this again changes nothing: rows are
written in the place of the same rows, and one transaction sets the budget aside and ends the expansion.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import islice
from typing import TypedDict

from fitting_room import clock
from fitting_room.actions.batch import manifest, rows
from fitting_room.actions.batch.rows import BadRow
from fitting_room.actions.limits import stage_limits
from fitting_room.actions.requests.accept import offered, over_a_day, over_budget, reservation
from fitting_room.actions.requests.check import Checked, check
from fitting_room.actions.requests.sources import uploaded
from fitting_room.clock import Clock
from fitting_room.jobs.batch import Batch, Row, RowFault, job_id_of
from fitting_room.jobs.errors import Fault, Refusal
from fitting_room.jobs.job import Reservation
from fitting_room.jobs.tasks import AnyRequest
from fitting_room.net import safe_http
from fitting_room.net.safe_http import FetchFailed
from fitting_room.observability import logger
from fitting_room.settings import settings
from fitting_room.stores import api_keys, batch_rows, batches, budgets, jobs, media
from fitting_room.stores.api_keys import Caller
from fitting_room.stores.items import Conflict, transact
from fitting_room.stores.offers import entry

MAX_BYTES = 30_000_000
LOOK_AGAIN = 600
"""Seconds until the sweep looks at a batch again whose machine runs."""
LONGEST_WITH_FILES = timedelta(days=2)
"""For rows that name files of the inbox, which expire after three days."""
MOST_FAULTS = 20
"""Kinds of faults that the record of a batch names; the report names all."""
TOGETHER = 400
"""Rows that ask for the same and run in one child of the map, whose history has an end."""
_ALL_THE_SAME = ("reference", "metadata", "webhook", "reuse")
"""What may differ between rows of which one is bought."""


class Expanded(TypedDict):
    """What the batch machine branches on. `outcome`: `rows` to run, named in the object `items`; or `ended`."""

    outcome: str
    items: str


def expand(batch_id: str, at: Clock) -> Expanded:
    """Read the manifest if that is still to be done, and name the rows that are to run."""
    batch = batches.get(batch_id, at.now())
    if batch and batch.status == "expanding" and not batch.unwanted and not batch.errors:
        try:
            _expand(batch, at)
        except Refusal as refusal:
            logger.info("batch refused", batch_id=batch_id, code=refusal.faults[0].code)
            batches.refused(batch, list(refusal.faults))
        batch = batches.get(batch_id, at.now())
    if batch and (batch.status != "expanding" or batch.unwanted or batch.errors):
        _forget_body(batch)
    if batch is None or batch.status != "running" or batch.unwanted:
        return {"outcome": "ended", "items": ""}
    return {"outcome": "rows", "items": _items(batch)}


@dataclass
class _Reckoning:
    """What the rows come to together."""

    reserved: Counter[str] = field(default_factory=Counter)
    seconds: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    """By provider: for how long its rate, or its places, are busy with rows that name files of the inbox."""
    unpriced: set[str] = field(default_factory=set)
    """Providers whose price in USD is not known."""
    first: dict[bytes, int] = field(default_factory=dict)
    """By what a row asks for: the first that asks for it."""
    uploads: dict[str, tuple[Fault, ...]] = field(default_factory=dict)
    """By id: why an upload cannot be used. Many rows may name the same one."""
    dropped: set[str] | None = None
    """The files of the drop folder; None for a manifest that lies in none."""


def _expand(batch: Batch, at: Clock) -> None:
    """Store the rows and start the batch. Raises `Refusal` for a batch that cannot be run as a whole."""
    caller = Caller(batch.tenant, batch.mode, api_keys.allowed(batch.tenant))
    sums, ttl = _Reckoning(), int(clock.parse(batch.expires_at).timestamp())
    found = _stored(batch, _read(batch), caller, sums, at)
    batch.rows = batch.invalid = 0  # those of a run that broke are read again
    told: dict[tuple[str, str | None], RowFault] = {}
    while some := list(islice(found, batch_rows.IN_A_PARTITION)):
        batch.rows += len(some)
        batch.invalid += sum(bool(row.faults) for row in some)
        _count_faults(some, told)
        batch.row_faults = sorted(told.values(), key=lambda each: -each.count)[:MOST_FAULTS]
        if not batches.counted(batch):  # before they are stored, so that an erasure finds all of them
            return
        batch_rows.put(batch.id, some, ttl)
    batch.most_images, batch.most_microusd = sums.reserved["images"], sums.reserved["microusd"]
    batch.most_millicredits = sums.reserved["millicredits"]
    _check_limits(batch, sums, at)
    if sums.reserved["paid"]:
        day = at.now().date().isoformat()
        batch.reserved = Reservation(day=day, images=sums.reserved["paid"], microusd=batch.most_microusd)
    _begin(batch, at)


def _count_faults(some: list[Row], told: dict[tuple[str, str | None], RowFault]) -> None:
    """Add the faults of rows to those that were told before, each once for a row."""
    for row in some:
        for kind, fault in {(fault.code, fault.pointer): fault for fault in row.faults}.items():
            before = told.get(kind, RowFault(fault=fault, line=row.line, count=0))
            told[kind] = before.model_copy(update={"count": before.count + 1})


def _read(batch: Batch) -> Iterator[rows.Row | BadRow]:
    data = _bytes(batch)
    if batch.crossed:
        yield from rows.crossed(**json.loads(data))
    else:
        yield from manifest.read(io.BytesIO(data), manifest.kind_of(batch.name, data[: manifest.START]))


def _bytes(batch: Batch) -> bytes:
    source = batch.manifest
    if source.url:
        allow = frozenset(settings().deployment.fetch_allow)
        try:
            return safe_http.get(source.url, max_bytes=MAX_BYTES, allow=allow).data
        except FetchFailed as failed:
            raise _refusal(f"The manifest cannot be fetched: {failed.why}.", failed.remedy) from None
    data = media.read(str(source.key), bucket=source.bucket, max_bytes=MAX_BYTES, etag=source.etag)
    if data is None and source.etag:
        raise _refusal(
            "The manifest was changed or removed before it was read.", "A changed one makes a batch of its own."
        )
    if data is None:
        raise _refusal("The manifest no longer exists.", "Upload it again and create a new batch.")
    if len(data) > MAX_BYTES:
        raise _refusal(f"The manifest is larger than {MAX_BYTES:,} bytes.", "Split it into several batches.")
    return data


def _stored(
    batch: Batch, found: Iterator[rows.Row | BadRow], caller: Caller, sums: _Reckoning, at: Clock
) -> Iterator[Row]:
    most, defaults = settings().deployment.batch_rows, json.loads(batch.defaults)
    folder = _folder(batch)
    if batch.drop:
        listed = media.listing(str(batch.manifest.bucket), f"{str(batch.manifest.key).rpartition('/')[0]}/", deep=True)
        sums.dropped = {f"s3://{batch.manifest.bucket}/{found.key}" for found in listed if found.size}
    for n, row in enumerate(found):
        if n == most:
            raise _refusal(f"The manifest has more than {most:,} rows.", "Split it into several batches.")
        if isinstance(row, BadRow):
            yield Row(n=n, line=row.line, id=row.id, faults=row.faults)
            continue
        try:
            body = rows.resolved({"reuse": True, **rows.merged(defaults, row.body)}, folder)
            checked = check(body, caller, at, find_uploads=False)
            _find_files(checked.request, caller, sums, folder, at)
        except Refusal as refusal:
            yield Row(n=n, line=row.line, id=row.id, faults=list(refusal.faults))
            continue
        same_as = _reckon(n, checked, sums, at)
        text = json.dumps(body, separators=(",", ":"))
        yield Row(n=n, line=row.line, id=row.id, request=text, plan=checked.plan.providers, same_as=same_as)


def _folder(batch: Batch) -> str | None:
    """Return the folder in which a manifest lies with the files that it names; None where it is alone."""
    bucket = str(batch.manifest.bucket)
    if not (batch.drop or bucket in settings().deployment.tenant_buckets):
        return None
    return f"s3://{bucket}/{str(batch.manifest.key).rpartition('/')[0]}".rstrip("/")


def _find_files(request: AnyRequest, caller: Caller, sums: _Reckoning, folder: str | None, at: Clock) -> None:
    """Look for each upload that a row names, of which many rows may name the same, and for the files of a drop folder."""
    missing = []
    for _, pointer, ref in request.images():
        if ref.s3 and sums.dropped is not None and ref.s3.startswith(f"{folder}/") and ref.s3 not in sums.dropped:
            name = ref.s3.removeprefix(f"{folder}/")
            missing.append(
                Fault.of(
                    "upload_missing",
                    f"The folder has no file `{name}`.",
                    "Put it beside the manifest, then put the manifest again.",
                    pointer=pointer,
                )
            )
        if ref.upload is None:
            continue
        if ref.upload not in sums.uploads:
            sums.uploads[ref.upload] = _unusable(ref.upload, caller, at)
        missing += [fault.model_copy(update={"pointer": f"{pointer}/upload"}) for fault in sums.uploads[ref.upload]]
    if missing:
        raise Refusal(*missing)


def _unusable(upload_id: str, caller: Caller, at: Clock) -> tuple[Fault, ...]:
    try:
        uploaded(upload_id, caller, at)
    except Refusal as refusal:
        return tuple(refusal.faults)
    return ()


def _reckon(n: int, checked: Checked, sums: _Reckoning, at: Clock) -> int | None:
    """Add a row to the sums. Return the first row that asks for the same, where one purchase does for both."""
    request, providers = checked.request, checked.plan.providers
    sums.reserved["images"] += request.output.count
    prices = [price for _, price in offered(request, checked.plan, checked.subjects, at)]
    sums.reserved["millicredits"] += max(round((price.credits or 0) * request.output.count * 1000) for price in prices)
    sums.unpriced |= {name for name, price in zip(providers, prices, strict=True) if price.per_image() is None}
    if set_aside := reservation(request, checked.plan, checked.subjects, at):
        sums.reserved["paid"] += set_aside.images
        sums.reserved["microusd"] += set_aside.microusd
    if any(ref.upload or (ref.s3 and settings().inbox_bucket in ref.s3) for _, _, ref in request.images()):
        sums.seconds[providers[0]] += _seconds(providers[0], at)
    if not request.reuse:
        return None
    asks = request.model_dump(mode="json", by_alias=True, exclude=set(_ALL_THE_SAME))
    digest = hashlib.sha256(json.dumps(asks, sort_keys=True).encode()).digest()
    first = sums.first.setdefault(digest, n)
    return first if first != n else None


def _seconds(provider_id: str, at: Clock) -> float:
    """Return for how long one job occupies a provider's rate or, if that is longer, its share of the places."""
    provider = entry(provider_id, at)
    rate, places = stage_limits(provider)
    each = rate.seconds / rate.submits if rate else 0.0
    at_once = min(places or settings().deployment.batch_concurrency, settings().deployment.batch_concurrency)
    return max(each, provider.usual_ms / 1000 / at_once)


def _check_limits(batch: Batch, sums: _Reckoning, at: Clock) -> None:
    """Refuse a batch that may come to more than it is allowed to, or that its files do not live long enough for."""
    if batch.rows == batch.invalid:
        raise _refusal(
            f"None of the {batch.rows:,} rows can be run.", "Read the report for what is wrong with each row."
        )
    if batch.max_images is not None and batch.most_images > batch.max_images:
        raise Refusal.of(
            "invalid_input",
            f"The rows ask for {batch.most_images:,} images, which is more than `max_images`.",
            "Raise `max_images`, or send fewer rows.",
            pointer="/max_images",
        )
    if batch.max_microusd is not None and sums.unpriced:
        titles = " and ".join(sorted(entry(name, at).title for name in sums.unpriced))
        raise Refusal.of(
            "invalid_input",
            f"What the rows can cost at {titles} is not known in USD.",
            "Send `max_images` instead, or name another provider.",
            pointer="/max_cost",
        )
    if batch.max_microusd is not None and batch.most_microusd > batch.max_microusd:
        raise Refusal.of(
            "invalid_input",
            f"The rows can cost {batch.most_microusd / 1e6:,.2f} USD, which is more than `max_cost`.",
            "Raise `max_cost`, send fewer rows, or name a provider that costs less.",
            pointer="/max_cost",
        )
    if (longest := max(sums.seconds.values(), default=0)) > LONGEST_WITH_FILES.total_seconds():
        raise _refusal(
            f"The rows need about {longest / 86_400:,.1f} days at the provider's rate, and their files expire before.",
            "Send fewer rows at once, or name the images by https links or in a bucket of your own.",
        )


def _begin(batch: Batch, at: Clock) -> None:
    """Set the budget aside and end the expansion, both or neither, so that a repetition sets nothing aside."""
    _check_day(batch, at)
    writes = {
        "batch": batches.expanded(
            batch, "paused" if batch.hold else "running", at.now(), clock.later(at.now(), LOOK_AGAIN)
        )
    }
    if batch.reserved:
        writes["budget"] = budgets.setting_aside(batch.tenant, batch.reserved, at)
    if batch.mode == "test":
        writes["tests"] = budgets.counting_tests(batch.tenant, at.now(), batch.valid)
    try:
        transact(writes, at.sleep)
    except Conflict as conflict:
        if "batch" in conflict.failed:  # it was done before, or the batch is cancelled
            return
        raise _used_up(batch, "tests" in conflict.failed, at) from None
    logger.info("batch expanded", batch_id=batch.id, rows=batch.rows, invalid=batch.invalid)


def _check_day(batch: Batch, at: Clock) -> None:
    """Refuse a batch that is larger than what a tenant may do in a whole day."""
    if batch.reserved and not budgets.coverable(batch.tenant, batch.reserved, at):
        raise over_a_day(
            f"The tenant's budget for a whole day does not cover the {batch.valid:,} rows of this batch.",
            "Send fewer rows, or ask the operator to raise the daily budget.",
        )
    most = settings().deployment.daily_test_jobs
    if batch.mode == "test" and batch.valid > most:
        raise over_a_day(
            f"The batch has {batch.valid:,} rows to run, and test keys of a tenant may submit {most:,} jobs a day.",
            "Send fewer rows, or ask the operator to raise `daily_test_jobs`.",
        )


def _used_up(batch: Batch, tests: bool, at: Clock) -> Refusal:
    if tests:
        most = settings().deployment.daily_test_jobs
        return over_budget(
            f"Test keys of a tenant may submit {most:,} jobs a day. The {batch.valid:,} rows of this batch are too many"
            " for today.",
            "send fewer rows, or ask the operator to raise `daily_test_jobs`",
            at,
        )
    return over_budget(
        f"The tenant's budget for today does not cover the {batch.valid:,} rows of this batch.",
        "send fewer rows, or ask the operator to raise the daily budget",
        at,
    )


def _items(batch: Batch) -> str:
    """Write down the rows that are to run: those without a job. Rows that ask for the same stand in one item."""
    items: dict[int, list[int]] = {}
    began = batches.counts(batch.id).admitted > 0
    for start in range(0, batch.rows, batch_rows.IN_A_PARTITION):
        some = list(batch_rows.between(batch.id, start, min(batch.rows, start + batch_rows.IN_A_PARTITION)))
        there = jobs.there([job_id_of(batch.id, row.n) for row in some]) if began else set()
        for row in some:
            if row.request and job_id_of(batch.id, row.n) not in there:
                items.setdefault(row.n if row.same_as is None else row.same_as, []).append(row.n)
    key = f"staging/{batch.id}/items-{batch.run}.jsonl"
    lines = (
        json.dumps({"batch": batch.id, "rows": together[start : start + TOGETHER]})
        for together in items.values()
        for start in range(0, len(together), TOGETHER)
    )
    media.put(key, "\n".join(lines).encode(), "application/jsonl")
    return key


def _forget_body(batch: Batch) -> None:
    """Remove the rows that the request itself held, which nobody reads again: no erasure of an owner would find them."""
    if str(batch.manifest.key).startswith(f"staging/{batch.id}/"):
        media.remove([str(batch.manifest.key)])


def _refusal(detail: str, remedy: str) -> Refusal:
    return Refusal.of("invalid_input", detail, remedy, pointer="/manifest")
