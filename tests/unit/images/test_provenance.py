"""The machine-readable mark of an image: an independent reader finds it, no pixel changes, a signature stays whole."""

from __future__ import annotations

import io
from typing import Any

import pytest
from PIL import Image, PngImagePlugin

from fitting_room.images import provenance
from fitting_room.images.provenance import _PROPERTY
from tests.unit.images.signed import breaches, signed

IPTC = "http://cv.iptc.org/newscodes/digitalsourcetype/"
PACKET = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description rdf:about="" xmlns:xmp="http://ns.adobe.com/xap/1.0/">'
    b"<xmp:CreatorTool>a provider</xmp:CreatorTool></rdf:Description>%s</rdf:RDF></x:xmpmeta>"
)
FORMS = ["PNG", "JPEG", "WEBP"]


def image(mode: str = "RGB", size: tuple[int, int] = (61, 40)) -> Image.Image:
    gradient = Image.linear_gradient("L").resize(size)
    return Image.merge(mode, [gradient, gradient.rotate(180), gradient, gradient][: len(mode)])


def saved(picture: Image.Image, form: str, **options: Any) -> bytes:
    out = io.BytesIO()
    picture.save(out, form, **options)
    return out.getvalue()


def with_packet(form: str, packet: bytes) -> bytes:
    if form != "PNG":
        return saved(image(), form, xmp=packet)
    info = PngImagePlugin.PngInfo()
    info.add_itxt("XML:com.adobe.xmp", packet.decode(), zip=True)
    return saved(image(), form, pnginfo=info)


def properties(data: bytes) -> dict[str, Any]:
    """All XMP properties, as Pillow reads them."""
    with Image.open(io.BytesIO(data)) as opened:
        opened.load()
        found = opened.getxmp()["xmpmeta"]["RDF"]["Description"]
    return {name: value for part in (found if isinstance(found, list) else [found]) for name, value in part.items()}


def pixels(data: bytes) -> bytes:
    with Image.open(io.BytesIO(data)) as opened:
        return opened.convert("RGBA").tobytes()


WEBP_LOSSLESS = {"lossless": True}
FILES = {
    "png": saved(image(), "PNG"),
    "png with alpha": saved(image("RGBA"), "PNG"),
    "jpeg": saved(image(), "JPEG"),
    "jpeg with exif and profile": saved(image(), "JPEG", exif=Image.Exif(), icc_profile=b"a profile"),
    "webp": saved(image(), "WEBP"),
    "webp with alpha": saved(image("RGBA"), "WEBP"),
    "webp of odd length": saved(image(size=(3, 3)), "WEBP", lossless=True),
    "webp with exif": saved(image("RGBA"), "WEBP", exif=Image.Exif(), lossless=True),
    "png with something behind its end": saved(image(), "PNG") + b"trailing",
    "jpeg with something behind its end": saved(image(), "JPEG") + b"trailing",
    "webp with something behind its end": saved(image(), "WEBP") + b"trailing",
}


@pytest.mark.parametrize("name", FILES)
def test_the_mark_is_written_without_touching_a_pixel(name: str) -> None:
    data = FILES[name]
    marked, mark = provenance.mark(data, "compositeWithTrainedAlgorithmicMedia")
    assert mark == "xmp"
    assert properties(marked)["DigitalSourceType"] == IPTC + "compositeWithTrainedAlgorithmicMedia"
    assert pixels(marked) == pixels(data)
    assert provenance.mark(marked, "trainedAlgorithmicMedia") == (marked, "xmp")


@pytest.mark.parametrize("form", FORMS)
def test_other_properties_of_the_provider_stay(form: str) -> None:
    marked, _ = provenance.mark(with_packet(form, PACKET % b""), "trainedAlgorithmicMedia")
    assert properties(marked)["CreatorTool"] == "a provider"
    assert properties(marked)["DigitalSourceType"] == IPTC + "trainedAlgorithmicMedia"


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("term", ["algorithmicMedia", "compositeSynthetic"])
def test_a_source_type_that_came_is_kept(form: str, term: str) -> None:
    own = (
        b'<rdf:Description rdf:about="" xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" '
        b'Iptc4xmpExt:DigitalSourceType="http://cv.iptc.org/newscodes/digitalsourcetype/%s"/>' % term.encode()
    )
    data = with_packet(form, PACKET % own)
    assert provenance.mark(data, "trainedAlgorithmicMedia") == (data, "xmp")
    assert provenance.read(data).source_type == term


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("term", ["digitalCapture", "negativeFilm", "humanEdits", "aTermOfTomorrow"])
@pytest.mark.parametrize(
    "way", ['Ex:DigitalSourceType="{}"/>', "><Ex:DigitalSourceType>{}</Ex:DigitalSourceType></rdf:Description>"]
)
def test_no_result_passes_for_a_photo_of_a_camera(form: str, term: str, way: str) -> None:
    own = f'<rdf:Description rdf:about="" xmlns:Ex="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" {way}'
    data = with_packet(form, PACKET % own.format(IPTC + term).encode())
    assert properties(data)["DigitalSourceType"] == IPTC + term and provenance.read(data).source_type is None
    marked, mark = provenance.mark(data, "compositeWithTrainedAlgorithmicMedia")
    assert mark == "xmp" and term.encode() not in marked
    assert properties(marked)["DigitalSourceType"] == IPTC + "compositeWithTrainedAlgorithmicMedia"
    assert properties(marked)["CreatorTool"] == "a provider" and pixels(marked) == pixels(data)


@pytest.mark.parametrize("form", FORMS)
def test_a_packet_that_is_no_xmp_is_replaced(form: str) -> None:
    marked, mark = provenance.mark(with_packet(form, b"no xmp"), "trainedAlgorithmicMedia")
    assert mark == "xmp"
    assert properties(marked)["DigitalSourceType"] == IPTC + "trainedAlgorithmicMedia"


def test_a_packet_that_fills_its_jpeg_segment_gives_way() -> None:
    data = saved(image(), "JPEG", xmp=PACKET % (b" " * 65_100))
    marked, _ = provenance.mark(data, "trainedAlgorithmicMedia")
    assert properties(marked) == {"about": "", "DigitalSourceType": IPTC + "trainedAlgorithmicMedia"}


@pytest.mark.parametrize("form", FORMS)
def test_a_file_with_a_manifest_elsewhere_is_not_touched(form: str) -> None:
    data = with_packet(form, PACKET.replace(b"xmp:CreatorTool", b"dcterms:provenance") % b"")
    assert provenance.mark(data, "trainedAlgorithmicMedia") == (data, "c2pa")


@pytest.mark.parametrize("form", FORMS)
def test_a_signed_file_stays_valid(form: str) -> None:
    """Even if it says that a camera made it: its signer answers for that, and a change would take the signer away."""
    media_type = f"image/{form.lower()}"
    camera = PACKET % _PROPERTY.format("digitalCapture").encode()
    data = signed(with_packet(form, camera), media_type)
    assert breaches(data, media_type) == []
    assert provenance.mark(data, "trainedAlgorithmicMedia") == (data, "c2pa")


def test_the_verifier_notices_what_is_added_to_a_signed_file() -> None:
    data = signed(saved(image(size=(256, 256)), "JPEG"), "image/jpeg")
    comment = b"\xff\xfe\x00\x06note"
    assert breaches(data[:2] + comment + data[2:], "image/jpeg")[-1:] == ["assertion.dataHash.mismatch"]
