"""What a row becomes before it is checked like any job: defaults below it, images named, every pair of a cross product."""

from __future__ import annotations

import io
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fitting_room.actions.batch.manifest import read
from fitting_room.actions.batch.rows import Row, crossed, merged, resolved
from fitting_room.jobs.errors import Refusal
from fitting_room.jobs.parse import parse

FOLDER = "s3://inbox/drop/shop/autumn"
UPLOAD, SUBJECT = "upl_" + "0" * 26, "sub_" + "0" * 26


def test_a_row_of_a_drop_folder_becomes_a_request() -> None:
    [row] = read(io.BytesIO(b"person,garment,output.count\nmodels/anna.jpg,./tee.jpg,2\n"), "csv")
    assert isinstance(row, Row)
    body = resolved(merged({"category": "tops", "output": {"format": "png"}}, row.body), FOLDER)
    assert body == {
        "task": "try_on",
        "person": {"s3": f"{FOLDER}/models/anna.jpg"},
        "garments": [{"image": {"s3": f"{FOLDER}/tee.jpg"}, "category": "tops"}],
        "output": {"count": 2, "format": "png"},
    }
    assert parse(body).output.count == 2


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        (UPLOAD, {"upload": UPLOAD}),
        ("https://shop.example/a.jpg?x=1", {"url": "https://shop.example/a.jpg?x=1"}),
        ("HTTPS://shop.example/a.jpg", {"url": "HTTPS://shop.example/a.jpg"}),
        ("s3://bucket/a b.jpg", {"s3": "s3://bucket/a b.jpg"}),
        ("data:image/png;base64,AA", {"data": "data:image/png;base64,AA"}),
        ("a b/ü.jpg", {"s3": f"{FOLDER}/a b/ü.jpg"}),
        (SUBJECT, {"subject": SUBJECT}),
    ],
)
def test_a_text_names_an_image_by_its_beginning(text: str, reference: dict[str, str]) -> None:
    assert resolved({"task": "try_on", "person": text}, FOLDER)["person"] == reference


def test_every_place_of_an_image_takes_a_text_and_no_other_place_does() -> None:
    body = {
        "task": "try_on",
        "person": {"photos": ["a.jpg", {"upload": UPLOAD}]},
        "garments": [{"image": "b.jpg"}, {"image": SUBJECT, "category": "tops"}, {"subject": SUBJECT}],
        "mask": {"type": "image", "image": "m.png"},
        "prompt": "c.jpg",
        "metadata": {"image": "d.jpg"},
        "reference": "e.jpg",
    }
    assert resolved(body, FOLDER) == {
        **body,
        "person": {"photos": [{"s3": f"{FOLDER}/a.jpg"}, {"upload": UPLOAD}]},
        "garments": [
            {"image": {"s3": f"{FOLDER}/b.jpg"}},
            {"subject": SUBJECT, "category": "tops"},
            {"subject": SUBJECT},
        ],
        "mask": {"type": "image", "image": {"s3": f"{FOLDER}/m.png"}},
    }
    variation = {"task": "image_variation", "images": ["a.jpg"], "prompt": "x"}
    assert resolved(variation, FOLDER)["images"] == [{"s3": f"{FOLDER}/a.jpg"}]
    assert resolved({"task": "outpaint", "image": "a.jpg"}, FOLDER)["image"] == {"s3": f"{FOLDER}/a.jpg"}


def test_a_file_needs_a_folder_and_every_such_fault_is_told_at_once() -> None:
    with pytest.raises(Refusal) as caught:
        resolved({"task": "try_on", "person": "a.jpg", "garments": [{"image": "b.jpg"}]}, None)
    assert [fault.pointer for fault in caught.value.faults] == ["/person", "/garments/0/image"]
    assert "an https link or the id of an upload" in caught.value.faults[0].remedy


@pytest.mark.parametrize("name", ["../other/a.jpg", "/a.jpg", "a//b.jpg", "C:\\photos\\a.jpg", "a/./b.jpg", "a/"])
def test_no_name_leads_out_of_the_folder(name: str) -> None:
    with pytest.raises(Refusal) as caught:
        resolved({"task": "try_on", "person": name}, FOLDER)
    assert caught.value.faults[0].pointer == "/person"


@pytest.mark.parametrize(
    ("defaults", "row", "expected"),
    [
        ({"output": {"count": 2, "seed": 1}}, {"output": {"seed": 2}}, {"output": {"count": 2, "seed": 2}}),
        ({"person": {"upload": "a"}}, {"person": {"url": "b"}}, {"person": {"url": "b"}}),
        ({"person": "a.jpg"}, {"person": {"subject": "b"}}, {"person": {"subject": "b"}}),
        ({"person": {"subject": "a"}}, {"person": {"stock": {}}}, {"person": {"stock": {}}}),
        ({"category": "tops"}, {"garment": "a"}, {"garments": [{"category": "tops", "image": "a"}]}),
        (
            {"garments": [{"category": "tops", "image": "x", "photo": "model"}, {"category": "bottoms"}]},
            {"garments": [{"subject": "s"}]},
            {"garments": [{"category": "tops", "subject": "s", "photo": "model"}]},
        ),
        ({"garment": "a"}, {"category": "tops"}, {"garments": [{"image": "a", "category": "tops"}]}),
        ({"mask": {"type": "garment", "shape": "contour"}}, {"mask": {"type": "prompt"}}, {"mask": {"type": "prompt"}}),
        ({"fallback": ["a", "b"]}, {"fallback": ["c"]}, {"fallback": ["c"]}),
        ({"task": "inpaint"}, {"prompt": "x"}, {"task": "inpaint", "prompt": "x"}),
    ],
)
def test_a_row_goes_before_the_defaults(defaults: Any, row: Any, expected: Any) -> None:
    assert merged(defaults, row) == {"task": "try_on", **expected}


def test_a_cross_product_has_every_person_with_every_garment_and_names_both() -> None:
    rows = list(
        crossed(["https://x.example/anna.jpg?s=1", {"s3": "s3://b/ben.png"}], ["tee.jpg", {"image": "cap.v2.png"}])
    )
    assert [(row.line, row.id) for row in rows] == [
        (1, "anna-tee"),
        (2, "anna-cap.v2"),
        (3, "ben-tee"),
        (4, "ben-cap.v2"),
    ]
    assert rows[3].body == {"person": {"s3": "s3://b/ben.png"}, "garments": [{"image": "cap.v2.png"}]}


def test_ids_of_a_cross_product_are_numbers_where_names_are_missing_or_equal() -> None:
    rows = crossed(
        [{"upload": UPLOAD}], ["a/tee.jpg", "b/tee.jpg", {"image": {"data": "data:;base64,AA"}, "category": "tops"}]
    )
    assert [row.id for row in rows] == [f"{UPLOAD}-garment1", f"{UPLOAD}-garment2", f"{UPLOAD}-garment3"]


CALM = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # the machine may be busy
NAMES = st.sampled_from(["person", "garments", "garment", "category", "image", "mask", "task", "output", "x"])
VALUES = st.recursive(
    st.none() | st.integers() | st.sampled_from(["a.jpg", "try_on", "inpaint", UPLOAD]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=6,
)


@CALM
@given(st.dictionaries(NAMES, VALUES), st.dictionaries(NAMES, VALUES))
def test_no_defaults_and_no_row_break_anything(defaults: dict[str, Any], row: dict[str, Any]) -> None:
    try:
        resolved(merged(defaults, row), FOLDER)
    except Refusal as refusal:
        assert all(fault.pointer for fault in refusal.faults)
