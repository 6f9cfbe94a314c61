"""The tables of docs/dialects.md against the code."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from fitting_room.dialects.fashn import answer as fashn
from fitting_room.dialects.fashn.request import MODELS
from fitting_room.dialects.fashn.routes import DIALECT as FASHN
from fitting_room.dialects.predictions import API_ERRORS
from fitting_room.dialects.tryiton import answer as tryiton
from fitting_room.dialects.tryiton.routes import DIALECT as TRYITON

DOCS = (Path(__file__).parents[3] / "docs" / "dialects.md").read_text(encoding="utf-8")


def section(title: str) -> str:
    return DOCS.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def rows(title: str, head: str) -> dict[str, str]:
    """The second cell by the first, of the table with that head."""
    table = section(title).partition(f"| {head} |")[2].partition("\n\n")[0]
    cells = (line.strip("| \n").split(" | ") for line in table.splitlines()[2:])
    return {first: second for first, second, *_ in cells}


@pytest.mark.parametrize(
    ("title", "errors"), [("FASHN", fashn.ERRORS), ("TryItOn", tryiton.ERRORS)], ids=["fashn", "tryiton"]
)
def test_each_error_of_a_job_is_listed_with_its_codes(title: str, errors: Mapping[str, str]) -> None:
    told = rows(title, "name")
    for code, name in errors.items():
        assert f"`{code}`" in told[f"`{name}`"], code
    others = {f"`{name}`" for name in errors.values()} ^ set(told)
    assert others <= {"`ThirdPartyError`", "`InternalServerError`", "`ProcessingError`, for `clothes` `PipelineError`"}


def test_each_error_of_a_call_is_listed() -> None:
    listed = set(rows("FASHN", "status, name"))
    assert listed == {f"{status} `{name}`" for status, name in [*API_ERRORS.values(), (400, "BadRequest")]}


def test_each_model_is_listed() -> None:
    assert set(rows("FASHN", "`model_name`")) == {f"`{name}`" for name in MODELS}


@pytest.mark.parametrize(("title", "dialect"), [("FASHN", FASHN), ("TryItOn", TRYITON)], ids=["fashn", "tryiton"])
def test_each_route_is_listed_with_its_scope(title: str, dialect: object) -> None:
    routes = {
        f"`{route.method} {re.sub('<.*>', '{id}', route.path)}`": f"`{route.scope}`"
        for route in dialect.routes  # type: ignore[attr-defined]
        if not route.path.startswith("/api/v1") and "<kind>" not in route.path
    }
    assert rows(title, "call") == routes
