"""General editors: they put on one garment after the other, by the words of an instruction."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable
from typing import Any

from PIL import Image

from local.simulators.kit.loading import decoded
from local.simulators.kit.previews import Format, Previews

REGIONS = {"the top": "upper", "the trousers": "lower", "the dress": "full", "the shoes": "foot"}


def region(text: str, number: int) -> str:
    """Return the preview engine's word for what an instruction says that an image shows."""
    said = re.search(rf"[Ii]mage {number} shows ({'|'.join(REGIONS)})", text)
    return REGIONS[said[1]] if said else "auto"


async def dressed(
    previews: Previews,
    person: Image.Image,
    garments: Iterable[tuple[Image.Image, str]],
    *,
    format: Format,
    seed: int,
    provider: str,
) -> bytes:
    """Draw the person in every garment, each with its region. Raises CannotDrawError."""
    options: dict[str, Any] = {"shape": "bounding_box", "styling": {}, "merge": "balanced", "seed": seed}
    options |= {"keep_face": True, "keep_hands": True, "keep_pose": False, "label": {"provider": provider}}
    *before, last = garments
    for garment, place in before:
        worn = await previews.try_on(person, garment, region=place, format="png", **options)
        person = await asyncio.to_thread(decoded, worn.image)
    drawn = await previews.try_on(person, last[0], region=last[1], format=format, **options)
    return drawn.image
