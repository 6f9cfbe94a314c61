"""Answers what `provider_options.sandbox` says, with a labelled composite of the order's own pictures."""

from __future__ import annotations

import io
import time
from collections.abc import Callable

from PIL import Image, ImageDraw, ImageFont, ImageOps
from PIL.PngImagePlugin import PngInfo

from fitting_room.jobs.errors import CODES, JobWarning
from fitting_room.jobs.outcome import Finished, Outcome, Pending, Picture
from fitting_room.jobs.tasks import TryOn
from fitting_room.providers.adapter import Connection, Input, Order
from fitting_room.providers.sandbox.entry import ID
from fitting_room.providers.shared.failures import Failures

Box = tuple[int, int, int, int]

PLACES = {  # where a garment goes on a standing person: left, top, right, bottom as parts of the picture
    "bottoms": (0.25, 0.45, 0.75, 0.92),
    "one_piece": (0.2, 0.18, 0.8, 0.85),
    "outfit": (0.2, 0.18, 0.8, 0.92),
    "footwear": (0.3, 0.86, 0.7, 0.99),
    "headwear": (0.35, 0.0, 0.65, 0.12),
    "eyewear": (0.4, 0.06, 0.6, 0.13),
    "jewelry": (0.4, 0.16, 0.6, 0.26),
    "accessories": (0.55, 0.4, 0.85, 0.65),
    "object": (0.3, 0.3, 0.7, 0.7),
}
TORSO = (0.22, 0.18, 0.78, 0.52)
BACKGROUND = 242  # a garment's pixels at least this light are its background
_failed = Failures(ID)


class Sandbox:
    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock

    def start(self, order: Order) -> Outcome:
        """Work that takes time is polled even where that was not asked for: no function may be made to sleep.

        Raises `ConnectionError` for the outcome `unknown`: a call that broke off.
        """
        if order.options.outcome == "unknown":
            raise ConnectionError("the sandbox was told to break off the call")
        seconds = order.options.seconds
        if order.options.polled or seconds:
            return Pending(f"sandbox-{(self.clock() + seconds) * 1000:.0f}", min(seconds, 2))
        return result(order)

    def poll(self, order: Order, provider_job_id: str) -> Outcome:
        """Return the outcome once the work is done.

        The job id holds that time, in milliseconds: there is no server to ask.
        """
        left = int(provider_job_id.removeprefix("sandbox-")) / 1000 - self.clock()
        return Pending(provider_job_id, min(left, 2)) if left > 0 else result(order)

    def erase_job(self, provider_job_id: str) -> bool:  # noqa: ARG002  nothing is kept
        return True

    def erase_reference(self, made_id: str) -> bool:  # noqa: ARG002
        return True


def result(order: Order) -> Outcome:
    match order.options.outcome:
        case "success" | "partial":
            return _finished(order)
        case "blocked":
            return _failed(
                "content_blocked",
                "unknown",
                "The request asked the sandbox to hold back every image.",
                "Ask for another outcome in provider_options.sandbox.",
            )
        case code:
            return _failed(
                code,
                "no",
                f"{CODES[code].title}: the request told the sandbox to fail like this.",
                "Ask for another outcome in provider_options.sandbox.",
            )


def _finished(order: Order) -> Finished:
    asked = order.request.output.count
    count = (order.options.images or asked - 1) if order.options.outcome == "partial" else asked
    warnings = (
        [
            JobWarning(
                code="partial_result",
                detail=f"The request asked the sandbox to return {count} of {asked} images.",
                remedy="Ask for another outcome in provider_options.sandbox.",
            )
        ]
        if count < asked
        else []
    )
    pictures = []
    for n in range(count):
        seed = ((order.seed or 0) + n) % 2**32
        picture, mask = composite(order, f"SANDBOX {n + 1}/{asked}  seed {seed}")
        pictures.append(Picture(_png(picture), seed))
    return Finished(pictures, mask=_png(mask) if order.request.output.mask else None, warnings=warnings)


