from __future__ import annotations

from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageChops, ImageStat

from fitting_room.images.fit import Frame, apply, apply_mask, plan_fit, undo, undo_mask
from fitting_room.jobs.geometry import FitSpec
from tests.unit.images.pictures import close, scene

NOVA = FitSpec(min_side=320, max_side=4096, max_pixels=4_194_304, max_aspect=4.0)
PORTRAIT = FitSpec(min_side=256, max_side=4096, canvas=(864, 1296))
SMALL = FitSpec(min_side=40, max_side=200, max_pixels=30_000, max_aspect=3.0)
SMALL_PORTRAIT = FitSpec(min_side=30, max_side=200, canvas=(108, 162))

sizes = st.tuples(st.integers(1, 400), st.integers(1, 400))
specs = st.sampled_from(
    [SMALL, SMALL_PORTRAIT, FitSpec(min_side=64, max_side=128, max_pixels=128 * 90, max_aspect=1.5)]
)


def keeps_aspect(size: tuple[int, int], source: tuple[int, int]) -> bool:
    """Within a pixel: the short side is what the long side makes it."""
    long = 0 if source[0] >= source[1] else 1
    return abs(size[1 - long] - size[long] * source[1 - long] / source[long]) <= 1


def difference(one: Image.Image, other: Image.Image) -> float:
    return max(ImageStat.Stat(ImageChops.difference(one, other)).mean)


@pytest.mark.parametrize(
    ("size", "spec", "content", "canvas"),
    [
        ((1000, 1500), NOVA, (1000, 1500), (1000, 1500)),
        ((3024, 4032), NOVA, (1773, 2364), (1773, 2364)),
        ((4096, 1024), NOVA, (4096, 1024), (4096, 1024)),
        ((200, 300), NOVA, (320, 480), (320, 480)),
        ((1200, 200), NOVA, (1280, 213), (1280, 320)),
        ((100, 1600), NOVA, (100, 1600), (400, 1600)),
        ((864, 1296), PORTRAIT, (864, 1296), (864, 1296)),
        ((432, 648), PORTRAIT, (432, 648), (432, 648)),
        ((1000, 1000), PORTRAIT, (864, 864), (864, 1296)),
        ((500, 500), PORTRAIT, (500, 500), (500, 750)),
        ((3024, 4032), PORTRAIT, (864, 1152), (864, 1296)),
    ],
)
def test_a_picture_is_changed_as_little_as_the_limits_ask(
    size: tuple[int, int], spec: FitSpec, content: tuple[int, int], canvas: tuple[int, int]
) -> None:
    frame = plan_fit(size, spec)
    assert (frame.content, frame.canvas) == (content, canvas)
    assert frame.scale == max(content) / max(size)


@settings(max_examples=300, deadline=None)
@given(size=sizes, spec=specs)
def test_whatever_comes_in_fits_and_keeps_its_aspect(size: tuple[int, int], spec: FitSpec) -> None:
    frame = plan_fit(size, spec)
    width, height = frame.canvas
    assert min(frame.canvas) >= spec.min_side
    assert width * height <= spec.max_pixels
    if spec.canvas:
        assert width <= spec.canvas[0] and height <= spec.canvas[1]
        assert abs(width - height * spec.canvas[0] / spec.canvas[1]) <= 1
    else:
        assert max(frame.canvas) <= min(spec.max_side, spec.max_aspect * min(frame.canvas))
    assert keeps_aspect(frame.content, size)
    left, top = frame.offset
    assert 0 <= left <= width - frame.content[0] and 0 <= top <= height - frame.content[1]
    assert frame.content == size or frame.scale < 1 or min(size) < spec.min_side
    assert Frame.model_validate_json(frame.model_dump_json()) == frame


@settings(max_examples=100, deadline=None)
@given(
    size=sizes,
    spec=specs,
    growth=st.sampled_from([1, 1, 2, 1.5, 0.75]),
    drift=st.integers(-1, 1),
    wanted=st.sampled_from(["provider", "original"]),
)
def test_a_result_comes_back_in_the_source_s_aspect(
    size: tuple[int, int], spec: FitSpec, growth: float, drift: int, wanted: Any
) -> None:
    frame = plan_fit(size, spec)
    width, height = frame.canvas
    answered = Image.new("RGB", (round(width * growth) + drift * (width > 60), round(height * growth)))
    result, warnings = undo(answered, frame, size=wanted)
    if warnings:
        assert result is answered
    elif wanted == "original":
        assert result.size == size
    else:
        assert keeps_aspect(result.size, size)
        assert max(result.size) <= max(answered.size)


@settings(max_examples=60, deadline=None)
@given(size=sizes, spec=specs, wanted=st.sampled_from(["provider", "original"]))
def test_where_nothing_was_scaled_every_pixel_survives_the_round_trip(
    size: tuple[int, int], spec: FitSpec, wanted: Any
) -> None:
    frame = plan_fit(size, spec)
    source = Image.effect_noise(frame.content, 90).convert("RGB")
    unscaled = frame.model_copy(update={"original": frame.content, "source": frame.content})
    result, warnings = undo(apply(source, unscaled), unscaled, size=wanted)
    assert not warnings
    assert result.tobytes() == source.tobytes()


