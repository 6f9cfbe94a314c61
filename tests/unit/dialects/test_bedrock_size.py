"""What fits into one answer of a Lambda function."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from fitting_room.dialects.bedrock.size import MOST_BYTES, MOST_PIXELS, pixels, reencoded
from fitting_room.images import provenance
from fitting_room.images.encode import to_png


def noise(width: int, height: int, mode: str = "RGB") -> bytes:
    """No image is harder to compress."""
    drawn = np.random.default_rng(7).integers(0, 256, (height, width, len(mode)), dtype=np.uint8)
    return provenance.mark(to_png(Image.fromarray(drawn, mode)), "compositeWithTrainedAlgorithmicMedia")[0]


def base64_bytes(images: list[bytes]) -> int:
    return sum(-(-len(image) // 3) * 4 for image in images)


def test_as_many_pixels_of_noise_as_are_sold_fit_beside_a_mask() -> None:
    image = noise(2000, MOST_PIXELS // 2000 // 2)
    assert base64_bytes([image, image]) > MOST_BYTES
    *_, (smallest, how) = reencoded([image, image], "try_on")
    assert how == "jpeg, quality 80"
    assert MOST_BYTES * 0.8 < base64_bytes(smallest) < MOST_BYTES - 500_000


def test_the_first_step_is_the_best_and_each_is_smaller() -> None:
    steps = list(reencoded([noise(400, 300)], "try_on"))
    assert [how for _, how in steps] == [f"jpeg, quality {quality}" for quality in (95, 90, 85, 80, 80)]
    sizes = [base64_bytes(images) for images, _ in steps]
    assert sizes == sorted(sizes, reverse=True) and len(set(sizes)) == 5
    [first] = steps[0][0]
    assert Image.open(io.BytesIO(first)).size == (400, 300)


def test_a_reencoded_image_is_still_marked_as_made_by_a_machine() -> None:
    [(images, _), *_] = reencoded([noise(40, 30), to_png(Image.new("RGB", (40, 30)))], "text_to_image")
    assert [provenance.read(image).source_type for image in images] == [
        "compositeWithTrainedAlgorithmicMedia",
        "trainedAlgorithmicMedia",
    ]


def test_transparency_is_never_lost() -> None:
    cut_out = noise(40, 30, "RGBA")
    assert [images for images, _ in reencoded([cut_out], "remove_background")] == [[cut_out]] * 5


def test_pixels_are_read_from_the_header_and_what_is_no_image_has_none() -> None:
    assert (pixels(noise(40, 30)), pixels(b"no image")) == (1200, None)
