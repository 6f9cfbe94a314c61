"""The OpenAPI 3.1 document: routes and scopes from the handler, schemas from the models that check and answer requests."""

from __future__ import annotations

import re
from typing import Any, Protocol

from pydantic import BaseModel, create_model
from pydantic.json_schema import GenerateJsonSchema, models_json_schema

from fitting_room.jobs.errors import CODES, PROBLEM, Fault
from fitting_room.jobs.tasks import TASKS
from fitting_room.providers.catalogue import entries
from openapi import examples
from openapi.answers import Problem
from openapi.operations import HEADERS, NO_KEY, OPERATIONS, PATH, Operation, Parameter

_REF = "#/components/schemas/{model}"
_ABOUT = """Virtual try-on and image tasks, as jobs. Submit a job, then ask for it until `step` is `done`, or let a webhook
tell you. Decide on `retryable` of an error, not on its code: codes may be added, and so may fields of answers."""
Json = dict[str, Any]


class Route(Protocol):
    """As the handler has it."""

    @property
    def method(self) -> str: ...
    @property
    def path(self) -> str: ...
    @property
    def scope(self) -> str: ...
    @property
    def answer(self) -> Any: ...


class _Untitled(GenerateJsonSchema):
    """Without titles, which only repeat the names."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002
        return False


def document(routes: list[Any]) -> Json:
    """Return the whole document. `KeyError` names a route or a code that nobody described."""
    paths: Json = {}
    for route in routes:
        path = route.path.replace("<", "{").replace(">", "}")
        paths.setdefault(path, {})[route.method.lower()] = _operation(route)
    paths["/v1/openapi.json"] = {"get": _file("get_the_document", "Read this document", "application/json")}
    paths["/v1/docs"] = {"get": _file("get_the_docs", "Read this document as a page", "text/html")}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Fitting Room", "version": "1", "description": _ABOUT, "license": {"name": "Apache-2.0"}},
        "servers": [{"url": "/"}],
        "security": [{"key": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "key": {"type": "http", "scheme": "bearer", "bearerFormat": "fr_live_... or fr_test_..."}
            },
            "headers": {name: {"description": about, "schema": {"type": "string"}} for name, about in HEADERS.items()},
            "examples": {code: {"value": _problem(code)} for code, facts in CODES.items() if facts.status},
            "schemas": _schemas(),
        },
    }


def _operation(route: Route) -> Json:
    name = route.answer.__name__
    found = OPERATIONS[name]
    names = re.findall(r"<(\w+)>", route.path)
    return {
        "operationId": name,
        "summary": found.summary,
        "description": f"Needs the scope `{route.scope}`.",
        "tags": [route.path.split("/")[2]],
        **({"parameters": parameters} if (parameters := _parameters(names, found)) else {}),
        **({"requestBody": _body(found)} if found.body else {}),
        "responses": {
            **{str(status): _answer(found) for status in found.statuses},
            **{str(status): _refusal(status, codes) for status, codes in found.refusals().items()},
        },
    }


def _file(name: str, summary: str, kind: str) -> Json:
    """Both pages are the same for all, so they need no key."""
    schema = {"type": "object"} if kind.endswith("json") else {"type": "string"}
    refusals = {status: codes for status, codes in Operation(summary).refusals().items() if set(codes) & {*NO_KEY}}
    return {
        "operationId": name,
        "summary": summary,
        "tags": ["docs"],
        "security": [],
        "responses": {
            "200": {"description": summary, "headers": _headers(()), "content": {kind: {"schema": schema}}},
            **{str(status): _refusal(status, codes) for status, codes in refusals.items()},
        },
    }


def _parameters(names: list[str], found: Operation) -> list[Json]:
    return [_parameter(each) for each in (*(PATH[name] for name in names), *found.parameters)]


def _parameter(each: Parameter) -> Json:
    return {
        "name": each.name,
        "in": each.place,
        "description": each.about,
        **({"required": True} if each.place == "path" else {}),
        "schema": each.schema,
        **({"example": each.example} if each.example is not None else {}),
    }


def _body(found: Operation) -> Json:
    name = found.body if isinstance(found.body, str) else getattr(found.body, "__name__", "")
    shown = {
        "JobRequest": examples.TASKS,
        "SubjectRequest": {"train_subject": _without_task(examples.TASKS["train_subject"])},
        "UploadRequest": {
            "photo": {"content_type": "image/jpeg", "bytes": 481233},
            "drop": {"content_type": "image/jpeg", "bytes": 481233, "drop": "summer/person.jpg"},
        },
        "TokenRequest": {"shopper": examples.TOKEN},
        "BatchRequest": examples.BATCHES,
        "RetryRequest": {"buy_again": {"buy_again": True}},
    }[name]
    content = {"schema": _ref(name), "examples": {task: {"value": value} for task, value in shown.items()}}
    return {"required": not found.optional_body, "content": {"application/json": content}}


def _answer(found: Operation) -> Json:
    content = {"application/json": {"schema": _ref(found.answer.__name__)}} if found.answer else None
    return {
        "description": found.summary,
        "headers": _headers(found.headers),
        **({"content": content} if content else {}),
    }


def _refusal(status: int, codes: list[str]) -> Json:
    more = {401: ("WWW-Authenticate",), 429: ("Retry-After",)}.get(status, ())
    return {
        "description": " ".join(f"`{code}`: {CODES[code].title}." for code in codes),
        "headers": _headers(more),
        "content": {
            PROBLEM: {
                "schema": _ref("Problem"),
                "examples": {code: {"$ref": f"#/components/examples/{code}"} for code in codes},
            }
        },
    }


def _headers(names: tuple[str, ...]) -> Json:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in ("Request-Id", *names)}


def _problem(code: str) -> Json:
    fault = _fault(code)
    return {
        "type": f"urn:fitting-room:problem:{code}",
        "title": CODES[code].title,
        "status": CODES[code].status,
        **fault,
        "errors": [fault],
        "instance": "urn:request:6c1f3c2e-0000-4000-8000-000000000000",
    }


def _fault(code: str) -> Json:
    words = examples.ERRORS[code]
    return Fault.of(code, words.detail, words.remedy, **words.facts).model_dump(exclude_none=True)


def _schemas() -> Json:
    """Return the schemas of requests, closed, and of answers, open."""
    options = {entry.id: _options(entry.id, entry.options_model) for entry in entries() if entry.options_model}
    asked = [*TASKS.values(), *options.values(), *_models(operation.body for operation in OPERATIONS.values())]
    answered = [Problem, *_models(operation.answer for operation in OPERATIONS.values())]
    requests = _defined(asked, "validation")
    replies = {name: _opened(schema) for name, schema in _defined(answered, "serialization").items()}
    assert not requests.keys() & replies.keys() - {"JsonValue"}, "one name, two schemas"
    for name in (model.__name__ for model in TASKS.values()):
        _spliced(requests[name])
    requests["ProviderOptions"] = {
        "type": "object",
        "description": "What only one provider has, by its name. Of a provider that is not tried, nothing is checked.",
        "properties": {
            provider: {"anyOf": [_ref(model.__name__), {"type": "object"}]} for provider, model in options.items()
        },
        "additionalProperties": False,
    }
    _seed(requests["Output"])
    names = [model.__name__ for model in TASKS.values()]
    mapping = {task: _ref(model.__name__)["$ref"] for task, model in TASKS.items()}
    one_of = [_ref(name) for name in names]
    requests["JobRequest"] = {"oneOf": one_of, "discriminator": {"propertyName": "task", "mapping": mapping}}
    requests["SubjectRequest"] = _subject(requests["TrainSubject"])
    known: Json = {"enum": list(CODES)}
    replies["Fault"]["properties"]["code"] = {"anyOf": [known, {"type": "string"}], "description": "The set may grow."}
    replies["Fault"]["examples"] = [_fault(code) for code in CODES]
    return dict(sorted({**requests, **replies}.items()))


def _models(found: Any) -> list[type[BaseModel]]:
    return list(dict.fromkeys(each for each in found if isinstance(each, type)))


def _defined(models: list[Any], mode: Any) -> Json:
    pairs = [(model, mode) for model in dict.fromkeys(models)]
    schemas: Json = models_json_schema(pairs, ref_template=_REF, schema_generator=_Untitled)[1]["$defs"]
    for schema in schemas.values():
        schema.pop("title", None)
        if "description" in schema:  # of a class, in Python's words
            schema["description"] = re.sub(r"\bNone\b", "null", schema["description"])
    return schemas


def _options(provider: str, model: type[BaseModel]) -> type[BaseModel]:
    """Under a name of its own: every provider's class is called `Options`."""
    name = "".join(part.title() for part in provider.split("_")) + "Options"
    return create_model(name, __base__=model, __doc__=model.__doc__)


def _spliced(task: Json) -> None:
    """Say what `provider_options` may hold, and leave out fields that a task knows only to refuse."""
    task["properties"] = {name: part for name, part in task["properties"].items() if part.get("type") != "null"}
    task["properties"]["provider_options"] = {**_ref("ProviderOptions"), "default": {}}


def _seed(output: Json) -> None:
    output["properties"]["seed"]["anyOf"].insert(1, {"const": "provider"})


def _subject(training: Json) -> Json:
    properties = {name: part for name, part in training["properties"].items() if name != "task"}
    return {**training, "properties": properties, "required": [name for name in training["required"] if name != "task"]}


def _without_task(body: Json) -> Json:
    return {name: value for name, value in body.items() if name != "task"}


def _opened(schema: Any) -> Any:
    """Without `additionalProperties: false`."""
    if isinstance(schema, list):
        return [_opened(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    closed = schema.get("additionalProperties") is False
    return {name: _opened(part) for name, part in schema.items() if not (closed and name == "additionalProperties")}


def _ref(name: str) -> Json:
    return {"$ref": _REF.format(model=name)}
