"""One table of odd files: each is taken or refused as its row says.

What is taken comes out upright, in the right colours and with the right warnings. What is not is
refused with the rule that it breaks.
"""

from __future__ import annotations

import io
from collections import Counter
from typing import cast

import cv2
import numpy as np
import pytest
from PIL import Image

from fitting_room.images.input_checks import analyse, warnings_of
from fitting_room.images.mask import normalise_mask
from fitting_room.images.master import ImageLimits, Master, make_master, open_image
from fitting_room.images.openable import openable
from fitting_room.images.provenance import mark
from fitting_room.images.result_checks import check_result, decode_result
from fitting_room.jobs.errors import JobFailure
from tests.unit.images.corpus import CORPUS, SAME, Accepted, Odd, Refused
from tests.unit.images.pictures import close, scene, sideways


@pytest.mark.parametrize("odd", CORPUS, ids=[odd.name for odd in CORPUS])
@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_an_odd_file_gets_its_verdict(odd: Odd) -> None:
    data = odd.make()
    refused = isinstance(odd.verdict, Refused)
    if isinstance(odd.verdict, Refused):
        for use in (_as_picture, _as_mask):
            with pytest.raises(JobFailure) as caught:
                use(data)
            fault = caught.value.fault
            assert (fault.code, fault.pointer) == ("image_unreadable", "/person")
            assert odd.verdict.rule in fault.detail and fault.remedy
    else:
        _accepted(data, odd.verdict)
    expected = ("undecodable" if refused else None) if odd.result == SAME else odd.result
    verdict = check_result(data)
    assert verdict.reason == expected
    if verdict.image:
        file = openable(data, verdict.image.size)
        _opens_everywhere(file, verdict.image)
        _opens_everywhere(mark(file, "algorithmicMedia")[0], verdict.image)
        if file is not data:
            assert decode_result(file).tobytes() == verdict.image.tobytes()


@pytest.mark.parametrize("orientation", [1, 6])
def test_a_sound_file_keeps_its_metadata_though_it_is_stored_sideways(orientation: int) -> None:
    data, _ = mark(sideways(scene(320, 200), orientation), "algorithmicMedia")
    assert openable(data, (320, 200)) == data


def _opens_everywhere(data: bytes, seen: Image.Image) -> None:
    """In Pillow, which stumbles over metadata, and in OpenCV, which reads with the libraries that browsers use."""
    with Image.open(io.BytesIO(data)) as image:
        image.load()
        assert sorted(image.size) == sorted(seen.size)
    read = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert read is not None and sorted(read.shape[:2]) == sorted(seen.size)


def _as_picture(data: bytes) -> Master:
    return make_master(data, limits=ImageLimits(), pointer="/person")


def _as_mask(data: bytes) -> None:
    size = open_image(data, limits=ImageLimits(), pointer="/person").size
    normalise_mask(data, Master(Image.new("RGB", size), size), limits=ImageLimits(), pointer="/person")


def _accepted(data: bytes, verdict: Accepted) -> None:
    master = _as_picture(data)
    assert (master.image.mode, master.original_size) == ("RGB", verdict.size)
    assert master.size == verdict.size or master.size[0] * master.size[1] > 16_000_000
    assert master.image.info == {}
    width, height = master.size
    for colour, at in ((verdict.top_left, (12, 12)), (verdict.bottom_right, (width - 12, height - 12))):
        if colour:
            seen = cast("tuple[int, ...]", master.image.getpixel(at))
            assert close(seen, colour, 12), (seen, colour)
    warnings = [*master.warnings, *warnings_of(analyse(master.image), "person", pointer="/person")]
    assert tuple(warning.code for warning in warnings) == verdict.warnings
    assert all(warning.pointer == "/person" and "/person" in warning.detail and warning.remedy for warning in warnings)


def test_the_corpus_is_large_and_without_repetition() -> None:
    names = Counter(odd.name for odd in CORPUS)
    verdicts = Counter(type(odd.verdict).__name__ for odd in CORPUS)
    print(f"{len(CORPUS)} odd files: {dict(verdicts)}")  # noqa: T201 - the count, for -s
    assert max(names.values()) == 1
    assert len(CORPUS) >= 200