def composite(order: Order, label: str) -> tuple[Image.Image, Image.Image]:
    """Draw a result, and the mask (L) of the areas drawn upon: black where the picture changed, else white.

    The result is the base picture, or a plain canvas, with every garment and a label pasted on. It is RGB, or RGBA
    where the background is to be removed.
    """
    picture = _canvas(order)
    mask = Image.new("L", picture.size, 255)
    place = _open(order.mask).convert("L").resize(picture.size, Image.Resampling.NEAREST) if order.mask else None
    if isinstance(order.request, TryOn):
        for asked, garment in zip(order.request.garments, order.garments, strict=True):
            _dress(picture, mask, _open(garment), _box(asked.category, picture, place), place)
    elif place:
        picture.paste((120, 130, 200), mask=ImageOps.invert(place))
        mask.paste(0, mask=ImageOps.invert(place))
    _label(picture, mask, label)
    if order.request.task == "remove_background":
        alpha = Image.new("L", picture.size, 0)
        ImageDraw.Draw(alpha).ellipse((0, 0, *picture.size), fill=255)
        picture.putalpha(alpha)
    return picture, mask


def _canvas(order: Order) -> Image.Image:
    """Return the base picture, or a new one of the asked size.

    A new picture has a colour and a frame so that it is not uniform.
    """
    if order.request.base:
        return _open(order.base).convert("RGB")
    size = getattr(order.request, "size", None)
    picture = Image.new("RGB", (size.width, size.height) if size else (1024, 1024), (226, 222, 240))
    ImageDraw.Draw(picture).rectangle((0, 0, picture.width - 1, picture.height - 1), outline=(90, 80, 140), width=12)
    return picture


def _box(category: str, picture: Image.Image, place: Image.Image | None) -> Box:
    """Return the box for a garment, in px.

    It is the area that the client's own mask leaves open (black), else the category's place.
    """
    if place and (drawn := ImageOps.invert(place).getbbox()):
        return drawn
    left, top, right, bottom = PLACES.get(category, TORSO)
    width, height = picture.size
    return int(left * width), int(top * height), int(right * width), int(bottom * height)


def _dress(picture: Image.Image, mask: Image.Image, garment: Image.Image, box: Box, place: Image.Image | None) -> None:
    """Paste the garment without its light background, scaled into the box.

    With a place, only its black area is painted.
    """
    left, top, right, bottom = box
    fitted = ImageOps.contain(garment.convert("RGB"), (max(right - left, 1), max(bottom - top, 1)))
    at = (left + (right - left - fitted.width) // 2, top + (bottom - top - fitted.height) // 2)
    cut = Image.new("L", picture.size, 0)
    cut.paste(fitted.convert("L").point(lambda light: 255 * (light < BACKGROUND)), at)
    if place:
        cut.paste(0, mask=place)
    layer = Image.new("RGB", picture.size)
    layer.paste(fitted, at)
    picture.paste(layer, mask=cut)
    mask.paste(0, mask=cut)


def _label(picture: Image.Image, mask: Image.Image, text: str) -> None:
    font = ImageFont.load_default(max(picture.width // 28, 10))
    margin = picture.width // 60 + 2
    left, top, right, bottom = font.getbbox(text)
    width, height = int(right - left) + 2 * margin, int(bottom - top) + 2 * margin
    area = (0, picture.height - height, width, picture.height)
    picture.paste((200, 30, 60), area)
    mask.paste(0, (0, max(area[1], 0), min(width, mask.width), mask.height))
    ImageDraw.Draw(picture).text((margin - left, area[1] + margin - top), text, font=font, fill="white")


def _open(picture: Input) -> Image.Image:
    return Image.open(io.BytesIO(picture.read()))


def _png(picture: Image.Image) -> bytes:
    """Return the picture as a PNG, fast rather than small.

    The file's metadata name it as a composite.
    """
    info, buffer = PngInfo(), io.BytesIO()
    info.add_text("Software", "Fitting Room sandbox: a labelled composite, not a model's image")
    picture.save(buffer, "PNG", compress_level=1, pnginfo=info)
    return buffer.getvalue()


def connect(
    connection: Connection,  # noqa: ARG001  nobody to connect to
    *,
    clock: Callable[[], float] = time.time,
) -> Sandbox:
    return Sandbox(clock)
