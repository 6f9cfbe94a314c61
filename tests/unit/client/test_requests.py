"""How a caller names an image, and what the API is sent for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from fitting_room_client.errors import BadInput
from fitting_room_client.requests import named


@pytest.mark.parametrize(
    ("text", "way"),
    [
        ("upl_01J", "upload"),
        ("sub_01J", "subject"),
        ("https://shop.example/tee.png", "url"),
        ("HTTPS://shop.example/tee.png", "url"),
        ("s3://shop/tee.png", "s3"),
        ("data:image/png;base64,iVBO", "data"),
    ],
)
def test_a_text_names_an_image_by_its_beginning(text: str, way: str) -> None:
    assert named(text, "/person") == {way: text}


@pytest.mark.parametrize("text", ["person.png", "/etc/passwd", "", "ftp://shop.example/tee.png"])
def test_a_text_is_never_the_name_of_a_file(text: str) -> None:
    with pytest.raises(BadInput, match="names no image"):
        named(text, "/person")
    assert named(Path("person.png"), "/person") == Path("person.png")
