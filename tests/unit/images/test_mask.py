from __future__ import annotations

import re
from typing import Any

import pytest
from PIL import Image, ImageDraw, ImageFilter

from fitting_room.images.mask import Mask, normalise_mask
from fitting_room.images.master import ImageLimits, Master, make_master
from fitting_room.jobs.errors import Fault, JobFailure
from tests.unit.images.corpus import broken_chunk, with_chunk, with_pixels
from tests.unit.images.pictures import saved, scene, sideways


def person(width: int = 200, height: int = 300, **limits: Any) -> Master:
    return make_master(saved(scene(width, height)), limits=ImageLimits(**limits), pointer="/person")


def drawn(mode: str = "L", size: tuple[int, int] = (200, 300), black: Any = 0, white: Any = 255) -> Image.Image:
    """White with a black box in the upper left part."""
    mask = Image.new(mode, size, white)
    ImageDraw.Draw(mask).rectangle((20, 30, 99, 149), fill=black)
    return mask


def mask_of(data: bytes, master: Master | None = None, **how: Any) -> Mask:
    return normalise_mask(data, master or person(), limits=ImageLimits(), pointer="/mask/image", **how)


def normalised(data: bytes, master: Master | None = None, **how: Any) -> Image.Image:
    return mask_of(data, master, **how).image


def refusal(data: bytes, **how: Any) -> Fault:
    with pytest.raises(JobFailure) as caught:
        normalised(data, **how)
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
        saved(drawn("I;16", white=255)),
        saved(drawn().convert("P")),
        saved(Image.composite(CLEAR, Image.new("RGBA", (200, 300), "black"), drawn())),
        saved(drawn("RGB", black=(20, 12, 8), white=(240, 250, 245))),
        saved(drawn("RGB", black=(0, 0, 0), white=(255, 255, 255)), "JPEG", quality=95),
        saved(drawn(), "WEBP", lossless=True),
        sideways(drawn("RGB", black=(0, 0, 0), white=(255, 255, 255)), 6, "PNG"),
        with_chunk(saved(drawn()), broken_chunk(b"tEXt")),
        saved(drawn())[:-12],
        saved(drawn(), "JPEG", quality=95)[:-2],
    ],
    ids=[
        "grey",
        "1-bit",
        "colour",
        "alpha",
        "16-bit",
        "8 bits in 16",
        "palette",
        "transparent white",
        "nearly",
        "jpeg",
        "webp",
        "sideways",
        "a comment damaged",
        "without its end",
        "jpeg without its end",
    ],
)
def test_every_kind_of_file_gives_the_same_pure_mask(data: bytes) -> None:
    mask = normalised(data)
    assert (mask.mode, mask.size) == ("L", (200, 300))
    assert mask.tobytes() == drawn().tobytes()


@pytest.mark.parametrize("byte", [0x55, 0x00, 0xFF])
@pytest.mark.parametrize("share", [0.2, 0.5, 0.8])
def test_a_mask_whose_data_are_damaged_is_refused_whatever_they_unpack_to(byte: int, share: float) -> None:
    def damaged(pixels: bytes) -> bytes:
        whole = int(len(pixels) * share)
        return pixels[:whole] + bytes((byte,)) * (len(pixels) - whole)

    assert "damaged" in refusal(with_pixels(damaged, saved(drawn()))).detail


def test_soft_edges_of_a_drawing_tool_are_cut_at_half() -> None:
    mask = normalised(saved(drawn().filter(ImageFilter.GaussianBlur(1))))
    assert {level for _, level in mask.getcolors() or []} == {0, 255}


def test_a_reduced_master_gets_a_reduced_mask_that_is_still_pure() -> None:
    small = person(1000, 1500, master_pixels=150_000)
    mask = normalised(saved(drawn(size=(1000, 1500))), small)
    assert mask.size == small.size != (1000, 1500)
    assert {level for _, level in mask.getcolors() or []} == {0, 255}


