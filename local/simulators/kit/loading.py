"""The pictures a request names: data URLs, and files of this machine over HTTP."""

from __future__ import annotations

import asyncio
import base64
import binascii
import io
import ipaddress
import socket
from urllib.parse import urlsplit

import httpx
from PIL import Image, ImageOps, UnidentifiedImageError


class ImageLoadError(Exception):
    """A picture of the request could not be loaded; the text says why."""


async def loaded(located: str) -> Image.Image:
    """Load the picture behind a data URL or a loopback URL, in RGB. Raises ImageLoadError."""
    if located.startswith("data:"):
        try:
            data = base64.b64decode(located.partition(",")[2], validate=True)
        except binascii.Error:
            raise ImageLoadError("The base64 image could not be decoded.") from None
    else:
        data = await fetched(located)
    return await asyncio.to_thread(decoded, data)


def decoded(data: bytes) -> Image.Image:
    try:
        with Image.open(io.BytesIO(data)) as image:
            return ImageOps.exif_transpose(image).convert("RGB")
    except (UnidentifiedImageError, OSError, SyntaxError, Image.DecompressionBombError):
        raise ImageLoadError("The file is not an image that can be read.") from None


def media_type(data: bytes) -> str:
    """Return the media type of a picture that could be decoded."""
    with Image.open(io.BytesIO(data)) as image:
        return Image.MIME[str(image.format)]


async def fetched(url: str) -> bytes:
    if not await asyncio.to_thread(on_loopback, url):
        raise ImageLoadError("The image URL is not on this machine, and this simulator fetches from nowhere else.")
    try:
        async with httpx.AsyncClient(timeout=10, trust_env=False) as client:
            response = await client.get(url)
    except httpx.HTTPError as error:
        raise ImageLoadError(f"The image could not be fetched from the URL ({type(error).__name__}).") from None
    if response.status_code != 200:
        raise ImageLoadError(f"The image could not be found at the specified URL ({response.status_code}).")
    if response.headers.get("content-type", "").partition(";")[0] not in ("image/jpeg", "image/png"):
        raise ImageLoadError("The Content-Type header of the specified URL is not image/jpeg or image/png.")
    return response.content


def on_loopback(url: str) -> bool:
    parts = urlsplit(url)
    try:
        found = socket.getaddrinfo(parts.hostname, parts.port or 80, type=socket.SOCK_STREAM)
    except (OSError, ValueError):
        return False
    return all(ipaddress.ip_address(address[4][0]).is_loopback for address in found)
