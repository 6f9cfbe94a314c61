"""Telling a customer's address that a job is over: on loopback only, and with the faults of kind `callback`.

Faults: `delay` (late by so many seconds), `never`, `twice`, and `early` (sent at submit, before the answer leaves, in the
place of the one at the end).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

import httpx

from local.simulators.kit.faults import Faults
from local.simulators.kit.loading import on_loopback
from local.simulators.kit.records import Log

FAULTS = ("delay", "never", "twice", "early")
LOCAL_NAMES = ".127.0.0.1"
"""How host names of the local cloud end (`<api>.execute-api.127.0.0.1`); no resolver knows them."""
TIMEOUT = 10.0


async def reachable(url: str) -> bool:
    """Say whether the address is on this machine; others are not called."""
    try:
        parts = urlsplit(url)
        named = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    return named and (str(parts.hostname).endswith(LOCAL_NAMES) or await asyncio.to_thread(on_loopback, url))


class Callbacks:
    """retries: seconds to wait before each further try while nobody answers 2xx; (): the vendor tries once."""

    def __init__(self, faults: Faults, log: Log, *, retries: Sequence[float] = ()) -> None:
        self._faults, self._log, self._retries = faults, log, retries
        self._sending: set[asyncio.Task[None]] = set()

    async def early(self, url: str | None, body: object) -> bool:
        """Send the callback before the answer to a submit leaves, if a fault asks for it; say whether it was sent."""
        if url is None or not self._faults.take("callback", "early"):
            return False
        await self._post(url, body)
        return True

    def send(self, url: str | None, body: object) -> None:
        """Send the callback once the job is over, without waiting for it."""
        if url is None or self._faults.take("callback", "never"):
            return
        task = asyncio.create_task(self._send(url, body))
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)

    async def _send(self, url: str, body: object) -> None:
        if fault := self._faults.take("callback", "delay"):
            await asyncio.sleep(fault.seconds or 0)
        for _ in range(2 if self._faults.take("callback", "twice") else 1):
            await self._deliver(url, body)

    async def _deliver(self, url: str, body: object) -> None:
        for wait in (0.0, *self._retries):
            await asyncio.sleep(wait)
            if await self._post(url, body):
                return

    async def _post(self, url: str, body: object) -> bool:
        """Post, and say whether it was taken.

        The log keeps neither the last path segment nor the query: they may be secrets.
        """
        parts = urlsplit(url)
        host, local = parts.netloc.rpartition("@")[2], str(parts.hostname).endswith(LOCAL_NAMES)
        target = parts._replace(netloc=f"127.0.0.1:{parts.port or 80}") if local else parts
        entry: dict[str, Any] = self._log.add(url=f"{parts.scheme}://{host}{parts.path.rpartition('/')[0]}")
        try:
            async with httpx.AsyncClient(timeout=TIMEOUT, trust_env=False) as client:
                response = await client.post(target.geturl(), json=body, headers={"host": host})
        except httpx.HTTPError:
            entry["answered"] = None
            return False
        entry["answered"] = response.status_code
        return response.is_success
