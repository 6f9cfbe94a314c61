"""The OpenAPI document: made from the code, right in its examples, served to all, and rendered as a page."""

from __future__ import annotations

import importlib
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from fitting_room.jobs.errors import CODES
from fitting_room.jobs.tasks import TASKS
from fitting_room.stores import webhooks
from infra.constructs.bundle import ROOT, Bundle
from openapi.__main__ import FILE, made
from tests.integration.functions.events import CONTEXT, event
from tests.integration.world import LIVE_KEY, TENANT, World

DOCUMENT: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
API = ROOT / "lambdas" / "functions" / "http" / "api"


def validator(name: str) -> Any:
    return jsonschema_rs.Draft202012Validator(
        {"$ref": f"#/components/schemas/{name}", "components": DOCUMENT["components"]}
    )


def described(part: Any) -> Iterator[str]:
    """Every description, summary and title of a part of the document."""
    if isinstance(part, dict):
        yield from (part[name] for name in ("description", "summary", "title") if isinstance(part.get(name), str))
    for each in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
        yield from described(each)


@pytest.fixture
def api(world: World, monkeypatch: pytest.MonkeyPatch) -> Any:
    handler = importlib.import_module("functions.http.api.handler")
    monkeypatch.setattr(handler, "clock", world.at)
    return handler.handler


def test_the_committed_document_is_that_of_the_code() -> None:
    assert FILE.read_text(encoding="utf-8") == made(), "run `make openapi`"


def test_the_document_speaks_the_words_of_the_docs() -> None:
    """A provider is no vendor, and an image no picture, but for the field `pictures`."""
    own = (text for text in described(DOCUMENT) if text != "Pictures")  # pydantic's title of that field
    assert [text for text in own if re.search("vendor|picture|reckon", text, re.IGNORECASE)] == []


def test_every_task_and_every_code_has_an_example() -> None:
    examples = DOCUMENT["paths"]["/v1/jobs"]["post"]["requestBody"]["content"]["application/json"]["examples"]
    assert examples.keys() == TASKS.keys()
    assert {fault["code"] for fault in DOCUMENT["components"]["schemas"]["Fault"]["examples"]} == CODES.keys()
    used = set(re.findall(r'"#/components/examples/(\w+)"', json.dumps(DOCUMENT["paths"])))
    ends_jobs = {code for code, facts in CODES.items() if facts.status is None}
    assert used == CODES.keys() - ends_jobs - {"method_not_allowed"}, "that one is of no path that there is"


def test_every_example_keeps_its_schema() -> None:
    for name, example in DOCUMENT["components"]["examples"].items():
        assert validator("Problem").is_valid(example["value"]), name
    for methods in DOCUMENT["paths"].values():
        for operation in methods.values():
            for content in operation.get("requestBody", {}).get("content", {}).values():
                check = validator(content["schema"]["$ref"].rpartition("/")[2])
                assert all(check.is_valid(each["value"]) for each in content["examples"].values())
            for each in operation.get("parameters", ()):
                if "example" in each:
                    assert jsonschema_rs.is_valid(each["schema"], each["example"]), each["name"]


def test_every_name_of_a_query_is_described() -> None:
    for route in importlib.import_module("functions.http.api.handler").ROUTES:
        described = DOCUMENT["paths"][re.sub(r"<(\w+)>", r"{\1}", route.path)][route.method.lower()]
        assert set(route.query) == {p["name"] for p in described.get("parameters", ()) if p["in"] == "query"}


@pytest.mark.parametrize("task", TASKS)
def test_the_example_of_a_task_is_taken_by_the_api(world: World, api: Any, task: str) -> None:
    """A training is taken only where the provider is configured, and a webhook where the tenant has a secret."""
    world.configure("astria", "fashn")
    webhooks.create(TENANT, world.at.now())
    examples = DOCUMENT["paths"]["/v1/jobs"]["post"]["requestBody"]["content"]["application/json"]["examples"]
    headers = {"authorization": f"Bearer {LIVE_KEY}", "content-type": "application/json"}
    sent = json.dumps(examples[task]["value"])
    answer = api(event("POST", "/v1/jobs/estimate", sent, headers=headers), CONTEXT)
    assert answer["statusCode"] == 200, answer["body"]


def test_anybody_may_read_the_document(api: Any) -> None:
    answer = api(event("GET", "/v1/openapi.json", headers={}), CONTEXT)
    assert answer["statusCode"] == 200 and answer["headers"]["Content-Type"] == "application/json"
    assert json.loads(answer["body"]) == DOCUMENT


def test_the_page_needs_no_other_host(api: Any) -> None:
    answer = api(event("GET", "/v1/docs", headers={}), CONTEXT)
    assert answer["statusCode"] == 200 and answer["headers"]["Content-Type"].startswith("text/html")
    assert not re.search(r"https?://|src=|@import", answer["body"])
    assert "connect-src 'self'" in answer["headers"]["Content-Security-Policy"]
    assert answer["headers"]["X-Content-Type-Options"] == "nosniff"


def test_the_page_shows_every_path_parameter_schema_and_example() -> None:
    [script] = re.findall(r"<script>(.*?)</script>", (API / "docs.html").read_text(encoding="utf-8"), re.DOTALL)
    run = f"{script}\nprocess.stdout.write(page(JSON.parse(require('fs').readFileSync(0))))"
    evil = {**DOCUMENT, "info": {**DOCUMENT["info"], "title": "<script>"}}
    node = Path(sys.executable).with_name("node")
    shown = subprocess.run([node, "-e", run], input=json.dumps(evil), capture_output=True, text=True, check=True).stdout
    assert "<script>" not in shown and "undefined" not in shown and "[object" not in shown
    for path, methods in DOCUMENT["paths"].items():
        for method, operation in methods.items():
            assert f"{method.upper()} {path}</h3>" in shown
            assert all(f"<code>{each['name']}</code>" in shown for each in operation.get("parameters", ()))
    for name, schema in DOCUMENT["components"]["schemas"].items():
        assert f'<h3 id="{name}">' in shown
        assert all(f"<code>{field}</code>" in shown for field in schema.get("properties", ()))
    shown_codes = DOCUMENT["components"]["examples"].keys() - {"method_not_allowed"}
    assert all(f"Example: {name}<" in shown for name in (*TASKS, *shown_codes))
    assert set(re.findall(r'href="#(\w+)"', shown)) <= set(re.findall(r'id="(\w+)"', shown))


def test_both_files_are_in_the_bundle_and_no_module_of_the_description() -> None:
    files = Bundle(API, ROOT / "lambdas", "arm64")._sources()
    assert {"openapi.json", "docs.html"} <= files.keys()
    assert not any(name.startswith("openapi/") for name in files)
