"""`FittingRoom` and `AsyncFittingRoom`: the same calls, which block in the one and are awaited in the other."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from datetime import date, datetime
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx

from fitting_room_client.batch_core import BatchCore, OnBatch, OnCount, Rows
from fitting_room_client.core import CALL_SECONDS, JOB_SECONDS, Core, OnChange
from fitting_room_client.flow import Awaiting, Blocking, Call, Clock, Flow
from fitting_room_client.models import Batch, BatchPage, Erased, Estimate, Job, Page, Provider, Upload
from fitting_room_client.requests import ImageLike, bytes_of, try_on
from fitting_room_client.results import Result


class _Calls:
    _core: BatchCore

    @Call
    def try_on(
        self,
        /,
        person: ImageLike,
        garment: ImageLike | Sequence[ImageLike],
        *,
        provider: str = "auto",
        category: str | None = None,
        deadline: float = JOB_SECONDS,
        idempotency_key: str | None = None,
        on_change: OnChange | None = None,
        **fields: Any,
    ) -> Flow[Result]:
        """Upload the files, submit the job, wait for it, and download its images, all within `deadline` seconds.

        `fields` are the other fields of docs/api.md, such as `output={"count": 2}`. `on_change` is called with the job at
        each step. Name images by upload or link if you give an `idempotency_key`: a file gets another upload each time.
        """
        request = try_on(person, garment, category=category, provider=provider, **fields)
        return self._core.try_on(request, idempotency_key, deadline, on_change)

    @Call
    def estimate(
        self,
        /,
        person: ImageLike,
        garment: ImageLike | Sequence[ImageLike],
        *,
        provider: str = "auto",
        category: str | None = None,
        **fields: Any,
    ) -> Flow[Estimate]:
        """Say which providers can do this try-on, and what it costs at most. Sends no file and buys nothing."""
        return self._core.estimate(try_on(person, garment, category=category, provider=provider, **fields))

    @Call
    def batch(
        self,
        /,
        rows: Rows,
        *,
        save: PathLike[str] | None = None,
        deadline: float = math.inf,
        idempotency_key: str | None = None,
        on_change: OnBatch | None = None,
        **fields: Any,
    ) -> Flow[Batch]:
        """Run a manifest, or rows: upload their files, create the batch, wait for its end, and save it into a folder.

        `fields`: defaults, max_cost, max_images, reference, webhook. A batch that pauses is answered as it is. Raises
        `DeadlinePassed` if it takes more than `deadline` seconds after its creation; it goes on then.
        """
        batch = yield from self._core.create_batch(rows, fields, idempotency_key)
        batch = yield from self._core.wait_for_batch(batch, self._core.until(deadline), on_change)
        if save and batch.over:
            yield from self._core.save_batch(batch.id, Path(save), None)
        return batch

    @Call
    def upload(self, image: Path | bytes) -> Flow[Upload]:
        """Upload one image; any number of jobs may name its `id` until `usable_until`."""
        data = image if isinstance(image, bytes) else bytes_of(image, None)
        return self._core.upload(data, self._core.until(CALL_SECONDS))

    @Call
    def providers(self) -> Flow[list[Provider]]:
        """List the providers in the order in which `auto` tries them."""
        return self._core.providers()

    @Call
    def usage(
        self, since: date | str | None = None, until: date | str | None = None, by: str | None = None
    ) -> Flow[dict[str, Any]]:
        """Return what was made and spent from one day to another; `by`: day, provider and owner, joined by commas."""
        return self._core.usage(since, until, by)


class _JobCalls:
    _core: Core

    @Call
    def submit(self, request: Mapping[str, Any], *, idempotency_key: str | None = None) -> Flow[Job]:
        """Submit a job of any task. A path or bytes in the place of an image is uploaded."""
        return self._core.submit(request, idempotency_key)

    @Call
    def estimate(self, request: Mapping[str, Any]) -> Flow[Estimate]:
        """Say which providers can do a job of any task, and what it costs at most."""
        return self._core.estimate(request)

    @Call
    def get(self, job_id: str) -> Flow[Job]:
        """Read a job as it is now."""
        return self._core.job("GET", job_id)

    @Call
    def wait(self, job: Job | str, *, deadline: float = JOB_SECONDS, on_change: OnChange | None = None) -> Flow[Job]:
        """Return the job once it is done, however it ended. Raises `DeadlinePassed` after `deadline` seconds."""
        return self._core.wait(job, self._core.until(deadline), on_change)

    @Call
    def result(self, job_id: str) -> Flow[Result]:
        """Download the images of a job. Raises `JobFailed` if it has none."""
        return self._core.result(job_id)

    @Call
    def page(self, /, *, limit: int = 100, cursor: str | None = None, **filters: str | datetime | None) -> Flow[Page]:
        """Read one page of `list`; `cursor` is the `next_cursor` of the page before."""
        return self._core.page(limit, cursor, filters)

    @Call
    def cancel(self, job_id: str) -> Flow[Job]:
        """End a job; its attempts say whether it was charged."""
        return self._core.job("POST", job_id, "/cancel")

    @Call
    def retry(self, job_id: str, *, buy_again: bool = False) -> Flow[Job]:
        """Do a failed or cancelled job again, as a new job. `buy_again`: even if it was or may have been charged."""
        return self._core.job("POST", job_id, "/retry", {"buy_again": buy_again})

    @Call
    def recover(self, job_id: str) -> Flow[Job]:
        """Fetch what a failed or cancelled job may have paid for, as a new job that buys nothing."""
        return self._core.job("POST", job_id, "/recover")

    @Call
    def delete(self, job_id: str) -> Flow[Erased]:
        """Erase a job and its images."""
        return self._core.delete(job_id)


class Jobs(_JobCalls, Blocking):
    def __init__(self, core: Core, http: httpx.Client) -> None:
        super().__init__(http, core.clock)
        self._core = core

    def list(self, *, limit: int = 100, **filters: str | datetime | None) -> Iterator[Job]:
        """Yield all jobs, newest first, read in pages of `limit`.

        `filters`: status, task, provider, owner, reference, batch, created_after, created_before.
        """
        cursor: str | None = ""
        while cursor is not None:
            page = self._run(self._core.page(limit, cursor or None, filters))
            yield from page.items
            cursor = page.next_cursor


class AsyncJobs(_JobCalls, Awaiting):
    def __init__(self, core: Core, http: httpx.AsyncClient) -> None:
        super().__init__(http, core.clock)
        self._core = core

    async def list(self, *, limit: int = 100, **filters: str | datetime | None) -> AsyncIterator[Job]:
        """Yield all jobs, as `Jobs.list` does."""
        cursor: str | None = ""
        while cursor is not None:
            page = await self._run(self._core.page(limit, cursor or None, filters))
            for job in page.items:
                yield job
            cursor = page.next_cursor


class _BatchCalls:
    _core: BatchCore

    @Call
    def create(
        self,
        /,
        rows: Rows,
        *,
        idempotency_key: str | None = None,
        on_upload: OnCount | None = None,
        **fields: Any,
    ) -> Flow[Batch]:
        """Create a batch of a manifest (a path) or of rows, and do not wait. Files that rows name are uploaded once.

        `fields`: those of POST /v1/batches, such as `max_cost={"amount": 20, "currency": "USD"}` or `hold=True`.
        """
        return self._core.create_batch(rows, fields, idempotency_key, on_upload)

    @Call
    def get(self, batch_id: str) -> Flow[Batch]:
        """Read a batch as it is now. `fr.jobs.list(batch=batch_id)` has its jobs."""
        return self._core.batch("GET", batch_id)

    @Call
    def wait(self, batch: Batch | str, *, deadline: float = math.inf, on_change: OnBatch | None = None) -> Flow[Batch]:
        """Return the batch once it is over or paused. Raises `DeadlinePassed` after `deadline` seconds."""
        return self._core.wait_for_batch(batch, self._core.until(deadline), on_change)

    @Call
    def save(self, batch_id: str, folder: PathLike[str], *, on_page: OnCount | None = None) -> Flow[Path]:
        """Write the images and the contact sheet, and return its first page. If the batch is over, write report.csv too."""
        return self._core.save_batch(batch_id, Path(folder), on_page)

    @Call
    def page(self, *, limit: int = 20, cursor: str | None = None) -> Flow[BatchPage]:
        """Read one page of the batches, newest first; `cursor` is the `next_cursor` of the page before."""
        return self._core.batches(limit, cursor)

    @Call
    def cancel(self, batch_id: str) -> Flow[Batch]:
        """Run no further row, and cancel those that are open."""
        return self._core.batch("POST", batch_id, "/cancel")

    @Call
    def resume(self, batch_id: str) -> Flow[Batch]:
        """Go on with a paused batch."""
        return self._core.batch("POST", batch_id, "/resume")

    @Call
    def delete(self, batch_id: str) -> Flow[int]:
        """Erase a batch with all its jobs, and return how many these are."""
        return self._core.delete_batch(batch_id)


class Batches(_BatchCalls, Blocking):
    def __init__(self, core: BatchCore, http: httpx.Client) -> None:
        super().__init__(http, core.clock)
        self._core = core


class AsyncBatches(_BatchCalls, Awaiting):
    def __init__(self, core: BatchCore, http: httpx.AsyncClient) -> None:
        super().__init__(http, core.clock)
        self._core = core


class FittingRoom(_Calls, Blocking):
    """The client for ordinary code. Address and key are those of `FITTING_ROOM_URL` and `FITTING_ROOM_KEY` if left out.

    `tries`: how often a call is sent that gets no answer. `http`: a client of your own, with a proxy, say; you close it.
    """

    def __init__(
        self,
        url: str | None = None,
        key: str | None = None,
        *,
        tries: int = 4,
        http: httpx.Client | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._core, self._own = BatchCore(url, key, tries, clock or Clock()), http is None
        super().__init__(http or httpx.Client(), self._core.clock)
        self.jobs, self.batches = Jobs(self._core, self._http), Batches(self._core, self._http)

    def __enter__(self) -> FittingRoom:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        if self._own:
            self._http.close()


class AsyncFittingRoom(_Calls, Awaiting):
    """The client for asyncio: `FittingRoom`, to be awaited."""

    def __init__(
        self,
        url: str | None = None,
        key: str | None = None,
        *,
        tries: int = 4,
        http: httpx.AsyncClient | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._core, self._own = BatchCore(url, key, tries, clock or Clock()), http is None
        super().__init__(http or httpx.AsyncClient(), self._core.clock)
        self.jobs, self.batches = AsyncJobs(self._core, self._http), AsyncBatches(self._core, self._http)

    async def __aenter__(self) -> AsyncFittingRoom:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        if self._own:
            await self._http.aclose()
