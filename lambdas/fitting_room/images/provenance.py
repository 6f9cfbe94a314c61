"""Marks that show a machine that an image was made or changed by an algorithm: read, kept, or written into the bytes.

A C2PA manifest signs the bytes of its file, so nothing is ever added to such a file. Any other file gets the IPTC
property `DigitalSourceType` as XMP, without a pixel being encoded again; one that tells of a camera is replaced.
"""

from __future__ import annotations

import io
import re
import zlib
from collections.abc import Mapping
from typing import Literal, NamedTuple, get_args

from PIL import Image

from fitting_room.images import jpeg, png, sniff, webp
from fitting_room.jobs.tasks import Task

Provenance = Literal["c2pa", "xmp"]
SourceType = Literal[
    "compositeWithTrainedAlgorithmicMedia",
    "trainedAlgorithmicMedia",
    "algorithmicallyEnhanced",
    "algorithmicMedia",
]
"""Terms of https://cv.iptc.org/newscodes/digitalsourcetype/: a photo with parts made by a model, an image made by a model, a
photo that a model improved, an image made by a program that was not trained."""
_OF_MACHINES = frozenset({*get_args(SourceType), "compositeSynthetic"})
"""The terms that a file may keep. All others, such as `digitalCapture`, would pass it off as something else."""

SOURCE_TYPES: Mapping[Task, SourceType] = {
    "try_on": "compositeWithTrainedAlgorithmicMedia",
    "inpaint": "compositeWithTrainedAlgorithmicMedia",
    "outpaint": "compositeWithTrainedAlgorithmicMedia",
    "text_to_image": "trainedAlgorithmicMedia",
    "color_guided": "trainedAlgorithmicMedia",
    "image_variation": "trainedAlgorithmicMedia",
    "remove_background": "algorithmicallyEnhanced",
}
"""What a model's result of each task is."""

