"""Whatever is sent, the API answers, in JSON, and never with a fault of its own.

The requests come from the models' own schemas and from beyond them. `FUZZ_EXAMPLES=2000` is the long run.
"""

from __future__ import annotations

import importlib
import json
import os
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import event as counted
from hypothesis import strategies as st

from fitting_room.actions.requests.upload import UploadRequest
from fitting_room.jobs.tasks import TASKS
from fitting_room.providers.catalogue import entries
from tests.deployment import choose
from tests.integration.functions.events import CONTEXT, event
from tests.integration.world import LIVE_KEY, TENANT, TEST_KEY, World
from tests.unit.providers.requests import asking
from tests.unit.providers.test_invalid_requests import FULL

LEAST = [asking(task, **more) for task in TASKS for more in ({}, {"provider": "sandbox"}, {"provider": "nova_canvas"})]
EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "200"))
Any_ = st.SearchStrategy[Any]

ODD: Any_ = st.sampled_from(
    [
        *("", " ", "\x00", "\ud800", "\ufeff", "ü" * 200, "x" * 1100, "a/b~c", "0", "null", "auto", "../..", "١٢"),
        *("https://shop.example/p.png", "http://x", "https://u:p@x/", "https://[", "https://x:99999/", "s3://b/k"),
        *(
            f"s3://inbox-bucket/drop/{TENANT}/person.png",
            f"s3://inbox-bucket/drop/{TENANT}/",
            "s3://bucket/" + "k" * 2000,
        ),
        *(
            "data:,",
            "data:;base64,iVBORw0KGgo=",
            "DATA:image/png;base64,AA",
            "iVBORw0KGgoAAAANSUhEUg==",
            "data:image/png;base64,%",
        ),
        *(
            "upl_" + "0" * 26,
            "sub_" + "0" * 26,
            "job_" + "0" * 26,
            "nova_canvas",
            "fashn/tryon-v1.6",
            "tryiton/clothes",
            "fash",
        ),
        *(True, False, None, 0, -1, 1, 2**31, 2**64, 10**400, 0.5, -0.0, 1e308, float("inf"), float("nan"), [], {}),
    ]
)
JUNK: Any_ = st.recursive(
    ODD | st.text(st.characters(), max_size=20) | st.integers() | st.floats(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
DEEP = st.integers(1, 1200).map(lambda depth: ("[" * depth) + ("]" * depth))


def mostly(right: Any_) -> Any_:
    return st.integers(0, 14).flatmap(lambda dice: JUNK if dice == 0 else right)


def of(schema: dict[str, Any], defs: dict[str, Any]) -> Any_:
    """Values of a JSON schema, most of them right."""
    if reference := schema.get("$ref"):
        name = reference.rpartition("/")[2]
        return st.deferred(lambda: of(defs[name], defs))
    if kinds := schema.get("anyOf") or schema.get("oneOf"):
        return st.one_of([of(kind, defs) for kind in kinds])
    if "enum" in schema or "const" in schema:
        return mostly(st.sampled_from(schema.get("enum") or [schema["const"]]))
    low, high = schema.get("minimum"), schema.get("maximum")
    match schema.get("type"):
        case "object":
            return mostly(of_object(schema, defs))
        case "array":
            items = of(schema["items"], defs)
            most = schema.get("maxItems", 3) + 1
            return mostly(st.lists(items, min_size=schema.get("minItems", 0), max_size=min(most, 5)))
        case "string":
            return mostly(st.from_regex(schema["pattern"]) if "pattern" in schema else st.text(max_size=30) | ODD)
        case "integer":
            return mostly(st.integers(low, high) | st.integers())
        case "number":
            return mostly(st.floats(low, high) | st.integers(0, 10))
        case "boolean":
            return mostly(st.booleans())
        case "null":
            return st.none()
        case _:
            return JUNK


def of_object(schema: dict[str, Any], defs: dict[str, Any]) -> Any_:
    parts = {name: of(part, defs) for name, part in schema.get("properties", {}).items()}
    required = {name: part for name, part in parts.items() if name in schema.get("required", ())}
    optional = {name: part for name, part in parts.items() if name not in required}
    stranger = st.dictionaries(
        st.text(max_size=9) | st.sampled_from(["seed", "size", "promt", "\ud800"]), JUNK, max_size=1
    )
    return st.tuples(st.fixed_dictionaries(required, optional=optional), st.just({}) | stranger).map(
        lambda two: {**two[1], **two[0]}
    )


def with_options(body: Any_) -> Any_:
    """With a provider, and options of its own."""
    names = [entry.id for entry in entries()] + [
        f"{entry.id}/{model.id}" for entry in entries() for model in entry.models
    ]
    options = {
        entry.id: of(entry.options_model.model_json_schema(), entry.options_model.model_json_schema().get("$defs", {}))
        for entry in entries()
        if entry.options_model
    }
    provider = st.sampled_from(["auto", *names]) | ODD
    given = st.fixed_dictionaries({}, optional=options)
    return st.tuples(body, provider, given).map(
        lambda three: (
            {**three[0], "provider": three[1], "provider_options": three[2]} if isinstance(three[0], dict) else three[0]
        )
    )


@st.composite
def mutated(draw: st.DrawFn) -> Any:
    """A request with every field, or with few, of which some are changed."""
    body: Any = deepcopy(draw(st.sampled_from(LEAST) | st.sampled_from(FULL)))
    for _ in range(draw(st.integers(0, 4))):
        place = body
        while isinstance(place, dict | list) and place:
            key = draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
            if draw(st.booleans()) or not isinstance(place[key], dict | list):
                place[key] = draw(JUNK)
                break
            place = place[key]
    return body


def bodies() -> Any_:
    models = [*TASKS.values(), UploadRequest]
    schemas = [model.model_json_schema() for model in models]
    generated = st.one_of([of(schema, schema.get("$defs", {})) for schema in schemas])
    return (
        st.one_of(
            generated, with_options(generated), mutated(), with_options(mutated()), st.sampled_from(LEAST), JUNK
        ).map(lambda body: json.dumps(body).replace("Infinity", "1e999"))
        | st.text(max_size=30)
        | DEEP.map(lambda deep: '{"task": "try_on", "provider_options": {"sandbox": {"x": ' + deep + "}}}")
    )


IDS = st.sampled_from(["job_" + "0" * 26, "sub_" + "0" * 26, "upl_" + "0" * 26, "1", "", "%2e%2e"]) | st.text(
    max_size=3000
)
PATHS = (
    st.sampled_from(
        ["/v1/jobs", "/v1/jobs/estimate", "/v1/uploads", "/v1/subjects", "/v1/providers", "/", "/v1", "/v1/jobs/"]
    )
    | st.tuples(st.sampled_from(["jobs", "subjects"]), IDS).map(lambda two: f"/v1/{two[0]}/{two[1]}")
    | st.tuples(IDS, IDS).map(lambda two: f"/v1/jobs/{two[0]}/images/{two[1]}")
)
CALLS = st.tuples(
    st.just("POST"), st.sampled_from(["/v1/jobs", "/v1/jobs/estimate", "/v1/uploads", "/v1/subjects"])
) | st.tuples(st.sampled_from(["GET", "POST", "DELETE", "HEAD", "OPTIONS", "PUT"]), PATHS)
QUERIES = st.none() | st.dictionaries(
    st.sampled_from(["limit", "cursor", "x"]), st.text(max_size=40) | ODD.map(str), max_size=2
)
HEADERS = st.fixed_dictionaries(
    {"content-type": st.sampled_from(["application/json"] * 9 + ["text/plain"])},
    optional={
        "idempotency-key": st.text(st.characters(codec="latin-1"), max_size=20),
        "content-encoding": st.sampled_from(["identity", "gzip"]),
        "origin": st.sampled_from(["https://shop.example", "null"]),
    },
)


@pytest.fixture
def api(world: World, monkeypatch: pytest.MonkeyPatch) -> Any:
    choose(monkeypatch, daily_images=1_000_000, daily_usd=1_000_000)
    world.body()
    world.configure("tryiton", "fashn", "astria", "aidge")
    handler = importlib.import_module("functions.http.api.handler")
    monkeypatch.setattr(handler, "clock", world.at)
    return handler.handler


def strictly(text: str) -> Any:
    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is no JSON")

    found = json.loads(text, parse_constant=refuse)
    json.dumps(found, ensure_ascii=False).encode()  # no half characters either
    return found


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize="FUZZ_EXAMPLES" not in os.environ,
    suppress_health_check=list(HealthCheck),
)
@given(
    asked=CALLS,
    raw=bodies(),
    query=QUERIES,
    headers=HEADERS,
    key=st.sampled_from([LIVE_KEY, LIVE_KEY, LIVE_KEY, TEST_KEY, None]),
)
def test_whatever_is_sent_the_answer_is_json_and_no_fault_of_ours(
    api: Any, asked: tuple[str, str], raw: str, query: dict[str, str] | None, headers: dict[str, str], key: str | None
) -> None:
    method, path = asked
    sent = {**headers, **({"authorization": f"Bearer {key}"} if key else {})}
    answer = api(event(method, path, raw, query=query, headers=sent), CONTEXT)
    counted(f"{answer['statusCode']}")
    assert answer["statusCode"] < 500, answer["body"]
    assert answer["headers"]["Request-Id"]
    if method == "HEAD" or answer["statusCode"] in (204, 303):
        assert not answer["body"]
    else:
        assert isinstance(strictly(answer["body"]), dict)
        assert len(answer["body"]) < 500_000
