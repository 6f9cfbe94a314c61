"""A manifest of this machine: which files it names, and that nothing else of it changes."""

from __future__ import annotations

from pathlib import Path

import pytest

from fitting_room_client import BadInput
from fitting_room_client.manifests import Manifest

UPLOAD = "upl_" + "0" * 26


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "photos").mkdir()
    for name in ("photos/anna.jpg", "tee, red.jpg", "tee.jpg"):
        (tmp_path / name).write_bytes(b"x")
    return tmp_path


def manifest(folder: Path, text: str | bytes, name: str = "manifest.csv") -> Manifest:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return Manifest.read(path)


def sent(read: Manifest) -> str:
    """The manifest as it is uploaded, with the names of files in the place of their uploads."""
    return read.with_uploads({path: f"<{path.name}>" for path in read.files()}).decode()


def faults(read: Manifest) -> list[tuple[str | None, str]]:
    with pytest.raises(BadInput) as caught:
        read.files()
    assert all(fault.remedy for fault in caught.value.faults)
    return [(fault.pointer, fault.detail) for fault in caught.value.faults]


@pytest.mark.parametrize(
    ("written", "changed"),
    [
        (
            'id,person,garment\n1,photos/anna.jpg,"tee, red.jpg"\n\n2,photos/anna.jpg,https://x.example/tee.jpg\n',
            "id,person,garment\n1,<anna.jpg>,<tee, red.jpg>\n\n2,<anna.jpg>,https://x.example/tee.jpg\n",
        ),
        (
            'sep=;\r\nprompt;garments[0].image;metadata.image\r\n"two\nlines";tee.jpg;tee.jpg\r\nx;;\r\n',
            'sep=;\nprompt;garments[0].image;metadata.image\n"two\nlines";<tee.jpg>;tee.jpg\nx;;\n',
        ),
        (f"\ufeffperson\tmask.image\n{UPLOAD}\ttee.jpg\n", f"person\tmask.image\n{UPLOAD}\t<tee.jpg>\n"),
        (
            "scene,image,input_image,reference_image\ntee.jpg,tee.jpg,tee.jpg,tee.jpg\n",
            "scene,image,input_image,reference_image\n<tee.jpg>,<tee.jpg>,<tee.jpg>,<tee.jpg>\n",
        ),
        ("person,garment\nHTTPS://x.example/a.jpg,tee.jpg\n", "person,garment\nHTTPS://x.example/a.jpg,<tee.jpg>\n"),
        ('person,images.0\n"{""url"": ""x""}", tee.jpg \n', 'person,images.0\n"{""url"": ""x""}",<tee.jpg>\n'),
    ],
)
def test_a_table_keeps_its_lines_and_gets_uploads_for_files(folder: Path, written: str, changed: str) -> None:
    read = manifest(folder, written)
    assert read.content_type == "text/csv"
    assert sent(read).replace('"<tee, red.jpg>"', "<tee, red.jpg>") == changed


def test_rows_of_json_get_uploads_wherever_they_name_an_image(folder: Path) -> None:
    mask = '"mask": {"type": "image", "image": "tee.jpg"}'
    row = f'{{"person": {{"photos": ["tee.jpg"]}}, "garments": [{{"image": "tee.jpg"}}], {mask}'
    rest = '"metadata": {"image": "tee.jpg"}, "prompt": "tee.jpg", "reference": "tee.jpg"}'
    written = f'{{"garment": "tee.jpg", "person": {{"upload": "x"}}}}\n\nno json\n{row}, {rest}\n'
    read = manifest(folder, written, "manifest.jsonl")
    assert read.content_type == "application/jsonl"
    assert sent(read) == written.replace('"tee.jpg"', '"<tee.jpg>"', 1).replace(
        row, row.replace("tee.jpg", "<tee.jpg>")
    )
    for document in (f"[{row}, {rest}]", f'{{"jobs": [{row}, {rest}]}}'):
        assert sent(manifest(folder, document)) == document.replace(row, row.replace("tee.jpg", "<tee.jpg>"))


def test_a_file_is_named_once_however_often_rows_name_it(folder: Path) -> None:
    read = manifest(folder, "person,garment\nphotos/anna.jpg,tee.jpg\nphotos/anna.jpg,tee.jpg\n")
    assert read.files() == [folder / "photos" / "anna.jpg", folder / "tee.jpg"]


def test_missing_files_are_told_before_anything_is_sent(folder: Path) -> None:
    assert faults(manifest(folder, "id,person\n1,photos\n\n2,ben.jpg\n")) == [
        ("line 2, person", f"There is no file {folder / 'photos'}."),
        ("line 4, person", f"There is no file {folder / 'ben.jpg'}."),
    ]
    assert faults(manifest(folder, '{"garments": [{"image": "x.jpg"}]}\n'))[0][0] == "line 1, /garments/0/image"


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("id;person\nü".encode("latin-1"), "is not in UTF-8"),
        (b"PK\x03\x04\x00\x00", "holds no rows"),
        (b" \n", "holds no rows"),
    ],
)
def test_a_file_that_is_no_manifest_is_told(folder: Path, written: bytes, told: str) -> None:
    with pytest.raises(BadInput, match=told):
        manifest(folder, written)


def test_quotes_that_do_not_pair_are_told_with_their_line(folder: Path) -> None:
    assert faults(manifest(folder, 'id,person\n1,photos/anna.jpg\n2,"photos/anna.jpg\n3,tee.jpg\n'))[0][0] == "line 3"
    assert faults(manifest(folder, "[{]"))[0][0] == str(folder / "manifest.csv")
