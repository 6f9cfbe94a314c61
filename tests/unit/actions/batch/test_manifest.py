"""What a manifest's rows become, however the file was written, and what its author is told about the others."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fitting_room.actions.batch.lines import LONGEST_ROW
from fitting_room.actions.batch.manifest import Kind, kind_of, read
from fitting_room.actions.batch.rows import BadRow, Row
from fitting_room.jobs.errors import Fault, Refusal

HEADER = "id,person,garment,category\n"


def rows(text: str | bytes, kind: Kind = "csv") -> list[Row | BadRow]:
    return list(read(io.BytesIO(text.encode() if isinstance(text, str) else text), kind))


def bodies(text: str | bytes, kind: Kind = "csv") -> list[dict[str, Any]]:
    return [row.body for row in rows(text, kind) if isinstance(row, Row)]


def refused(text: str | bytes, kind: Kind = "csv") -> list[Fault]:
    with pytest.raises(Refusal) as caught:
        rows(text, kind)
    return list(caught.value.faults)


def told(row: Row | BadRow) -> tuple[int, str | None, str]:
    assert isinstance(row, BadRow)
    assert all(fault.detail and fault.remedy for fault in row.faults)
    return row.line, row.faults[0].pointer, row.faults[0].detail


def test_a_row_of_short_forms_is_a_try_on_with_one_garment() -> None:
    assert rows(HEADER + "1,anna.jpg,tee.jpg,tops\n") == [
        Row(2, "1", {"person": "anna.jpg", "garments": [{"image": "tee.jpg", "category": "tops"}]})
    ]


@pytest.mark.parametrize(
    "written",
    [
        "id;person;garment;category\n1;anna.jpg;tee.jpg;tops\n",
        "id\tperson\tgarment\tcategory\n1\tanna.jpg\ttee.jpg\ttops\n",
        "\ufeffid,person,garment,category\r\n1,anna.jpg,tee.jpg,tops\r\n",
        "id,person,garment,category\r1,anna.jpg,tee.jpg,tops\r",
        '"id","person","garment","category"\n"1","anna.jpg","tee.jpg","tops"',
        'id, person, garment, category\n 1 , "anna.jpg", tee.jpg,tops\n',
        "id,person,garment,category,,\n1,anna.jpg,tee.jpg,tops,,\n,,,,,\n",
        "sep=;\nid;person;garment;category\n1;anna.jpg;tee.jpg;tops\n",
        "\n\nid,person,garments.0.image,garments[0].category\n\n1,anna.jpg,tee.jpg,tops\n\n",
    ],
)
def test_csv_is_read_as_spreadsheets_and_scripts_write_it(written: str) -> None:
    [row] = rows(written)
    assert row[1:] == ("1", {"person": "anna.jpg", "garments": [{"image": "tee.jpg", "category": "tops"}]})


def test_a_cell_has_the_type_of_its_field() -> None:
    header = (
        "output.count;output.guidance;output.mask;output.seed;keep.face;keep.hands;reference;metadata.2024;fallback.0"
    )
    assert bodies(f"{header}\n2.0;6,5;TRUE;provider;false;default;0815;7;fal\n") == [
        {
            "output": {"count": 2, "guidance": 6.5, "mask": True, "seed": "provider"},
            "keep": {"face": False, "hands": "default"},
            "reference": "0815",
            "metadata": {"2024": "7"},
            "fallback": ["fal"],
        }
    ]


def test_a_providers_option_has_the_type_that_its_provider_gives_it() -> None:
    header = "provider_options.aidge.view,provider_options.sandbox.seconds,provider_options.astria.person_class"
    [body] = bodies(f"{header}\n12,12,12\n")
    assert body["provider_options"] == {
        "aidge": {"view": "12"},
        "sandbox": {"seconds": 12.0},
        "astria": {"person_class": "12"},
    }


def test_a_cell_may_hold_what_json_writes_where_a_field_is_no_plain_value() -> None:
    assert bodies('person,metadata,prompt\n"{""upload"": ""upl_1""}","{""a"": ""b""}",{x}\n') == [
        {"person": {"upload": "upl_1"}, "metadata": {"a": "b"}, "prompt": "{x}"}
    ]


def test_a_text_may_hold_separators_quotes_and_line_breaks_and_lines_are_still_counted() -> None:
    written = 'id,prompt\n1,"a ""red"" tee,\nsize M"\n\n2,plain\n'
    assert [(row.line, row.id, row.body) for row in rows(written) if isinstance(row, Row)] == [
        (2, "1", {"prompt": 'a "red" tee,\nsize M'}),
        (5, "2", {"prompt": "plain"}),
    ]


def test_fifty_columns_are_read_and_an_empty_cell_leaves_a_field_out() -> None:
    names = [f"metadata.m{n}" for n in range(50)]
    [body] = bodies(",".join(names) + "\n" + ",".join("" if n % 2 else str(n) for n in range(50)))
    assert body == {"metadata": {f"m{n}": str(n) for n in range(0, 50, 2)}}


def test_garments_that_are_left_out_leave_no_hole() -> None:
    assert bodies("garments.0.image,garments.1.image,garments.1.category\n,skirt.jpg,bottoms\n") == [
        {"garments": [{"image": "skirt.jpg", "category": "bottoms"}]}
    ]


def test_garments_have_the_order_of_their_numbers_whatever_the_order_of_the_columns() -> None:
    assert bodies("garments.1.image,garments.0.image\nskirt.jpg,tee.jpg\n") == [
        {"garments": [{"image": "tee.jpg"}, {"image": "skirt.jpg"}]}
    ]


@pytest.mark.parametrize(
    ("column", "near"),
    [
        ("catgory", "category"),
        ("Person", "person"),
        ("count", "output.count"),
        ("garments.1.catagory", "garments.1.category"),
        ("output.cuont", "output.count"),
        ("garmentImage", "garments.0.image"),
        ("provider_options.aidge.veiw", "provider_options.aidge.view"),
        ("provider_options.aide.view", "provider_options.aidge.view"),
    ],
)
def test_an_unknown_column_is_refused_with_the_nearest_name(column: str, near: str) -> None:
    [fault] = refused(f"person,{column}\na.jpg,b\n")
    assert f"Column 2, `{column}`," in fault.detail
    assert f"Did you mean `{near}`?" in fault.remedy


def test_no_more_than_fifty_wrong_columns_are_told() -> None:
    assert len(refused(",".join(f"colour{n}" for n in range(60)))) == 50


def test_all_wrong_columns_are_told_at_once_also_those_that_name_the_same() -> None:
    faults = refused("person,garment,garments.0.image,sku,person.url,garments.8.image\n1,2,3,4,5,6\n")
    assert [(fault.pointer, fault.detail) for fault in faults] == [
        ("/garments/0/image", "Column 3, `garments.0.image`, names what `garment` names."),
        ("/sku", "Column 4, `sku`, names no field of a job."),
        ("/person/url", "Column 5, `person.url`, names what `person` names."),
        ("/garments/8/image", "Column 6, `garments.8.image`, names no field of a job."),
    ]
    assert "`metadata.<name>`" in faults[1].remedy


@pytest.mark.parametrize(
    ("broken", "detail"),
    [
        (b'2,"anna.jpg,tee.jpg,tops', "A quote opens in this row, and nothing closes it."),
        (b'2,"anna"s.jpg",tee.jpg,tops', "A quote inside a quoted text ends it too early."),
        (b"2,anna.jpg,tee.jpg,tops,more", "Cell 5 stands in a column without a header."),
        (b"2,an\xffna.jpg,tee.jpg,tops", "The row is not in UTF-8."),
        (b"2,anna\x00.jpg,tee.jpg,tops", "The row holds a NUL character."),
        (b"2," + b"a" * LONGEST_ROW + b",tee.jpg,tops", "The row is longer than 65,536 characters."),
        (b"1,anna.jpg,tee.jpg,tops", "The row in line 2 has this id, too."),
    ],
)
def test_a_bad_row_of_a_table_is_told_and_the_others_are_read(broken: bytes, detail: str) -> None:
    good = b"1,anna.jpg,tee.jpg,tops\n", b"3,anna.jpg,tee.jpg,tops\n"
    first, bad, last = rows(HEADER.encode() + good[0] + broken + b"\n" + good[1])
    assert (first.id, last.id) == ("1", "3")
    assert told(bad)[0] == 3
    assert told(bad)[2] == detail


@pytest.mark.parametrize(
    ("broken", "pointer", "detail"),
    [
        (b'{"person": "anna.jpg"', "", "The line is no JSON: Expecting ',' delimiter at character 22."),
        (b'{"output": {"guidance": NaN}}', "", "The line is no JSON."),
        (b"[1]", "", "The row is no JSON object."),
        (b'{"a": ' * 20_000, "", "The row is longer than 65,536 characters."),
        (b'{"a": ' * 9_000 + b"1" + b"}" * 9_000, "", "The row is nested too deeply."),
        (b'{"a": ' * 70 + b"1" + b"}" * 70, "", "The row is nested too deeply."),
        (b'{"a": ' + b"1" * 5_000 + b"}", "", "The line is no JSON."),
        (b'{"id": "1"}', "/id", "The row in line 1 has this id, too."),
        (b'{"id": ["1"]}', "/id", "The id is none."),
        (b'{"id": "a\\nb"}', "/id", "The id is none."),
        (b'{"garment": "a", "garments": []}', "/garment", "The row has `garments`, so `garment` says it twice."),
        (b'{"person": "\xff"}', "", "The row is not in UTF-8."),
    ],
)
def test_a_bad_line_of_json_is_told_and_the_others_are_read(broken: bytes, pointer: str, detail: str) -> None:
    first, bad, last = rows(b'{"id": 1, "garment": "a"}\n\n' + broken + b'\n{"id": "3"}', "jsonl")
    assert first == Row(1, "1", {"garments": [{"image": "a"}]})
    assert last == Row(4, "3", {})
    assert told(bad) == (3, pointer, detail)


def test_a_json_list_is_read_row_by_row_and_a_bad_row_does_not_stop_it() -> None:
    listed = f'[ {{"id": "a"}}, 5, {{"x": "{"y" * LONGEST_ROW}"}},\n {{"id": "b", "category": "tops"}} ]\n'
    for written in (listed, f'{{"jobs": {listed}}}', "\ufeff" + listed):
        first, number, long, last = rows(written, "json")
        assert (first, last) == (Row(1, "a", {}), Row(4, "b", {"garments": [{"category": "tops"}]}))
        assert told(number) == (2, "", "The row is no JSON object.")
        assert told(long) == (3, "", "The row is longer than 65,536 characters.")


@pytest.mark.parametrize(
    ("written", "where"),
    [
        ('{"rows": []}', "before its first row"),
        ('[{"a": 1} {"a": 2}]', "after row 1"),
        ('[{"a": 1}, {"a": ', "after row 1"),
        ('{"jobs": [{"a": 1}]', "after row 1"),
        ('[{"a": 1}] []', "after row 1"),
        ("[" * 100_000, "before its first row"),
    ],
)
def test_a_json_document_that_breaks_off_is_no_manifest(written: str, where: str) -> None:
    [fault] = refused(written, "json")
    assert where in fault.detail


@pytest.mark.parametrize(
    ("written", "kind"), [(HEADER, "csv"), ("", "csv"), ("\n\n", "jsonl"), ("[]", "json"), (" , ,\n", "csv")]
)
def test_a_manifest_without_rows_is_none(written: str, kind: Kind) -> None:
    assert refused(written, kind)[0].remedy


def test_a_manifest_is_never_held_as_a_whole() -> None:
    """A reader that took more than a few rows at once would read the endless file to its end."""

    class Endless(io.RawIOBase):
        def __init__(self, start: bytes, repeated: bytes) -> None:
            self._left, self._repeated = start, repeated

        def readable(self) -> bool:
            return True

        def readinto(self, into: Any) -> int:
            self._left += self._repeated * (len(into) // len(self._repeated) + 1)
            into[:], self._left = self._left[: len(into)], self._left[len(into) :]
            return len(into)

    files: dict[Kind, tuple[bytes, bytes]] = {
        "csv": (b"prompt\n", b"x\n"),
        "jsonl": (b"{}\n", b'{"a": 1}\n'),
        "json": (b"[{}", b',{"a": 1}'),
    }
    for kind, file in files.items():
        found = read(io.BufferedReader(Endless(*file)), kind)
        assert [next(found).line for _ in range(3_000)][-1] >= 3_000


@pytest.mark.parametrize(
    ("name", "start", "kind"),
    [
        ("manifest.csv", "id,person\n", "csv"),
        ("manifest.txt", "\ufeffid;person\n", "csv"),
        ("manifest.jsonl", '{"person": "a"}\n', "jsonl"),
        ("manifest.json", '{"person": "a"}\n{"person": "b"}\n', "jsonl"),
        ("manifest.json", '{"jobs": [{}]}', "json"),
        ("manifest.json", '{\n "jobs": [{}]}', "json"),
        ("manifest.jsonl", '{"person": broken\n{}\n', "jsonl"),
        ("manifest.csv", "\ufeff [{}]", "json"),
        ("", '{"person": "a"}', "jsonl"),
    ],
)
def test_the_kind_of_a_manifest_is_what_it_holds(name: str, start: str, kind: str) -> None:
    assert kind_of(name, start.encode()) == kind


@pytest.mark.parametrize(
    ("start", "told"),
    [
        (b"PK\x03\x04\x14\x00", "an Excel file"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1", "an old Excel file"),
        (b"\xff\xd8\xff\xe0", "of type JPEG"),
        (b"\x1f\x8b\x08", "of type gzip"),
        ("id;person".encode("utf-16"), "UTF-16"),
        ("id;person".encode("utf-16-le"), "UTF-16"),
        (b"<!doctype html>", "of type HTML"),
        (b" \r\n", "empty"),
        (b"", "empty"),
    ],
)
def test_a_file_that_is_no_manifest_is_refused_with_what_to_save_instead(start: bytes, told: str) -> None:
    with pytest.raises(Refusal, match=told) as caught:
        kind_of("manifest.csv", start)
    assert "CSV UTF-8" in caught.value.faults[0].remedy


CALM = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # the machine may be busy
CELLS = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=12)


@CALM
@given(
    st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=8), st.sampled_from(",;\t"), st.sampled_from(["\n", "\r\n"])
)
def test_what_a_csv_writer_writes_is_read_back(table: list[tuple[str, str]], separator: str, newline: str) -> None:
    file = io.StringIO()
    writer = csv.writer(file, delimiter=separator, lineterminator=newline, quoting=csv.QUOTE_ALL)
    writer.writerows([("prompt", "reference"), *table, ("end", "end")])
    expected = [
        {name: cell.strip() for name, cell in zip(("prompt", "reference"), cells, strict=True) if cell.strip()}
        for cells in table
    ]
    assert bodies(file.getvalue()) == [*filter(None, expected), {"prompt": "end", "reference": "end"}]


@CALM
@given(st.binary(max_size=200), st.sampled_from(["csv", "jsonl", "json"]))
def test_no_file_breaks_the_reader(content: bytes, kind: Kind) -> None:
    for written in (content, HEADER.encode() + content, b"[" + content):
        try:
            kind_of("", written)
            for row in rows(written, kind):
                assert row.line > 0
        except Refusal as refusal:
            assert all(fault.detail and fault.remedy for fault in refusal.faults)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@CALM
@given(
    st.lists(st.dictionaries(st.sampled_from(["prompt", "output"]), JSON), min_size=1, max_size=6), st.integers(0, 3)
)
def test_the_same_rows_are_read_from_lines_and_from_a_document(written: list[dict[str, Any]], indent: int) -> None:
    lines = "\n".join(json.dumps(row) for row in written)
    document = json.dumps(written, indent=indent or None, ensure_ascii=False)
    assert bodies(lines, "jsonl") == bodies(document, "json") == bodies(f'{{"jobs":{document}}}', "json") == written