@settings(max_examples=60, deadline=None)
@given(size=sizes, spec=specs, growth=st.sampled_from([1, 1.7, 0.6]), wanted=st.sampled_from(["provider", "original"]))
def test_a_mask_stays_pure_there_and_back(size: tuple[int, int], spec: FitSpec, growth: float, wanted: Any) -> None:
    mask = Image.effect_noise(size, 200).point([0] * 128 + [255] * 128)
    frame = plan_fit(size, spec)
    fitted = apply_mask(mask, frame)
    assert fitted.size == frame.canvas
    answered = fitted.resize(
        (max(1, round(fitted.width * growth)), max(1, round(fitted.height * growth))), Image.Resampling.NEAREST
    )
    restored, _ = undo_mask(answered, frame, size=wanted)
    for image in (fitted, restored):
        assert {level for _, level in image.getcolors() or []} <= {0, 255}


def test_a_picture_that_fits_is_not_even_copied() -> None:
    picture = scene(400, 600)
    frame = plan_fit(picture.size, NOVA)
    assert apply(picture, frame) is picture
    assert undo(picture, frame, size="original")[0] is picture


def test_original_means_the_file_even_if_its_master_was_reduced() -> None:
    frame = plan_fit((400, 600), PORTRAIT, original=(1201, 1800))
    answered = apply(scene(400, 600), frame)
    assert undo(answered, frame, size="original")[0].size == (1201, 1800)
    assert undo(answered, frame, size="provider")[0].size == (400, 600)


def test_the_padding_is_white_and_in_a_mask_it_keeps() -> None:
    frame = plan_fit((500, 500), PORTRAIT)
    fitted, mask = apply(scene(500, 500), frame), apply_mask(Image.new("L", (500, 500), 0), frame)
    for y in (0, 124, 625, 749):
        assert (fitted.getpixel((250, y)), mask.getpixel((250, y))) == ((255, 255, 255), 255)
    assert mask.crop((0, 125, 500, 625)).getextrema() == (0, 0)


@pytest.mark.parametrize("answered", [(864, 1296), (1728, 2592), (576, 864), (1024, 1536), (872, 1296)])
def test_the_content_is_found_again_at_whatever_size_the_vendor_answers(answered: tuple[int, int]) -> None:
    source = scene(900, 1000)
    frame = plan_fit(source.size, PORTRAIT)
    result, warnings = undo(apply(source, frame).resize(answered, Image.Resampling.LANCZOS), frame, size="original")
    assert not warnings
    assert difference(result, source) < 3


def test_no_edge_is_made_up_where_rounding_asks_for_a_pixel_more() -> None:
    frame = plan_fit((250, 124), FitSpec(min_side=20, canvas=(100, 100)))
    result, warnings = undo(Image.new("RGB", (249, 249), "white"), frame, size="original")
    assert (result.size, warnings) == ((250, 124), [])
    assert result.getextrema() == ((255, 255),) * 3


def test_a_palette_picture_is_blended_in_its_colours() -> None:
    source = scene(900, 1000)
    frame = plan_fit(source.size, PORTRAIT)
    answered = apply(source, frame).quantize(256, dither=Image.Dither.NONE)
    result, _ = undo(answered, frame, size="original")
    assert result.getcolors(256) is None, "enlarged by repeating palette entries"
    assert difference(result.convert("RGB"), source) < 6


def test_a_vendor_that_crops_the_padding_itself_is_understood() -> None:
    source = scene(1000, 1000)
    frame = plan_fit(source.size, PORTRAIT)
    result, warnings = undo(source.resize((1024, 1024)), frame, size="provider")
    assert (result.size, warnings) == ((1024, 1024), [])
    assert close(cast("tuple[int, ...]", result.getpixel((1000, 1000))), (0, 0, 255))


def test_a_result_of_a_foreign_aspect_is_left_alone_and_said_so() -> None:
    frame = plan_fit((1000, 1000), PORTRAIT)
    answered = Image.new("RGB", (1600, 900))
    result, (warning,) = undo(answered, frame, size="original")
    assert result is answered
    assert (warning.code, bool(warning.detail), bool(warning.remedy)) == ("framing_changed", True, True)


@pytest.mark.parametrize(
    ("off", "restored"), [(0.97, False), (0.985, True), (1.015, True), (1.025, False), (1.05, False)]
)
def test_a_result_whose_aspect_is_off_by_two_percent_is_brought_back_and_by_more_is_not(
    off: float, restored: bool
) -> None:
    frame = plan_fit((1000, 1000), PORTRAIT)
    width, height = frame.canvas
    _, warnings = undo(Image.new("RGB", (round(width * off), height)), frame, size="provider")
    assert (not warnings) is restored


def test_a_frame_refuses_a_picture_it_was_not_made_for() -> None:
    with pytest.raises(ValueError, match="400, 600"):
        apply(scene(300, 300), plan_fit((400, 600), NOVA))


def test_limits_that_contradict_each_other_are_found_when_planned() -> None:
    with pytest.raises(ValueError, match="no image fits"):
        plan_fit((400, 600), FitSpec(min_side=500, max_side=400))
