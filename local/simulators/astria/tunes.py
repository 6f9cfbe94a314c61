"""What an Astria account holds: tunes (fine-tunes, reusable references, the vendor's base models) and their prompts."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from local.simulators.astria.request import PromptRequest, TuneRequest

KEPT = timedelta(days=30)
REPORTED = (
    "callback", "text", "negative_prompt", "cfg_scale", "steps", "seed", "num_images", "super_resolution", "inpaint_faces",
    "hires_fix", "face_correct", "face_swap", "use_lpw", "aspect_ratio", "ar", "resolution", "w", "h", "scheduler",
    "backend_version", "style", "color_grading", "film_grain", "controlnet", "denoising_strength",
    "controlnet_conditioning_scale", "controlnet_txt2img",
)  # fmt: skip
"""Of a prompt's fields; the document shows the first six, the vendor's command line tool reads some of the others."""


@dataclass(frozen=True)
class Base:
    """A model of the vendor's gallery."""

    id: int
    title: str
    branch: str

    @property
    def partner(self) -> bool:
        return self.branch == "partner-1"


BASES = {
    base.id: base
    for base in (
        Base(690204, "Realistic Vision v5.1", "sd15"),
        Base(666678, "SDXL 1.0", "sdxl1"),
        Base(1504944, "Flux1.dev", "flux1"),
        Base(3618064, "gemini", "partner-1"),
        Base(3691308, "seedream", "partner-1"),
        Base(4665564, "gpt-image-2", "partner-1"),
    )
}
"""Ids by the vendor's API pages and, for the partner models, its command line tool."""


@dataclass
class Tune:
    """branch, model_type, token: as settled by the request and its base; pictures: files as they came."""

    id: int
    owner: str
    asked: TuneRequest
    branch: str
    model_type: str | None
    token: str | None
    pictures: dict[str, bytes]
    created: datetime
    trained: datetime | None = None
    ready: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def reference(self) -> bool:
        return self.model_type == "faceid"

    @property
    def mock(self) -> bool:
        return self.branch == "fast"

    def finish(self) -> None:
        self.trained = datetime.now(UTC)
        self.ready.set()


@dataclass
class Prompt:
    id: int
    tune: Tune | Base
    owner: str
    asked: PromptRequest
    purchase: dict[str, Any]
    created: datetime
    started: datetime | None = None
    finished: datetime | None = None
    files: dict[str, bytes] = field(default_factory=dict)
    error: str | None = None


def settled(asked: TuneRequest, base: Tune | Base | None) -> tuple[str, str | None, str | None]:
    """Settle branch, model_type and token.

    The token of a flux or mock tune that names none is not documented: it is read as SDXL's.
    """
    branch = asked.branch or (base.branch if base else "sd15")
    model_type = "pti" if branch == "sdxl1" else asked.model_type
    token = None if model_type == "faceid" else "sks" if branch == "sd15" else "ohwx"
    return branch, model_type, asked.token or token


def tune_told(tune: Tune | Base, site: str, training: float) -> dict[str, Any]:
    """Describe the tune. site: the base URL of this API; there is no checkpoint to download."""
    if isinstance(tune, Base):
        told = {"id": tune.id, "title": tune.title, "name": None, "branch": tune.branch, "base_tune_id": None}
        return told | {"model_type": None, "token": None, "url": f"{site}/tunes/{tune.id}.json", "orig_images": []}
    asked = tune.asked
    return {
        "id": tune.id,
        "title": asked.title,
        "name": asked.name,
        "token": tune.token,
        "base_tune_id": asked.base_tune_id,
        "args": None,
        "steps": asked.steps,
        "face_crop": asked.face_crop,
        "training_face_correct": asked.training_face_correct,
        "ckpt_url": None,
        "ckpt_urls": [],
        "eta": _stamp(tune.trained or tune.created + timedelta(seconds=training)),
        "trained_at": _stamp(tune.trained),
        "started_training_at": _stamp(tune.created),
        "expires_at": _stamp(tune.trained + KEPT if tune.trained else None),
        "created_at": _stamp(tune.created),
        "branch": tune.branch,
        "model_type": tune.model_type,
        "updated_at": _stamp(tune.trained or tune.created),
        "url": f"{site}/tunes/{tune.id}.json",
        "orig_images": [f"{site}/cdn/{name}" for name in tune.pictures],
    }


def prompt_told(prompt: Prompt, site: str, images: list[str]) -> dict[str, Any]:
    """Describe the prompt. images: the addresses of its pictures; it is over when there are some, or a `user_error`."""
    return {
        "id": prompt.id,
        **{name: getattr(prompt.asked, name) for name in REPORTED},
        "trained_at": _stamp(prompt.finished),
        "started_training_at": _stamp(prompt.started),
        "created_at": _stamp(prompt.created),
        "updated_at": _stamp(prompt.finished or prompt.started or prompt.created),
        "tune_id": prompt.tune.id,
        "url": f"{site}/tunes/{prompt.tune.id}/prompts/{prompt.id}.json",
        "images": images,
        "user_error": prompt.error,
    }


def _stamp(when: datetime | None) -> str | None:
    return when.isoformat(timespec="milliseconds").replace("+00:00", "Z") if when else None
