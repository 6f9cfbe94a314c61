"""What the tests of the TryItOn and FASHN simulators send: a key, and pictures as data URLs."""

from __future__ import annotations

from PIL import Image

from tests.contract.conftest import encoded

KEY = {"authorization": "Bearer sim-key"}
SIZE = (384, 512)


def data_url(image: Image.Image, format: str = "png") -> str:
    return f"data:image/{format};base64,{encoded(image, format)}"


PERSON = data_url(Image.linear_gradient("L").resize(SIZE).convert("RGB"))
GARMENT = data_url(Image.new("RGB", (400, 400), "teal"), "jpeg")
NOBODY = data_url(Image.new("RGB", SIZE))
REMOVED = object()
