"""The kind of a file, from its first bytes.

A content type or a file name is only a claim and is never asked.
"""

from __future__ import annotations

ACCEPTED = ("JPEG", "PNG", "WebP", "AVIF", "HEIC")

_SIGNATURES: tuple[tuple[bytes, str], ...] = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"GIF8", "GIF"),
    (b"BM", "BMP"),
    (b"II*\x00", "TIFF"),
    (b"MM\x00*", "TIFF"),
    (b"%PDF", "PDF"),
    (b"8BPS", "Photoshop"),
    (b"\x00\x00\x00\x0cJXL ", "JPEG XL"),
    (b"\xff\x0a", "JPEG XL"),
    (b"\x00\x00\x00\x0cjP  ", "JPEG 2000"),
    (b"\x00\x00\x01\x00", "ICO"),
    (b"PK\x03\x04", "ZIP"),
    (b"\x1f\x8b", "gzip"),
)
_AVIF = {b"avif", b"avis"}
_HEIC = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"}
_HEIF = {b"mif1", b"msf1", b"mif2", b"miaf", b"MiHB", b"MiHE", b"MiHA"}
_BYTE_ORDER_MARKS = {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be", b"\xef\xbb\xbf": "utf-8"}


def kind(data: bytes) -> str:
    """Return the name of the file type, for use in a sentence.

    It is one of `ACCEPTED`, another name, or `unknown`.
    """
    for signature, name in _SIGNATURES:
        if data.startswith(signature):
            return name
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WebP"
    if data[4:8] == b"ftyp":
        return _isobmff_kind(data)
    return _text_kind(data[:1024])


def with_known_brand(data: bytes, name: str) -> bytes:
    """Return an AVIF or HEIC file whose major brand is one that decoders look for.

    Encoders put others first, which are right.
    """
    brands, brand = (_AVIF, b"avif") if name == "AVIF" else (_HEIC, b"heic")
    return data if data[8:12] in brands else data[:8] + brand + data[12:]


def _isobmff_kind(data: bytes) -> str:
    """Return the kind of an ISO BMFF file.

    The major brand decides if it names the coding of the images, else all the compatible brands do.
    """
    major = data[8:12]
    if major in _AVIF:
        return "AVIF"
    if major in _HEIC:
        return "HEIC"
    head = data[16 : min(int.from_bytes(data[:4]), 512)]
    brands = {major, *(head[at : at + 4] for at in range(0, len(head), 4))}
    if brands & _AVIF and not brands & _HEIC:
        return "AVIF"
    return "HEIC" if brands & (_HEIC | _HEIF) else "video"


def _text_kind(head: bytes) -> str:
    for mark, encoding in _BYTE_ORDER_MARKS.items():
        if head.startswith(mark):
            head = head.removeprefix(mark).decode(encoding, "ignore").encode()
    text = head.lstrip().lower()
    if text.startswith((b"<!doctype html", b"<html", b"<head", b"<body")) or b"<html" in text:
        return "HTML"
    if b"<svg" in text:
        return "SVG"
    if text.startswith(b"<"):
        return "XML"
    if text.startswith((b"{", b"[")):
        return "JSON"
    if text.startswith(b"data:"):
        return "data URL in text"
    return "unknown"
