"""Holds an answer of the API against its description: the status, the code of an error, the body and the headers."""

from __future__ import annotations

import importlib
import json
import re
from typing import Any

from openapi.answers import Problem
from openapi.operations import HEADERS, OPERATIONS, Operation


def operation(method: str, path: str) -> Operation | None:
    routes: Any = importlib.import_module("functions.http.api.handler").ROUTES
    for route in routes:
        if route.method == method and re.fullmatch(re.sub(r"<\w+>", "[^/]+", route.path), path.rstrip("/")):
            return OPERATIONS[route.answer.__name__]
    return None


def check(method: str, path: str, status: int, headers: dict[str, str], text: str) -> None:
    """`headers` with names in lower case. Paths that are none have no description."""
    found = operation(method, path)
    if found is None or status == 405:
        return
    if status >= 400:
        assert status in (refusals := found.refusals()), f"{method} {path} answers {status}, which is not described"
        problem = Problem.model_validate(json.loads(text))
        assert problem.code in refusals[status], f"{method} {path} answers {status} {problem.code}"
        return
    assert status in found.statuses
    if found.answer:
        found.answer.model_validate_json(text, strict=True)
    else:
        assert not text
    undescribed = {name for name in HEADERS if name.lower() in headers} - {"Request-Id", *found.headers}
    assert not undescribed, f"{method} {path} answers {undescribed}"
