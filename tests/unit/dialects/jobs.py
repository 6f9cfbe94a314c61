"""Jobs in every state, for what a dialect says of them."""

from __future__ import annotations

from typing import Any

from fitting_room.jobs.errors import Fault
from fitting_room.jobs.job import Job, JobImage

BODY: dict[str, Any] = {
    "task": "try_on",
    "person": {"url": "https://shop.example/person.png"},
    "garments": [{"image": {"url": "https://shop.example/tee.png"}, "category": "tops"}],
}


def job(status: str = "queued", step: str = "queued", code: str | None = None, **facts: Any) -> Job:
    """A job; `code`: of its error. `provider_code` and `retryable` are the error's, `dialect` the one that asked."""
    fault = {name: facts.pop(name) for name in ("provider_code", "retryable") if name in facts}
    error = Fault.of(code, "It failed.", "Send another image.", **fault) if code else None
    metadata = {"dialect": facts.pop("dialect", "fashn/tryon-v1.6")}
    return Job.model_validate(
        {
            "id": "job_01M1EDEAG00000000000000002",
            "tenant": "acme",
            "mode": "live",
            "task": "try_on",
            "status": status,
            "step": step,
            "request": BODY | {"metadata": metadata},
            "sources": {},
            "plan": ["nova_canvas"],
            "error": error,
            "created_at": "2026-09-01T12:00:00.000Z",
            "expires_at": "2026-10-01T12:00:00.000Z",
            **facts,
        }
    )


def image(n: int = 1) -> JobImage:
    return JobImage(n=n, bucket="m", key=f"results/{n}", width=1, height=1, format="png", bytes=1, sha256="")
