"""What the benchmarks of whole jobs share: the running local cloud, seen by a client that does as `docs/api.md` says."""

from __future__ import annotations

import json
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "local" / "samples"
FINAL = ("succeeded", "failed", "cancelled")
BUSY = (429, 500, 503)
PATIENCE = 900  # s: of a client whose requests are refused


def endpoints() -> dict[str, Any]:
    return dict(json.loads((ROOT / ".local" / "endpoints.json").read_text()))


@dataclass
class Client:
    """One API key. `refusals`: how often it was asked to come back later."""

    api: str
    key: str
    refusals: int = 0
    http: httpx.Client = field(init=False)

    def __post_init__(self) -> None:
        headers = {"Authorization": f"Bearer {self.key}"}
        self.http = httpx.Client(base_url=self.api, headers=headers, timeout=60, trust_env=False)

    def upload(self, name: str, data: bytes | None = None) -> dict[str, str]:
        """A sample, or `data` in its place, as a reference to put into a request."""
        data = data or (SAMPLES / name).read_bytes()
        made = self.call("POST", "/v1/uploads", {"content_type": "image/png", "bytes": len(data)}).json()
        files = {"file": (name, data, "image/png")}
        httpx.post(made["post"]["url"], data=made["post"]["fields"], files=files, timeout=60).raise_for_status()
        return {"upload": str(made["id"])}

    def submit(self, body: dict[str, Any]) -> str:
        return str(self.call("POST", "/v1/jobs", body).json()["id"])

    def finished(self, job_id: str, seconds: float = PATIENCE) -> dict[str, Any]:
        """The job when it is over, asked for as often as `Retry-After` says."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            answer = self.call("GET", f"/v1/jobs/{job_id}")
            if (job := dict(answer.json()))["status"] in FINAL:
                return job
            time.sleep(float(answer.headers.get("Retry-After", 2)))
        raise TimeoutError(f"{job_id} was not over after {seconds:.0f} s")

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> httpx.Response:
        """One request, sent again with the same idempotency key while we or AWS are busy."""
        headers = {"Idempotency-Key": str(uuid.uuid4())} if method == "POST" else {}
        end, pause = time.monotonic() + PATIENCE, 1.0
        while True:
            answer = self.http.request(method, path, json=body, headers=headers)
            if answer.status_code not in BUSY or time.monotonic() > end:
                if answer.is_error:
                    raise RuntimeError(f"{method} {path} answered {answer.status_code}: {answer.text[:300]}")
                return answer
            self.refusals += 1
            time.sleep(float(answer.headers.get("Retry-After", pause)))
            pause = min(2 * pause, 20)


class Provider:
    """A simulator: what it has sold, and what it should do."""

    def __init__(self, url: str) -> None:
        self._http = httpx.Client(base_url=f"{url}/_sim", timeout=30, trust_env=False)

    def reset(self) -> None:
        for what in ("purchases", "requests", "callbacks", "faults"):
            self._http.delete(f"/{what}").raise_for_status()

    def fault(self, **fault: Any) -> None:
        self._http.post("/faults", json=fault).raise_for_status()

    def heal(self) -> None:
        """Take back what it should do."""
        self._http.delete("/faults").raise_for_status()

    def purchases(self) -> list[dict[str, Any]]:
        return list(self._http.get("/purchases").raise_for_status().json()["purchases"])