_PROPERTY = """<rdf:Description rdf:about="" xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/">\
<Iptc4xmpExt:DigitalSourceType>http://cv.iptc.org/newscodes/digitalsourcetype/{}</Iptc4xmpExt:DigitalSourceType>\
</rdf:Description>"""
_PACKET = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">\
<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">{}</rdf:RDF></x:xmpmeta><?xpacket end="w"?>"""
_END_OF_PROPERTIES = b"</rdf:RDF>"
_TERM = re.compile(rb"(DigitalSourceType.{0,40}?newscodes/digitalsourcetype/)(\w+)", re.DOTALL)
_REMOTE_MANIFEST = b"dcterms:provenance"

_PNG_HEAD = 33
_PNG_KEYWORD = b"XML:com.adobe.xmp\0"
_JPEG_KEYWORD = b"http://ns.adobe.com/xap/1.0/\0"
_APP0, _APP1, _APP11, _SOS = 0xE0, 0xE1, 0xEB, 0xDA
_LARGEST_SEGMENT = 65_533
_LARGEST_PACKET = 1 << 20
_XMP_FLAG, _ALPHA_FLAG = 0x04, 0x10


class Marks(NamedTuple):
    """The marks in a file about its making.

    `packet`: its XMP, or b"". It fills the file from `start` to `end`, or belongs there.
    """

    c2pa: bool
    packet: bytes
    start: int
    end: int

    @property
    def source_type(self) -> str | None:
        """The term after `digitalsourcetype/`, such as `trainedAlgorithmicMedia`; None if any tells of no machine."""
        found = [term.decode() for _, term in _TERM.findall(self.packet)]
        return found[0] if found and _OF_MACHINES.issuperset(found) else None


def read(data: bytes) -> Marks:
    """Find the marks of a PNG, JPEG or WebP. A file that points to a manifest elsewhere counts as one that has it."""
    marks = {"PNG": _png, "JPEG": _jpeg, "WebP": _webp}[sniff.kind(data)](data)
    return marks._replace(c2pa=marks.c2pa or _REMOTE_MANIFEST in marks.packet)


def mark(data: bytes, source_type: str) -> tuple[bytes, Provenance]:
    """Return the file with its mark, and which one it is.

    The file is as it came if it has a mark of a machine already, and always if it is signed.
    """
    marks = read(data)
    if marks.c2pa:
        return data, "c2pa"
    if marks.source_type:
        return data, "xmp"
    write = {"PNG": _png_chunk, "JPEG": _jpeg_segment, "WebP": _webp_chunk}[sniff.kind(data)]
    part = write(_with_property(marks.packet, source_type)) or write(_with_property(b"", source_type))
    before, after = data[: marks.start], data[marks.end :]
    if sniff.kind(data) == "WebP":
        return _webp_file(before, part, after[: _webp_length(data) - marks.end]), "xmp"
    return before + part + after, "xmp"


def _with_property(packet: bytes, source_type: str) -> bytes:
    """Return a packet with the source type in the place of another one, or added to the properties it had."""
    replaced, times = _TERM.subn(rb"\g<1>" + source_type.encode(), packet)
    if times:
        return replaced
    added = _PROPERTY.format(source_type)
    if _END_OF_PROPERTIES not in packet:
        return _PACKET.format(added).encode()
    before, end, after = packet.rpartition(_END_OF_PROPERTIES)
    return before + added.encode() + end + after


def _png(data: bytes) -> Marks:
    at, packet, start, end, c2pa = 8, b"", _PNG_HEAD, _PNG_HEAD, False
    for kind, chunk in png.chunks(data):
        c2pa = c2pa or kind == b"caBX"
        if kind == b"iTXt" and chunk[8 : 8 + len(_PNG_KEYWORD)] == _PNG_KEYWORD:
            packet, start, end = _itxt(bytes(chunk[8 + len(_PNG_KEYWORD) : -4])), at, at + len(chunk)
        at += len(chunk)
    return Marks(c2pa, packet, start, end)


def _itxt(body: bytes) -> bytes:
    """Return the text of an iTXt chunk.

    `body` follows the keyword: flag, method, language, translated keyword, text.
    """
    compressed, text = body[:1] == b"\1", body[2:].split(b"\0", 2)[-1]
    try:
        return zlib.decompressobj().decompress(text, _LARGEST_PACKET) if compressed else text
    except zlib.error:
        return b""


def _png_chunk(packet: bytes) -> bytes:
    body = b"iTXt" + _PNG_KEYWORD + b"\0\0\0\0" + packet
    return (len(body) - 4).to_bytes(4) + body + zlib.crc32(body).to_bytes(4)


def _jpeg(data: bytes) -> Marks:
    """Return the marks of a JPEG and the place for a packet.

    A packet belongs behind the segments APP0 and APP1 that a file begins with.
    """
    packet, start, end, c2pa, place = b"", 0, 0, False, 2
    for kind, begin, after in jpeg.segments(data):
        if kind == _SOS:
            break
        if kind in (_APP0, _APP1) and begin == place:
            place = after
        body = data[begin + 4 : after]
        c2pa = c2pa or (kind == _APP11 and b"jumb" in body and b"c2pa" in body)
        if kind == _APP1 and body.startswith(_JPEG_KEYWORD):
            packet, start, end = body.removeprefix(_JPEG_KEYWORD), begin, after
    return Marks(c2pa, packet, start or place, end or place)


def _jpeg_segment(packet: bytes) -> bytes:
    """Return the segment of a packet, or b"" if the packet is too long for one."""
    body = _JPEG_KEYWORD + packet
    return b"\xff\xe1" + (len(body) + 2).to_bytes(2) + body if len(body) <= _LARGEST_SEGMENT else b""


def _webp(data: bytes) -> Marks:
    at, packet, start, end, c2pa = 12, b"", 0, 0, False
    for kind, chunk in webp.chunks(data):
        c2pa = c2pa or kind == b"C2PA"
        if kind == b"XMP ":
            packet, start, end = chunk[8 : 8 + int.from_bytes(chunk[4:8], "little")], at, at + len(chunk)
        at += len(chunk)
    return Marks(c2pa, packet, start or at, end or at)


def _webp_chunk(packet: bytes) -> bytes:
    return b"XMP " + len(packet).to_bytes(4, "little") + packet + b"\0" * (len(packet) % 2)


def _webp_length(data: bytes) -> int:
    """Return the length that the file claims.

    Bytes after it are no part of the image.
    """
    return 8 + int.from_bytes(data[4:8], "little")


def _webp_file(before: bytes, part: bytes, after: bytes) -> bytes:
    """Return the file with a header that announces the XMP, and with its new length."""
    body = before[12:] + part + after
    if body.startswith(b"VP8X"):
        body = body[:8] + bytes((body[8] | _XMP_FLAG,)) + body[9:]
    else:
        body = _extended_header(before + after) + body
    return b"RIFF" + (4 + len(body)).to_bytes(4, "little") + b"WEBP" + body


def _extended_header(data: bytes) -> bytes:
    with Image.open(io.BytesIO(data), formats=["WEBP"]) as image:
        (width, height), alpha = image.size, image.mode == "RGBA"
    flags = _XMP_FLAG | (_ALPHA_FLAG if alpha else 0)
    sides = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return b"VP8X" + (10).to_bytes(4, "little") + bytes((flags, 0, 0, 0)) + sides
