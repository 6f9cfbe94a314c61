"""The models of fal that are offered: their ids, and which options each honours.

A model id is the path of fal's own address. fal serves thousands; here stands what was read, so that a request can be
checked before it is paid for. Re-read `https://fal.ai/models/<id>/llms.txt` before you change a row.
"""

from __future__ import annotations

from datetime import date

from fitting_room.jobs.geometry import FitSpec
from fitting_room.providers.base import Lifecycle, Model, Option, Price
from fitting_room.providers.shared.clothes import OPTIONS
from fitting_room.providers.shared.instructions import OPTIONS as INSTRUCTED

FASHN = "fal-ai/fashn/tryon/v1.6"
FLUX = "fal-ai/flux-pro/v1/vto"
NANO_BANANA = "fal-ai/nano-banana-2/edit"
GPT_IMAGE = "openai/gpt-image-2/edit"
_CHECKED = date(2026, 11, 25)
_PAGE = "https://fal.ai/models"

FLUX_OPTIONS = INSTRUCTED | {"output.count": Option(minimum=1, maximum=1)}
NANO_BANANA_OPTIONS = INSTRUCTED | {
    "output.count": Option(minimum=1, maximum=4, default=1, meaning="Every image is charged."),
    "output.quality": Option(
        values=("fast", "standard", "best"),
        default="standard",
        meanings={"fast": "0.5K.", "standard": "1K.", "best": "2K: dearer."},
    ),
    "output.seed": Option(
        minimum=0, maximum=2**31 - 1, meaning="Absent: Fitting Room draws one. `provider`: none is sent."
    ),
}
GPT_IMAGE_OPTIONS = INSTRUCTED | {
    "output.count": Option(minimum=1, maximum=4, default=1, meaning="Every image is charged."),
    "output.quality": Option(
        values=("fast", "standard", "best"),
        default="best",
        meanings={
            "fast": "`low`.",
            "standard": "`medium`.",
            "best": "`high`: the provider's own default, and the dearest.",
        },
    ),
}
_EDITED = FitSpec(max_side=2048)

MODELS = (
    Model(
        id=FASHN,
        tasks=("try_on",),
        options={"try_on": OPTIONS},
        lifecycle=Lifecycle(source=f"{_PAGE}/{FASHN}/llms.txt; no dates", checked=_CHECKED),
    ),
    Model(
        id=FLUX,
        tasks=("try_on",),
        options={"try_on": FLUX_OPTIONS},
        base=FitSpec(max_pixels=1_000_000),  # it takes twice that, and calls this best
        others=FitSpec(max_pixels=1_000_000),
        lifecycle=Lifecycle(source=f"{_PAGE}/{FLUX}/llms.txt; no dates", checked=_CHECKED),
    ),
    Model(
        id=NANO_BANANA,
        tasks=("try_on",),
        options={"try_on": NANO_BANANA_OPTIONS},
        named_only=True,
        base=_EDITED,
        others=_EDITED,
        keeps_framing=False,
        keeps_shape=True,
        max_garments=4,
        lifecycle=Lifecycle(
            source=f"{_PAGE}/{NANO_BANANA}/llms.txt; no dates. Google ended the model of this name at its own API on"
            " 2026-10-29; whether fal still serves it was not found",
            checked=_CHECKED,
        ),
    ),
    Model(
        id=GPT_IMAGE,
        tasks=("try_on",),
        options={"try_on": GPT_IMAGE_OPTIONS},
        named_only=True,
        base=_EDITED,
        others=_EDITED,
        keeps_framing=False,
        keeps_shape=True,
        max_garments=4,
        lifecycle=Lifecycle(source=f"{_PAGE}/{GPT_IMAGE}/llms.txt; no dates", checked=_CHECKED),
    ),
)
_BANANA_PRICE = f"{_PAGE}/{NANO_BANANA}/llms.txt"
PRICES = (
    Price(model=FASHN, amount=0.075, source=f"{_PAGE}/{FASHN}/llms.txt", checked=_CHECKED),
    Price(
        model=FLUX,
        basis="megapixel",  # of each image that goes in or comes out, rounded up
        first=0.0375,
        amount=0.005,
        units=3,  # one each of the person, the garment and the result
        source=f"{_PAGE}/{FLUX}/llms.txt",
        checked=_CHECKED,
    ),
    Price(model=NANO_BANANA, amount=0.06, quality="fast", source=_BANANA_PRICE, checked=_CHECKED),
    Price(model=NANO_BANANA, amount=0.08, quality="standard", source=_BANANA_PRICE, checked=_CHECKED),
    Price(model=NANO_BANANA, amount=0.12, quality="best", source=_BANANA_PRICE, checked=_CHECKED),
    Price(
        model=GPT_IMAGE,
        basis="token",
        amount=0.00003,  # of the image that comes out; what goes in costs less and is not reckoned
        source=f"{_PAGE}/{GPT_IMAGE}/llms.txt; how many tokens an image takes is not documented there",
        checked=_CHECKED,
    ),
)