@pytest.mark.parametrize("size", [(100, 150), (400, 600), (200, 301), (201, 300), (67, 100), (1000, 1500)])
def test_another_size_of_the_same_aspect_is_scaled_and_stays_pure(size: tuple[int, int]) -> None:
    mask = normalised(saved(drawn().resize(size, Image.Resampling.NEAREST)))
    assert mask.size == (200, 300)
    assert {level for _, level in mask.getcolors() or []} == {0, 255}
    assert [mask.getpixel(at) for at in ((60, 90), (15, 90), (60, 20), (105, 90), (60, 156))] == [0, 255, 255, 255, 255]


@pytest.mark.parametrize("size", [(300, 200), (200, 303), (100, 140)])
def test_another_aspect_is_refused_with_both_sizes(size: tuple[int, int]) -> None:
    fault = refusal(saved(drawn(size=size)))
    assert f"{size[0]} x {size[1]}" in fault.detail and "200 x 300" in fault.detail
    assert "same aspect" in fault.remedy


def test_a_grey_mask_is_refused_with_its_share() -> None:
    half = drawn()
    half.paste(128, (0, 200, 200, 300))
    assert "33.3 % of its pixels grey" in refusal(saved(half)).detail


def test_a_feathered_mask_is_told_how_to_cut_its_edges() -> None:
    fault = refusal(saved(drawn().filter(ImageFilter.GaussianBlur(12))))
    assert re.search(r"with \d+\.\d % of its pixels grey", fault.detail)
    assert "cut soft edges at half" in fault.remedy


@pytest.mark.parametrize(("level", "grey"), [(63, False), (64, True), (192, True), (193, False)])
def test_the_levels_from_64_to_192_are_grey(level: int, grey: bool) -> None:
    mask = drawn()
    mask.putdata([level] * 1300 + [255] * 1000 + list(mask.tobytes())[2300:])
    if grey:
        assert "of its pixels grey" in refusal(saved(mask)).detail
    else:
        assert normalised(saved(mask)).size == (200, 300)


@pytest.mark.parametrize(("rows", "share"), [(1200, None), (1205, None), (1300, "2.2 %")])
def test_the_share_of_grey_never_contradicts_its_limit(rows: int, share: str | None) -> None:
    """2.008 % is told as 2.0 %, so it passes."""
    mask = drawn()
    mask.putdata([128] * rows + [255] * 1000 + list(mask.tobytes())[rows + 1000 :])
    if share:
        assert f"with {share} of its pixels grey" in refusal(saved(mask)).detail
    else:
        assert normalised(saved(mask)).size == (200, 300)


BRUSH = Image.composite(CLEAR, Image.new("RGBA", (200, 300), "red"), drawn())
HOLE = Image.merge("RGBA", (*scene(200, 300).split(), drawn()))


@pytest.mark.parametrize("data", [saved(BRUSH), saved(HOLE)], ids=["red brush on transparent", "a hole in the image"])
def test_colours_beside_transparency_are_told_both_ways_out(data: bytes) -> None:
    fault = refusal(data)
    assert "grey or coloured" in fault.detail
    assert "pure black and leave the rest transparent" in fault.remedy and "`mask.read: alpha`" in fault.remedy


def test_a_red_brush_on_white_is_told_to_use_no_colours() -> None:
    assert "no colours" in refusal(saved(drawn("RGB", black=(255, 0, 0), white=(255, 255, 255)))).remedy


