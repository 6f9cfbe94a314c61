"""The fitted copies of one attempt, on a shelf in memory."""

from __future__ import annotations

import random
from typing import Any

import pytest
from PIL import Image

from fitting_room.actions.workflow.fitting import Fitting
from fitting_room.jobs.job import Job, Source
from fitting_room.jobs.parse import parse
from fitting_room.providers.catalogue import entry
from tests.unit.images.pictures import noise, saved
from tests.unit.providers.requests import IMAGE, asking

NOVA = entry("nova_canvas")


class Shelf:
    def __init__(self, **originals: bytes) -> None:
        self.files = dict(originals)

    def read(self, key: str) -> bytes | None:
        return self.files.get(key)

    def put(self, key: str, data: bytes, media_type: str) -> None:
        self.files[key] = data


def fitted(body: dict[str, Any], max_body: int, **originals: bytes) -> dict[str, tuple[str, int]]:
    """Media type and bytes of each image that a provider with that limit is sent."""
    request = parse(body)
    moments = {"created_at": "2026-09-01T12:00:00.000Z", "expires_at": "2026-10-01T12:00:00.000Z"}
    job = Job(
        id="job_1", tenant="a", mode="live", task=request.task, request=request, sources={}, plan=[NOVA.id], **moments
    )
    shelf: Any = Shelf(**originals)
    fitting = Fitting(job, 1, NOVA.model_copy(update={"max_body": max_body, "max_image": None}), shelf)
    fitting.fit({role: Source(staged=role) for role in originals})
    return {role: (made.media_type, len(shelf.files[made.key])) for role, made in fitting.inputs.items()}


@pytest.mark.parametrize("budget", range(600_000, 880_000, 40_000))
def test_an_image_leaves_room_for_its_mask_whatever_the_mask_weighs(budget: int) -> None:
    """Three quarters of a body are images: the rest goes to base64."""
    speckled = Image.frombytes("L", (400, 600), bytes(random.Random(5).choices((0, 255), k=240_000)))
    body = asking("inpaint", mask={"type": "image", "image": IMAGE})
    sent = fitted(body, budget, image=saved(noise(400, 600)), mask=saved(speckled))
    assert (sent["image"][0], sent["mask"][0]) == ("image/jpeg", "image/png")
    assert sent["mask"][1] > 30_000
    assert sum(size for _, size in sent.values()) <= budget * 0.75


def test_images_that_fit_stay_png() -> None:
    body = asking("inpaint", mask={"type": "image", "image": IMAGE})
    mask = Image.new("L", (400, 600), 255)
    mask.paste(0, (0, 0, 200, 600))
    sent = fitted(body, 25_000_000, image=saved(noise(400, 600)), mask=saved(mask))
    assert {role: kind for role, (kind, _) in sent.items()} == {"image": "image/png", "mask": "image/png"}
