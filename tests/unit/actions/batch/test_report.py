"""What a report says of each row, and that nothing in it can act on its reader."""

from __future__ import annotations

import csv
import io
import json
from html.parser import HTMLParser

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fitting_room.actions.batch.contact_sheet import sheet
from fitting_room.actions.batch.report import Cause, Facts, ReportRow, csv_of, json_of
from fitting_room.jobs.errors import Fault

BLOCKED = Fault.of("content_blocked", "The filter refused the result.", "Use another `person`.", pointer="/person")
OTHER = Fault.of("invalid_input", "This field is required.", "Add it.")
DONE = ReportRow(
    2,
    "succeeded",
    "anna-tee",
    "job_1",
    "fashn",
    0.075,
    images=2,
    person="p.png",
    garments=("g.png",),
    results=("r.png", "s.png"),
)
FAILED = ReportRow(3, "failed", "ben-tee", "job_2", "fashn", 0.0, faults=(BLOCKED, OTHER))
FACTS = Facts(
    "bat_1", "finished", "2026-11-26T10:00:00Z", {"rows": 2, "succeeded": 1, "failed": 1}, "Autumn", spent=0.075
)
NASTY = "<script>alert(1)</script>\"'><img src=x onerror=y> & {x} {0} `code`"
CALM = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # the machine may be busy


def table(*rows: ReportRow) -> list[dict[str, str]]:
    written = csv_of(rows)
    assert written.startswith("\ufeff"), "Excel takes a file without it for another encoding"
    return list(csv.DictReader(io.StringIO(written.removeprefix("\ufeff"), newline="")))


def page(*rows: ReportRow, batch: Facts = FACTS, page: int = 1, pages: int = 1) -> str:
    return sheet(batch, rows, page, pages)


class Seen(HTMLParser):
    """What a browser would make of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def test_the_table_has_a_line_for_each_row_and_names_images_without_links() -> None:
    done, failed = table(DONE, FAILED)
    assert done["images"] == "/v1/jobs/job_1/images/1 /v1/jobs/job_1/images/2"
    assert (done["cost"], done["currency"], done["error"]) == ("0.075", "USD", "")
    assert (failed["error_code"], failed["error_field"]) == ("content_blocked\ninvalid_input", "/person\n")
    assert failed["error"] == "The filter refused the result.\nThis field is required."
    assert "png" not in csv_of([DONE]) + json_of(FACTS, [DONE])


@pytest.mark.parametrize("begin", ["=", "+", "-", "@", "\t=", "\r=", "\uff1d", "\uff0b", "\uff0d", "\uff20"])
def test_no_cell_is_run_as_a_formula(begin: str) -> None:
    [row] = table(ReportRow(2, "succeeded", f"{begin}1+1", reference=f'{begin}cmd|"/c calc"!A1'))
    assert row["id"] == f"'{begin}1+1"
    assert row["reference"].startswith(f"'{begin}cmd")


def test_the_document_has_the_batch_and_every_fault() -> None:
    written = json.loads(json_of(FACTS._replace(causes=(Cause("content_blocked", 1, BLOCKED),)), [DONE, FAILED]))
    assert written["batch"]["counts"] == {"rows": 2, "succeeded": 1, "failed": 1}
    assert written["batch"]["causes"][0]["example"]["remedy"] == "Use another `person`."
    assert [row["line"] for row in written["rows"]] == [2, 3]
    assert [fault["code"] for fault in written["rows"][1]["faults"]] == ["content_blocked", "invalid_input"]
    assert json.loads(json_of(FACTS, []))["rows"] == []


def test_the_sheet_shows_person_garment_and_results_with_a_text_for_those_who_do_not_see_them() -> None:
    seen = Seen(page(DONE, FAILED))
    assert [(image["src"], image["alt"]) for image in seen.all("img")] == [
        ("p.png", "Person of anna-tee"),
        ("g.png", "Garment of anna-tee"),
        ("r.png", "Result 1 of anna-tee"),
        ("s.png", "Result 2 of anna-tee"),
    ]
    assert [(link["href"], link["download"]) for link in seen.all("a")] == [
        ("r.png", "anna-tee"),
        ("s.png", "anna-tee_2"),
    ]
    for told in ("Autumn", "0.075 USD", "fashn", "job_1", "The filter refused the result.", "No result"):
        assert told in seen.text


def test_what_a_provider_bills_in_credits_is_told_as_such() -> None:
    row = DONE._replace(cost=None, credits=2.0)
    assert table(row)[0]["credits"] == "2.0"
    assert "Cost 2 credits" in Seen(page(row)).text
    assert "Spent 0.08 USD, 3 credits" in Seen(page(row, batch=FACTS._replace(spent=0.08, credits=3))).text
    assert "Spent 3 credits" in Seen(page(row, batch=FACTS._replace(spent=0, credits=3))).text
    assert "Spent 0 USD" in Seen(page(row, batch=FACTS._replace(spent=0))).text


def test_a_row_whose_image_was_bought_before_is_marked_as_reused() -> None:
    assert '<span class="status succeeded">reused</span>' in page(DONE._replace(reused_from="job_0"))
    assert '<span class="status succeeded">succeeded</span>' in page(DONE)


def test_an_invalid_row_stands_apart_and_has_no_picture() -> None:
    html = page(ReportRow(9, "invalid", None, faults=(OTHER,), person="p.png"), DONE)
    assert html.index("anna-tee") < html.index("Rows that could not be run") < html.index("Row 9")
    assert html.count('src="p.png"') == 1


def test_a_page_names_the_others() -> None:
    seen = Seen(page(DONE, page=2, pages=3))
    named = [(other["data-page"], other["title"]) for other in seen.all("span") if "data-page" in other]
    assert set(named) == {(n, f"GET /v1/batches/bat_1/report.html?page={n}") for n in ("1", "3")}
    assert seen.all("html")[0]["data-pages"] == "3"
    assert not [other for other in Seen(page(DONE)).all("span") if "data-page" in other]


@CALM
@given(st.text(min_size=1) | st.just(NASTY))
def test_nothing_that_a_row_holds_becomes_part_of_the_page(text: str) -> None:
    def tags(text: str) -> list[tuple[str, list[str]]]:
        fault = Fault.of("provider_error", text, text, pointer=text)
        row = DONE._replace(
            id=text,
            provider=text,
            reference=text,
            job_id=text,
            reused_from=text,
            faults=(fault,),
            person=text,
            results=(text,),
        )
        batch = FACTS._replace(reference=text, id=text, causes=(Cause(text, 1, fault),))
        return [(tag, list(given)) for tag, given in Seen(page(row, batch=batch)).tags if tag != "code"]

    assert tags(text) == tags("x")


def test_the_page_loads_nothing_but_images() -> None:
    html = page(DONE)
    [policy] = [str(meta["content"]) for meta in Seen(html).all("meta") if "http-equiv" in meta]
    assert "default-src 'none'" in policy
    told = [meta["content"] for meta in Seen(html).all("meta") if meta.get("name") == "referrer"]
    assert told == ["no-referrer"], "the address of the page is signed"
    assert "style=" not in html
    assert "url(" not in html
    assert "@import" not in html
