"""The look of a picture, as a few numbers, and the warnings worth giving before money is spent.

Everything is measured on small copies. Only findings that pixels can show are reported: there is no model here that
finds a person. The thresholds are this module's own; `tests/unit/images/test_look.py` shows examples on either side
of each.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate

from PIL import Image, ImageChops, ImageFilter, ImageStat

from fitting_room.jobs.errors import JobWarning

Size = tuple[int, int]

SMALL = 512
"""Short side in px. Providers draw at about 1000 px; below half of that, detail is invented."""
BLURRED = 0.33
"""A sharp picture under a Gaussian blur of 2 to 3 px at a long side of 1024 px, whatever it shows."""
DARK = 60
"""Brightness (of 255) that nine tenths of the picture stay below."""
NARROW = 3.0
"""Long side over short side: a provider that works in 2:3 then sees more padding than picture."""
PLAIN = 0.8
"""Share of the border that looks like one even backdrop."""
TINY = 0.08
"""Share of the frame that the box around the subject fills."""

_WORKING = 1024
_CELLS = 48
_RIM = 4
_CALM = 16
_ALIKE = 48
_FAINT = 12
_STRONGEST = 0.0005


@dataclass(frozen=True)
class Analysis:
    """The measured properties of a picture.

    `size`: px as the file was sent. `sharpness`: 0 to 1, the share of the strongest edges' height that is climbed
    within two px, for a long side near 1024 px. `brightness`: 0 to 255, the level that nine tenths of the pixels stay
    below. `plainness`: 0 to 1, the share of the left, top and right border that is one even colour, slow shading or
    fine texture. `subject`: 0 to 1, the share of the frame inside the box around all that differs from the border; 0
    if nothing does.
    """

    size: Size
    sharpness: float
    brightness: int
    plainness: float
    subject: float

    @property
    def plain(self) -> bool:
        """Whether the subject is before "a solid color or uniformly textured background".

        Source: Nova Canvas user guide. In the dark everything is even, so a dark picture never counts as plain.
        """
        return self.plainness >= PLAIN and self.brightness >= DARK


def analyse(image: Image.Image, *, original: Size | None = None) -> Analysis:
    """Measure an RGB picture.

    `original`: a master's `original_size`, where it differs.
    """
    factor = max(1, round(max(image.size) / _WORKING))
    working = image.reduce(factor) if factor > 1 else image
    grey = working.convert("L")
    cells = working.resize((_CELLS, _CELLS), Image.Resampling.BOX)
    plainness, subject = _border(cells)
    return Analysis(original or image.size, _sharpness(grey), _level(grey.histogram(), 0.9), plainness, subject)


def warnings_of(seen: Analysis, role: str, *, pointer: str) -> list[JobWarning]:
    """Return warnings of all that may spoil the result, for the picture of a role.

    Roles are `person` and `garment-<n>`; a mask has no look.

    Codes: `picture_small`, `picture_narrow`, `picture_empty`, `picture_dark`, `picture_blurred`, `subject_small`; and
    for a person `plain_backdrop`, which matters only to vendors that blend by a mask.
    """
    width, height = seen.size
    found: list[tuple[str, str, str]] = []
    if min(seen.size) < SMALL:
        found.append(
            (
                "picture_small",
                f"is only {width} x {height} px, so the result will lack detail",
                f"Send an image of at least {SMALL} px on its short side.",
            )
        )
    if max(seen.size) > NARROW * min(seen.size):
        found.append(
            (
                "picture_narrow",
                f"is {width} x {height} px, so most of what the provider sees may be padding",
                "Crop it closer to the subject, at 2:3 or so.",
            )
        )
    if not seen.subject:
        found.append(
            ("picture_empty", "shows nothing but one colour", "Check that this is the image you meant to send.")
        )
    else:
        found += _of_contents(seen)
    if role == "person" and seen.plain and seen.subject:
        found.append(
            (
                "plain_backdrop",
                "has a plain or evenly textured backdrop, on which the edge of a changed area may"
                " stay visible as a ghost",
                "If that shows, use `merge: seamless` with a provider that offers it.",
            )
        )
    return [
        JobWarning(code=code, detail=f"The image at {pointer} {detail}.", remedy=remedy, pointer=pointer)
        for code, detail, remedy in found
    ]


def _of_contents(seen: Analysis) -> list[tuple[str, str, str]]:
    found = []
    if seen.brightness < DARK:
        found.append(
            (
                "picture_dark",
                f"is dark: nine tenths of it are below {seen.brightness} of 255 in brightness",
                "Send one taken in more light, or brighten it.",
            )
        )
    if seen.sharpness < BLURRED:
        found.append(
            (
                "picture_blurred",
                "is blurred, or much enlarged: even its sharpest edges are soft",
                "Send the original file, or an image in focus.",
            )
        )
    if seen.plain and seen.subject < TINY:
        found.append(
            (
                "subject_small",
                f"is mostly backdrop: its subject fills about {seen.subject:.0%} of the frame",
                "Crop it closer to the subject.",
            )
        )
    return found


def _sharpness(grey: Image.Image) -> float:
    """Return the strongest rise across two pixels divided by the strongest across ten.

    A sharp edge has its whole height within two pixels, a soft one spreads it. Contrast cancels out, and a blurred
    background does not count.
    """
    near, far = (_strongest(grey, distance) for distance in (2, 10))
    return min(1.0, near / far) if far >= _FAINT else 1.0


def _strongest(grey: Image.Image, distance: int) -> int:
    width, height = grey.size
    steps = [0] * 256
    for across, down in ((distance, 0), (0, distance)):
        here = grey.crop((0, 0, width - across, height - down))
        there = grey.crop((across, down, width, height))
        steps = [a + b for a, b in zip(steps, ImageChops.difference(here, there).histogram(), strict=True)]
    return _level(steps, 1 - _STRONGEST)


def _level(histogram: list[int], share: float) -> int:
    """Return the lowest level that at least this share of the pixels does not exceed."""
    wanted = share * sum(histogram)
    return next(level for level, count in enumerate(accumulate(histogram)) if count >= wanted)


def _border(cells: Image.Image) -> tuple[float, float]:
    """Return the plainness and subject of a picture averaged to `_CELLS` x `_CELLS`.

    Averaging makes fine texture an even colour.
    """
    rim = Image.new("L", cells.size, 255)
    rim.paste(0, (_RIM, _RIM, _CELLS - _RIM, _CELLS))
    backdrop = tuple(ImageStat.Stat(cells, rim).median)
    unlike = _brightest(ImageChops.difference(cells, Image.new("RGB", cells.size, backdrop)))
    restless = _brightest(
        ImageChops.subtract(cells.filter(ImageFilter.MaxFilter(3)), cells.filter(ImageFilter.MinFilter(3)))
    )
    odd = ImageChops.lighter(_over(unlike, _ALIKE), _over(restless, _CALM))
    plainness = 1 - ImageStat.Stat(odd, rim).mean[0] / 255
    box = ImageChops.lighter(_over(unlike, _ALIKE), _over(restless, _FAINT)).getbbox()
    left, top, right, bottom = box or (0, 0, 0, 0)
    return round(plainness, 3), round((right - left) * (bottom - top) / _CELLS**2, 3)


def _brightest(image: Image.Image) -> Image.Image:
    red, green, blue = image.split()
    return ImageChops.lighter(ImageChops.lighter(red, green), blue)


def _over(image: Image.Image, level: int) -> Image.Image:
    return image.point([0] * (level + 1) + [255] * (255 - level))
