from __future__ import annotations

from typing import Any

import pytest
from PIL import Image, ImageDraw, ImageFilter

from fitting_room.images.mask import normalise_mask
from fitting_room.images.master import Limits, Master, make_master
from fitting_room.jobs.errors import Fault, JobFailure
from tests.unit.images.pictures import saved, scene, sideways


def person(width: int = 200, height: int = 300, **limits: Any) -> Master:
    return make_master(saved(scene(width, height)), limits=Limits(**limits), pointer="/person")


def drawn(mode: str = "L", size: tuple[int, int] = (200, 300), black: Any = 0, white: Any = 255) -> Image.Image:
    """White with a black box in the upper left part."""
    mask = Image.new(mode, size, white)
    ImageDraw.Draw(mask).rectangle((20, 30, 99, 149), fill=black)
    return mask


def normalised(data: bytes, master: Master | None = None) -> Image.Image:
    return normalise_mask(data, master or person(), limits=Limits(), pointer="/mask/image")


def refusal(data: bytes) -> Fault:
    with pytest.raises(JobFailure) as caught:
        normalised(data)
    fault = caught.value.fault
    assert (fault.code, fault.pointer) == ("image_unreadable", "/mask/image")
    return fault


CLEAR = Image.new("RGBA", (200, 300), (0, 0, 0, 0))


@pytest.mark.parametrize(
    "data",
    [
        saved(drawn()),
        saved(drawn("1", white=1)),
        saved(drawn("RGB", black=(0, 0, 0), white=(255, 255, 255))),
        saved(drawn("RGBA", black=(0, 0, 0, 255), white=(255, 255, 255, 255))),
        saved(drawn("I;16", white=65535)),
        saved(drawn().convert("P")),
        saved(Image.composite(CLEAR, Image.new("RGBA", (200, 300), "black"), drawn())),
        saved(drawn("RGB", black=(20, 12, 8), white=(240, 250, 245))),
        saved(drawn("RGB", black=(0, 0, 0), white=(255, 255, 255)), "JPEG", quality=95),
        saved(drawn(), "WEBP", lossless=True),
        sideways(drawn("RGB", black=(0, 0, 0), white=(255, 255, 255)), 6, "PNG"),
    ],
    ids=[
        "grey",
        "1-bit",
        "colour",
        "alpha",
        "16-bit",
        "palette",
        "transparent white",
        "nearly",
        "jpeg",
        "webp",
        "sideways",
    ],
)
def test_every_kind_of_file_gives_the_same_pure_mask(data: bytes) -> None:
    mask = normalised(data)
    assert (mask.mode, mask.size) == ("L", (200, 300))
    assert mask.tobytes() == drawn().tobytes()


def test_soft_edges_of_a_drawing_tool_are_cut_at_half() -> None:
    mask = normalised(saved(drawn().filter(ImageFilter.GaussianBlur(1))))
    assert {level for _, level in mask.getcolors() or []} == {0, 255}


def test_a_reduced_master_gets_a_reduced_mask_that_is_still_pure() -> None:
    small = person(1000, 1500, master_pixels=150_000)
    mask = normalised(saved(drawn(size=(1000, 1500))), small)
    assert mask.size == small.size != (1000, 1500)
    assert {level for _, level in mask.getcolors() or []} == {0, 255}


def test_another_size_is_refused_with_both_sizes() -> None:
    detail = refusal(saved(drawn(size=(300, 200)))).detail
    assert "300 x 200" in detail and "200 x 300" in detail


def test_a_grey_mask_is_refused_with_its_share() -> None:
    half = drawn()
    half.paste(128, (0, 200, 200, 300))
    assert "33.3% of its pixels grey" in refusal(saved(half)).detail


def test_a_mask_that_changes_nothing_is_refused() -> None:
    assert "nothing would change" in refusal(saved(Image.new("L", (200, 300), 255))).detail
    assert "transparent counts as white" in refusal(saved(CLEAR)).remedy


def test_a_mask_that_is_no_picture_is_refused() -> None:
    assert "type HTML" in refusal(b"<html></html>").detail
