"""What counts as a breaking change of the OpenAPI document, and what does not."""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest

from openapi.__main__ import FILE
from openapi.changes import breaking

DOCUMENT: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
JOBS, JOB = "/v1/jobs", "/v1/jobs/{job_id}"


def schema(document: dict[str, Any], name: str) -> dict[str, Any]:
    return dict.__getitem__(document["components"]["schemas"], name)


BREAKS: list[tuple[Callable[[dict[str, Any]], object], str]] = [
    (lambda new: new["paths"].pop(JOB), f"GET {JOB} is gone"),
    (lambda new: new["paths"][JOB].pop("delete"), f"DELETE {JOB} is gone"),
    (lambda new: new["paths"][JOBS]["post"]["responses"].pop("202"), f"POST {JOBS} no longer answers 202"),
    (lambda new: new["paths"][JOBS]["post"].pop("parameters"), f"POST {JOBS} no longer takes Prefer"),
    (
        lambda new: new["paths"][JOBS]["post"]["parameters"][0].update(required=True),
        f"POST {JOBS} now requires Idempotency-Key",
    ),
    (
        lambda new: new["paths"][JOB + "/retry"]["post"]["requestBody"].update(required=True),
        f"POST {JOB}/retry now requires a body",
    ),
    (lambda new: schema(new, "JobShown")["properties"].pop("attempts"), "JobShown.attempts is gone"),
    (lambda new: schema(new, "JobShown")["required"].remove("attempts"), "JobShown.attempts is no longer always there"),
    (lambda new: schema(new, "JobShown")["properties"]["id"].update(type="integer"), "JobShown.id is no longer string"),
    (
        lambda new: schema(new, "JobShown")["properties"].update(id={"anyOf": [{"type": "string"}, {"type": "null"}]}),
        "JobShown.id may now be null",
    ),
    (lambda new: schema(new, "TryOn")["properties"].pop("merge"), "TryOn.merge is gone"),
    (lambda new: schema(new, "TryOn")["required"].append("merge"), "TryOn.merge is now required"),
    (
        lambda new: schema(new, "Garment")["properties"]["category"]["enum"].remove("tops"),
        "Garment.category no longer has the value tops",
    ),
    (
        lambda new: schema(new, "Output")["properties"]["count"].update(maximum=4),
        "Output.count has a tighter maximum: 4",
    ),
    (lambda new: schema(new, "JobRequest")["oneOf"].pop(), "JobRequest is no longer TrainSubject"),
]


@pytest.mark.parametrize(("change", "told"), BREAKS, ids=[told for _, told in BREAKS])
def test_a_change_that_breaks_clients_is_told(change: Callable[[dict[str, Any]], object], told: str) -> None:
    new = deepcopy(DOCUMENT)
    change(new)
    assert told in breaking(DOCUMENT, new)


GROWS: list[Callable[[dict[str, Any]], object]] = [
    lambda new: None,
    lambda new: new["paths"].update({"/v1/more": {"get": {"responses": {}}}}),
    lambda new: schema(new, "JobShown")["properties"].update(more={"type": "string"}),
    lambda new: schema(new, "JobShown")["required"].append("more"),
    lambda new: schema(new, "JobShown")["properties"]["status"]["enum"].append("paused"),
    lambda new: schema(new, "TryOn")["properties"].update(more={"type": "string"}),
    lambda new: schema(new, "TryOn")["required"].remove("garments"),
    lambda new: schema(new, "Output")["properties"]["count"].update(maximum=9),
    lambda new: schema(new, "Garment")["properties"]["category"]["enum"].append("hats"),
]


@pytest.mark.parametrize("change", GROWS)
def test_a_document_that_only_grows_breaks_nothing(change: Callable[[dict[str, Any]], object]) -> None:
    new = deepcopy(DOCUMENT)
    change(new)
    assert breaking(DOCUMENT, new) == []
