"""Accept a batch: check what the body itself says, store where its rows are, start its machine. The rows come later."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from pydantic import ValidationError

from fitting_room import clock
from fitting_room.actions.requests.accept import START_GRACE, expiry
from fitting_room.actions.requests.batches import find_batch
from fitting_room.actions.requests.check import unsigned
from fitting_room.actions.requests.sources import source_of
from fitting_room.actions.requests.submit import KEEP_IDEMPOTENCY, check_same_body, checked_key
from fitting_room.clock import Clock
from fitting_room.jobs.batch import Batch, BatchRequest, ManifestRef
from fitting_room.jobs.errors import Fault, Refusal
from fitting_room.jobs.job import Source
from fitting_room.jobs.links import Arrival
from fitting_room.jobs.parse import faults_of
from fitting_room.settings import settings
from fitting_room.stores import aws, batches, executions, jobs, media
from fitting_room.stores.api_keys import Caller
from fitting_room.stores.aws import Busy
from fitting_room.stores.items import Conflict, transact


@dataclass(frozen=True)
class AcceptedBatch:
    batch: Batch
    replayed: bool = False


def create_batch(
    body: Any,
    caller: Caller,
    idempotency_key: str | None,
    at: Clock,
    *,
    drop: str | None = None,
    etag: str | None = None,
    keep: timedelta = KEEP_IDEMPOTENCY,
) -> AcceptedBatch:
    """Store and start one batch. The same idempotency key and body answer the same batch.

    `drop`: the drop folder in which the manifest lies, with the files that it names. `etag`: of the manifest, where another
    content is another batch. Raises `Refusal`; nothing is stored then.
    """
    remembered = checked_key(idempotency_key)
    if remembered:
        remembered = f"{caller.mode} batch {remembered}"
    digest = jobs.body_hash(body)
    if remembered and (used := jobs.replayed(caller.tenant, remembered, at.now())):
        return _replay(used, digest, caller, at)
    asked = _parsed(body)
    batch_id = at.new_id("bat")
    source, rows = _rows(asked, batch_id, caller, at)
    source = source.model_copy(update={"etag": etag})
    batch = _batch(batch_id, asked, source, caller, at).model_copy(update={"drop": drop})
    if rows is not None:
        media.put(str(source.key), json.dumps(rows).encode(), "application/json")
    writes = {"batch": batches.new_item(batch, clock.later(at.now(), START_GRACE))}
    if remembered:
        writes["idempotency"] = jobs.remember(
            caller.tenant, remembered, job_id=batch.id, digest=digest, now=at.now(), keep=keep
        )
    try:
        transact(writes, at.sleep)
    except (Conflict, Busy) as refused:
        with aws.unimportant("the rows of a refused batch"):
            media.remove([str(source.key)] if rows is not None else [])
        used_now = remembered and jobs.replayed(caller.tenant, remembered, at.now())
        if not used_now:
            raise Refusal.of(
                "throttled", "Too many requests came at once.", "Send the request again.", retry_after=1
            ) from refused
        return _replay(used_now, digest, caller, at)
    executions.start_run(batch.id)
    return AcceptedBatch(batch)


def _parsed(body: Any) -> BatchRequest:
    try:
        return BatchRequest.model_validate(body, context=Arrival(frozenset(settings().deployment.fetch_allow)))
    except ValidationError as error:
        raise Refusal(*faults_of(error, BatchRequest)) from None


def _rows(asked: BatchRequest, batch_id: str, caller: Caller, at: Clock) -> tuple[Source, Any]:
    """Return where the rows of a request are to be read, and those that the body itself holds. Raises `Refusal`."""
    faults: list[Fault] = []
    if asked.webhook:
        faults += unsigned(caller)
    source, rows = Source(bucket=settings().media_bucket, key=f"staging/{batch_id}/manifest.json"), None
    try:
        if asked.manifest:
            source = _manifest(asked.manifest, caller, at)
        else:
            rows = asked.jobs if asked.jobs is not None else asked.cross and asked.cross.model_dump()
    except Refusal as refusal:
        faults += refusal.faults
    if faults:
        raise Refusal(*faults)
    return source, rows


def _manifest(ref: ManifestRef, caller: Caller, at: Clock) -> Source:
    try:
        return source_of(ref, caller, at)
    except Refusal as refusal:
        [kind] = ref.model_dump(exclude_none=True)
        pointed = [fault.model_copy(update={"pointer": f"/manifest/{kind}"}) for fault in refusal.faults]
        raise Refusal(*pointed) from None


def _batch(batch_id: str, asked: BatchRequest, source: Source, caller: Caller, at: Clock) -> Batch:
    address = source.url or source.key or ""
    return Batch(
        id=batch_id,
        tenant=caller.tenant,
        mode=caller.mode,
        manifest=source,
        name=address.partition("?")[0].rpartition("/")[2],
        crossed=asked.cross is not None,
        defaults=json.dumps(asked.defaults),
        max_images=asked.max_images,
        max_microusd=round(asked.max_cost.amount * 1e6) if asked.max_cost else None,
        hold=asked.hold,
        webhook=asked.webhook and asked.webhook.url,
        reference=asked.reference,
        created_at=clock.text(at.now()),
        expires_at=expiry(at),
    )


def _replay(used: dict[str, Any], digest: str, caller: Caller, at: Clock) -> AcceptedBatch:
    check_same_body(used, digest)
    return AcceptedBatch(find_batch(str(used["job_id"]), caller, at), replayed=True)
