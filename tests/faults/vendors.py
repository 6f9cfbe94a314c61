"""The vendors of HTTP in the fault harness: the real adapters, and behind them a wire that answers as the vendor does."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from typing import Any

import httpx

from fitting_room.providers.adapter import Connection, Provider
from fitting_room.providers.fal import adapter as fal
from fitting_room.providers.fashn import adapter as fashn
from fitting_room.providers.gemini import adapter as gemini
from tests.faults.house import Ledger

CONNECT: dict[str, Callable[[Connection, httpx.BaseTransport], Provider]] = {
    "fal": fal.connect,
    "fashn": fashn.connect,
    "gemini": gemini.connect,
}


class WireLedger(Ledger):
    """Each POST sells, each GET is free; a call that fails has lost its connection."""

    def connect(self, connection: Connection) -> Provider:  # type: ignore[override]
        return CONNECT[self.id](connection, httpx.MockTransport(self._answer))

    def _answer(self, request: httpx.Request) -> httpx.Response:
        name, answer = ("provider.submit", self._sold) if request.method == "POST" else ("provider.read", self._told)
        found: httpx.Response = self.faults.around(name, lambda: answer(request), lambda: httpx.ReadError("lost"))
        return found

    def _sold(self, request: httpx.Request) -> httpx.Response:
        name = f"v-{len(self.sold) + 1}"
        self.sold[name] = self.world.at.now().timestamp()
        self.address = request.url.params.get("fal_webhook") or request.url.params.get("webhook_url") or ""
        if self.id == "gemini":
            self.world.at.sleep(1)
            return httpx.Response(200, json=self._drawn())
        return httpx.Response(200, json={"id": name, "request_id": name, "error": None})

    def _drawn(self) -> dict[str, Any]:
        image = {"mimeType": "image/png", "data": b64encode(self.image(0)).decode()}
        used = {"promptTokenCount": 600, "candidatesTokenCount": 1120, "totalTokenCount": 1720}
        return {
            "candidates": [{"content": {"parts": [{"inlineData": image}]}, "finishReason": "STOP"}],
            "usageMetadata": used,
        }

    def _told(self, request: httpx.Request) -> httpx.Response:
        parts = request.url.path.split("/")
        name = next(part for part in parts if part in self.sold)
        done = self.world.at.now().timestamp() - self.sold[name] >= self.work
        addresses = [f"https://cdn.example/{name}/{n}" for n in range(self.count)]
        if self.id == "fashn":
            ended = {"status": "completed", "output": addresses} if done else {"status": "processing"}
            return httpx.Response(200, json=ended, headers={"x-fashn-credits-used": "4"} if done else {})
        if parts[-1] == "status":
            return httpx.Response(200, json={"request_id": name, "status": "COMPLETED" if done else "IN_PROGRESS"})
        return httpx.Response(200, json={"images": [{"url": address} for address in addresses]})