@pytest.mark.parametrize(
    ("data", "read"),
    [
        (saved(drawn(black=255, white=0)), "white_changes"),
        (saved(drawn("1", black=1, white=0)), "white_changes"),
        (saved(drawn("I;16", black=65535, white=0)), "white_changes"),
        (saved(Image.composite(CLEAR, Image.new("RGBA", (200, 300), "white"), drawn())), "white_changes"),
        (saved(drawn("RGB", black=(240, 250, 245), white=(20, 12, 8)), "JPEG", quality=95), "white_changes"),
        (saved(HOLE), "alpha"),
        (saved(HOLE, "WEBP", lossless=True), "alpha"),
        (saved(drawn("P", black=0, white=1), transparency=0), "alpha"),
        (sideways(HOLE, 6, "PNG"), "alpha"),
    ],
)
def test_masks_of_other_tools_are_read_as_they_mean_it(data: bytes, read: str) -> None:
    mask = mask_of(data, read=read)
    assert mask.image.tobytes() == drawn().tobytes()
    assert mask.warnings == ()


def test_a_mask_that_changes_nothing_is_refused() -> None:
    assert "nothing would change" in refusal(saved(Image.new("L", (200, 300), 255))).detail
    assert "`mask.read: alpha`" in refusal(saved(CLEAR)).remedy
    assert "without anything white" in refusal(saved(Image.new("L", (200, 300), 0)), read="white_changes").detail
    assert "without anything transparent" in refusal(saved(drawn()), read="alpha").detail


@pytest.mark.parametrize(
    ("mask", "read", "word"),
    [
        (Image.new("L", (200, 300), 0), "black_changes", "white"),
        (Image.new("L", (200, 300), 255), "white_changes", "black"),
        (CLEAR, "alpha", "opaque"),
    ],
)
def test_a_mask_that_leaves_nothing_is_refused_but_around_an_object(mask: Image.Image, read: str, word: str) -> None:
    fault = refusal(saved(mask), read=read)
    assert f"hardly anything {word}" in fault.detail and "all of the image would change" in fault.detail
    around = mask_of(saved(mask), read=read, part=False)
    assert (around.image.getcolors(), around.warnings) == ([(60_000, 0)], ())


def test_a_speck_of_white_does_not_make_it_a_mask() -> None:
    speck = Image.new("L", (200, 300), 0)
    speck.paste(255, (0, 0, 5, 5))
    assert "hardly anything white" in refusal(saved(speck)).detail


@pytest.mark.parametrize(
    ("mask", "words"),
    [
        (drawn(black=1, white=0), "only the levels 0 and 1 of 255"),
        (drawn(black=0, white=1), "only the levels 0 and 1 of 255"),
        (drawn("RGB", black=(1, 1, 1), white=(0, 0, 0)), "only the levels 0 and 1 of 255"),
        (drawn("I;16", black=0, white=1), "only the levels 0 and 1 of 255"),
        (drawn(black=0, white=20), "only levels up to 20 of 255"),
    ],
)
@pytest.mark.parametrize("read", ["black_changes", "white_changes"])
def test_levels_that_were_never_scaled_are_refused_with_the_remedy(mask: Image.Image, words: str, read: str) -> None:
    fault = refusal(saved(mask), read=read)
    assert words in fault.detail
    assert "0 and 255" in fault.remedy


def test_an_inverted_mask_is_asked_about() -> None:
    (warning,) = mask_of(saved(drawn(black=255, white=0))).warnings
    assert (warning.code, warning.pointer) == ("mask_changes_most", "/mask/image")
    assert "Black changes: 84 % of the image would change" in warning.detail and "inverted?" in warning.detail
    assert "`mask.read: white_changes`" in warning.remedy
    (swapped,) = mask_of(saved(drawn()), read="white_changes").warnings
    assert "White changes: 84 %" in swapped.detail and "leave out `mask.read`" in swapped.remedy
    assert mask_of(saved(drawn(black=255, white=0)), part=False).warnings == ()


def test_a_mask_of_the_larger_half_is_no_reason_to_ask() -> None:
    larger = Image.new("L", (200, 300), 255)
    larger.paste(0, (0, 0, 200, 178))
    assert mask_of(saved(larger)).warnings == ()


def test_a_mask_that_is_no_picture_is_refused() -> None:
    assert "type HTML" in refusal(b"<html></html>").detail
