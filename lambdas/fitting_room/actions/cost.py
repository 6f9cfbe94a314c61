"""The cost of an attempt, by the price list at which it was bought or the vendor's own word."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import NamedTuple

from fitting_room.clock import Clock
from fitting_room.jobs.job import Attempt, Job
from fitting_room.jobs.tasks import AnyRequest, Size
from fitting_room.providers.base import Basis, Price, of_size
from fitting_room.stores.offers import entry


class Cost(NamedTuple):
    """The price of `images` pictures.

    `amount` is in `currency`. It is None where the vendor bills credits only or publishes no price. `basis`: the unit
    of the price.
    """

    images: int
    amount: float | None
    currency: str
    credits: float | None
    basis: Basis = "image"


def cost_of(job: Job, attempt: Attempt, at: Clock) -> Cost | None:
    """Return the cost of an attempt, or None when nothing was charged.

    An attempt whose outcome is unknown counts as charged, so that a budget is never exceeded. An image that the provider
    made counts even if it could not be fetched.
    """
    if attempt.charged == "no":
        return None
    count = max(len(attempt.results), attempt.reads.made) or job.request.output.count
    price = of_size(_prices(job, attempt, at), _side(job, attempt))
    credits = attempt.credits if attempt.credits is not None else (price.credits or 0) * count
    each = price.per_image(_units(job, attempt, price))
    counted = None if price.basis == "image" else attempt.amount
    amount = counted if counted is not None else each and each * count
    return Cost(count, amount and round(amount, 6), price.currency, credits or None, price.basis)


def _prices(job: Job, attempt: Attempt, at: Clock) -> Sequence[Price]:
    """Return the prices of the day on which the attempt was bought; today's where its record has none."""
    bought = [Price.model_validate(price, extra="ignore") for price in attempt.prices]
    provider = entry(attempt.provider, at)
    return bought or provider.prices_of(job.request, provider.model(job.request, job.made_for, job.models))


def _units(job: Job, attempt: Attempt, price: Price) -> float | None:
    """Return the units of a price that one image took, or None if unknown.

    Megapixels count for the inputs and the result as the vendor made it, each rounded up. A result whose size was not
    recorded counts as the base picture.
    """
    base = attempt.inputs.get(job.request.base or "")
    if price.basis != "megapixel" or base is None:
        return None
    came = next((image.vendor_pixels for image in job.images if image.vendor_pixels), base.width * base.height)
    sent = (each.width * each.height for each in attempt.inputs.values())
    return sum(ceil(pixels / 1e6) for pixels in (*sent, came))


def _side(job: Job, attempt: Attempt) -> int | None:
    """Return the longer side of a result in px, where it is known.

    The base picture has it, or the asked size, or the first image made.
    """
    if base := attempt.inputs.get(job.request.base or ""):
        return max(base.width, base.height)
    image = next(iter(job.images), None)
    return asked_side(job.request) or (max(image.width, image.height) if image else None)


def asked_side(request: AnyRequest) -> int | None:
    """Return the longer side in px that a request asks for, or None."""
    size: Size | None = getattr(request, "size", None)
    return max(size.width, size.height) if size else None
