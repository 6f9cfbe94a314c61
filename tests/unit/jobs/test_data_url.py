"""Images inside a request are judged by what they hold, not by what they claim or how they are wrapped."""

from __future__ import annotations

import base64
import textwrap

import pytest

from fitting_room.jobs.data_url import NotDecodable, decode

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 2
TEXT = base64.b64encode(PNG).decode()
URL_SAFE = base64.urlsafe_b64encode(PNG).decode()
assert "+" in TEXT and "/" in TEXT and TEXT.endswith("=")


@pytest.mark.parametrize(
    "head",
    [
        "data:image/png;base64,",
        "data:image/JPEG;base64,",
        "DATA:image/png;BASE64,",
        "data:application/octet-stream;base64,",
        "data:;base64,",
        "data:image/jp2;base64,",
        "data:image/png;charset=utf-8;base64,",
        "data:image/jpeg;name=a.jpg;base64,",
        "data:text/html; base64,",
    ],
)
def test_what_a_data_url_claims_decides_nothing(head: str) -> None:
    assert decode(head + TEXT) == PNG


@pytest.mark.parametrize(
    "data",
    [
        TEXT + "\n",
        "\r\n".join(textwrap.wrap(TEXT, 76)),
        "\n    ".join(textwrap.wrap(TEXT, 64)),
        TEXT.rstrip("="),
        URL_SAFE,
        URL_SAFE.rstrip("="),
        TEXT.replace("+", "%2B").replace("/", "%2F").replace("=", "%3D"),
    ],
    ids=["newline", "mime", "indented", "unpadded", "base64url", "base64url unpadded", "percent"],
)
def test_however_the_base64_is_written(data: str) -> None:
    assert decode("data:image/png;base64," + data) == PNG
    assert decode("  data:image/png;base64," + data) == PNG


@pytest.mark.parametrize("data", [TEXT, "\n".join(textwrap.wrap(TEXT, 76)), URL_SAFE])
def test_plain_base64_of_an_image_is_taken(data: str) -> None:
    assert decode(data) == PNG


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "neither"),
        ("hello", "neither"),
        (base64.b64encode(b"no image at all").decode(), "neither"),
        ("https://shop.example/p.png", "link"),
        ("data:image/png;base64,", "no data"),
        ("data:image/png;base64,==", "no data"),
        ("data:image/png,%89PNG", "base64"),
        (f"data:image/png;base64,{TEXT[:8]} {TEXT[8:]}", "spaces"),
        (f"data:image/png;base64,{TEXT[:401]}", "cut off"),
        (f"data:image/png;base64,{TEXT}x", "no base64"),
        ("data:image/png;base64,\u00fc", "no base64"),
        ("data:image/png;base64," + base64.b64encode(TEXT.encode()).decode(), "twice"),
        ("data:image/png;base64," + base64.b64encode(f"data:image/png;base64,{TEXT}".encode()).decode(), "twice"),
    ],
)
def test_what_is_no_image_is_refused_with_the_reason(text: str, word: str) -> None:
    with pytest.raises(NotDecodable) as caught:
        decode(text)
    assert word in caught.value.detail
    assert caught.value.remedy
    assert TEXT[:20] not in caught.value.detail + caught.value.remedy
