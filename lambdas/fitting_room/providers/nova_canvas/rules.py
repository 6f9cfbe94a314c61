"""The demands of Nova Canvas beyond its options: one function per rule, with every fault it finds.

Sources: Amazon Nova user guide, `image-gen-vto` (classes, styling) and `image-gen-access`, "Supported image
resolutions".
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from fitting_room.jobs.errors import Fault
from fitting_room.jobs.request import GarmentMask
from fitting_room.jobs.tasks import AnyRequest, Size, TryOn
from fitting_room.providers.nova_canvas.garments import BODY_PARTS, TYPES, body_part

MIN_SIDE, MAX_SIDE, STEP = 320, 4096, 16
MAX_PIXELS = 2048 * 2048
MAX_ASPECT = 4


class Broken(NamedTuple):
    code: str
    pointer: str
    detail: str
    remedy: str


def type_fits_category(request: AnyRequest) -> Iterator[Broken]:
    if isinstance(request, TryOn):
        garment, part = request.garments[0], body_part(request.garments[0])
        if garment.type and garment.type not in TYPES.get(part or "", ()):
            yield Broken(
                "invalid_input",
                "/garments/0/type",
                f"The type `{garment.type}` does not fit the category `{garment.category}`.",
                f"Use one of: {', '.join(TYPES[part])}, or leave the type out."
                if part
                else "Leave the type out: there is none for this category.",
            )


def garment_mask_needs_a_category(request: AnyRequest) -> Iterator[Broken]:
    if (
        isinstance(request, TryOn)
        and _own_mask(request)
        and request.garments[0].category == "auto"
        and not request.garments[0].type
    ):
        yield Broken(
            "invalid_input",
            "/garments/0/category",
            "Nova Canvas does not recognise the kind of garment.",
            f"Name the category ({', '.join(BODY_PARTS)}), or use a prompt or image mask.",
        )


def garment_mask_needs_a_class(request: AnyRequest) -> Iterator[Broken]:
    if isinstance(request, TryOn) and _own_mask(request) and request.garments[0].category not in ("auto", *BODY_PARTS):
        yield Broken(
            "unsupported_option",
            "/garments/0/category",
            f"Nova Canvas finds no place for `{request.garments[0].category}` by itself.",
            "Show the place with a prompt or image mask.",
        )


def styling_needs_a_garment_mask(request: AnyRequest) -> Iterator[Broken]:
    if isinstance(request, TryOn) and not _own_mask(request):
        for name in _styled(request):
            yield Broken(
                "unsupported_option",
                f"/styling/{name}",
                "Nova Canvas styles a garment only together with a garment mask.",
                "Leave the styling out, or use a mask of type garment.",
            )


def styling_is_for_upper_bodies(request: AnyRequest) -> Iterator[Broken]:
    if isinstance(request, TryOn) and _own_mask(request) and body_part(request.garments[0]) not in (None, "UPPER_BODY"):
        for name in _styled(request):
            yield Broken(
                "unsupported_option",
                f"/styling/{name}",
                "Nova Canvas styles only garments for the upper body.",
                "Leave the styling out, or send a garment of category tops.",
            )


def _own_mask(request: TryOn) -> bool:
    """Return whether the vendor makes the mask, from the garment's class."""
    return request.mask is None or isinstance(request.mask, GarmentMask)


def _styled(request: TryOn) -> list[str]:
    return [name for name, value in request.styling if value is not None]


def side_in_range(request: AnyRequest) -> Iterator[Broken]:
    for name, side in _sides(request):
        if not MIN_SIDE <= side <= MAX_SIDE:
            yield Broken(
                "unsupported_option",
                f"/size/{name}",
                f"Nova Canvas draws no image with a side of {side} px.",
                f"Use {MIN_SIDE} to {MAX_SIDE:,} px.",
            )


def side_in_steps(request: AnyRequest) -> Iterator[Broken]:
    for name, side in _sides(request):
        if MIN_SIDE <= side <= MAX_SIDE and side % STEP:
            lower = side - side % STEP
            yield Broken(
                "unsupported_option",
                f"/size/{name}",
                f"Nova Canvas needs sides that are multiples of {STEP} px.",
                f"Use {lower} or {lower + STEP}.",
            )


def aspect_in_range(request: AnyRequest) -> Iterator[Broken]:
    if (size := _size(request)) and max(size.width, size.height) > MAX_ASPECT * min(size.width, size.height):
        yield Broken(
            "unsupported_option",
            "/size",
            f"Nova Canvas draws no image of {size.width} x {size.height} px.",
            f"Make the longer side at most {MAX_ASPECT} times the shorter one.",
        )


def pixels_in_range(request: AnyRequest) -> Iterator[Broken]:
    if (size := _size(request)) and size.width * size.height > MAX_PIXELS:
        yield Broken(
            "unsupported_option",
            "/size",
            f"{size.width} x {size.height} px are too many for Nova Canvas.",
            f"Use at most {MAX_PIXELS:,} px in all, as 2048 x 2048 has.",
        )


def _size(request: AnyRequest) -> Size | None:
    return getattr(request, "size", None)


def _sides(request: AnyRequest) -> list[tuple[str, int]]:
    size = _size(request)
    return [("width", size.width), ("height", size.height)] if size else []


RULES = (
    type_fits_category,
    garment_mask_needs_a_category,
    garment_mask_needs_a_class,
    styling_needs_a_garment_mask,
    styling_is_for_upper_bodies,
    side_in_range,
    side_in_steps,
    aspect_in_range,
    pixels_in_range,
)


def rules(request: AnyRequest) -> list[Fault]:
    return [
        Fault.of(broken.code, broken.detail, broken.remedy, pointer=broken.pointer)
        for rule in RULES
        for broken in rule(request)
    ]
