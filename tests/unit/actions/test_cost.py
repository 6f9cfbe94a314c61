"""What an attempt cost: by the image, by its megapixels, or by what the provider counted."""

from __future__ import annotations

from typing import Any

import pytest

from fitting_room import clock
from fitting_room.actions.cost import cost_of
from fitting_room.jobs.job import Attempt, Job, JobImage, PreparedInput, StoredPicture
from fitting_room.jobs.parse import parse
from tests.unit.memory import FakeClock
from tests.unit.providers.requests import asking

FLUX, BANANA = "fal/fal-ai/flux-pro/v1/vto", "fal/fal-ai/nano-banana-2/edit"


def cost(
    provider: str, person: tuple[int, int] = (800, 1200), garment: tuple[int, int] = (700, 700), **facts: Any
) -> Any:
    """Of a job with one image, whose inputs had these sizes."""
    output, images = facts.pop("output", {}), facts.pop("images", [])
    request, at = parse(asking("try_on", provider=provider, output=output)), FakeClock()
    inputs = {
        role: PreparedInput(key=role, media_type="image/png", width=size[0], height=size[1])
        for role, size in (("person", person), ("garment-0", garment))
    }
    attempt = Attempt(n=1, provider=provider.partition("/")[0], inputs=inputs, claimed_at=clock.text(at.now()), **facts)
    job = Job(
        id="job_1",
        tenant="acme",
        mode="live",
        task="try_on",
        request=request,
        sources={},
        plan=[attempt.provider],
        images=images,
        created_at=clock.text(at.now()),
        expires_at=clock.later(at.now(), 86400),
    )
    return cost_of(job, attempt, at)


RESULT: dict[str, Any] = {"results": [StoredPicture(key="1")], "charged": "yes"}


@pytest.mark.parametrize(
    ("person", "garment", "amount"),
    [
        # page fal-ai/flux-pro/v1/vto: 0.0375 for the first megapixel, 0.005 for each further one, each image rounded up
        ((800, 1200), (700, 700), 0.0475),
        ((1100, 1650), (700, 700), 0.0575),
        ((500, 500), (400, 400), 0.0475),
    ],
)
def test_by_megapixels_that_went_in_and_came_out(
    person: tuple[int, int], garment: tuple[int, int], amount: float
) -> None:
    assert cost(FLUX, person, garment, **RESULT)[1:] == (amount, "USD", None, "megapixel")


@pytest.mark.parametrize(
    ("size", "came", "amount"),
    [
        ((3000, 4500), 816 * 1224, 0.0475),  # enlarged here to `output.size: original`
        ((3000, 4500), None, 0.0475),  # by a release that did not record what came
        ((816, 1224), 1100 * 1650, 0.0525),  # made larger than asked, and cut down here
    ],
)
def test_the_result_counts_as_the_provider_made_it(size: tuple[int, int], came: int | None, amount: float) -> None:
    image = JobImage(
        n=1, bucket="m", key="1", width=size[0], height=size[1], format="png", bytes=1, sha256="", vendor_pixels=came
    )
    assert cost(FLUX, (816, 1224), **RESULT, images=[image]).amount == amount


@pytest.mark.parametrize(("quality", "amount"), [("fast", 0.06), (None, 0.08), ("best", 0.12)])
def test_by_the_image_of_a_size(quality: str | None, amount: float) -> None:
    assert cost(BANANA, output={"quality": quality} if quality else {}, **RESULT).amount == amount


def test_what_the_provider_counted_comes_before_the_list_and_counts_for_a_failure_too() -> None:
    assert cost("gemini", **RESULT).amount == 0.0336
    assert cost("gemini", amount=0.0377, **RESULT).amount == 0.0377
    assert cost("gemini", amount=0.002, outcome="failed", charged="unknown").amount == 0.002
    assert cost("gemini", amount=0.002, outcome="failed", charged="no") is None


def test_where_a_price_has_no_known_number_of_units_the_amount_is_not_known() -> None:
    assert cost("gemini", output={"quality": "best"}, **RESULT).amount is None


@pytest.mark.parametrize(("told", "credits"), [(None, 4), (6, 6)])
def test_by_credits_that_the_header_told(told: int | None, credits: int) -> None:
    assert cost("fashn/tryon-max", credits=told, **RESULT).credits == credits
