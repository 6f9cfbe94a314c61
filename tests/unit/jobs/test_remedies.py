"""Every refusal that a rule of ours can give, in one file for a person to read: `remedies.txt`.

`UPDATE_REMEDIES=1 pytest tests/unit/jobs/test_remedies.py` writes the file again. Read what changed.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from fitting_room.actions.requests.check import together
from fitting_room.actions.requests.plan import Deployment, plan
from fitting_room.actions.requests.retry import RetryRequest
from fitting_room.actions.requests.upload import UploadRequest
from fitting_room.jobs.batch import BatchRequest
from fitting_room.jobs.errors import Fault, Refusal
from fitting_room.jobs.parse import faults_of, read
from fitting_room.jobs.tasks import TASKS
from fitting_room.jobs.token import TokenRequest
from fitting_room.providers.base import CatalogueEntry, Option
from fitting_room.providers.catalogue import entries
from fitting_room.stores.api_keys import Caller
from tests.unit.jobs.schema_rules import broken, changed, field_rules, keywords, schema_of
from tests.unit.providers.requests import IMAGE, SUBJECT, asking
from tests.unit.providers.test_invalid_requests import FULL, TOGETHER

FILE = Path(__file__).parent / "remedies.txt"
NAMES = frozenset(entry.id for entry in entries())
EVERYTHING = Deployment(
    entries(),
    configured=NAMES,
    regions=NAMES,
    private_access=NAMES,
    legacy_models=frozenset(f"{entry.id}/{model.id}" for entry in entries() for model in entry.models),
)
MARKS = re.compile(
    r"\^|\\x|\[0-9|\[a-z|fits the rule|Input should|Value error|pattern|must match|\de[+-]\d|unable to|None[.,`]|True|False"
    r"|garment\.\w|'\w+', '|\bdict\b|\bstr\b|instance|discriminator|tag "
)

FIELDS = field_rules(FULL)
OTHERS: list[tuple[type[BaseModel], dict[str, Any]]] = [
    # the other bodies of the API, each with all of its fields
    (UploadRequest, {"content_type": "image/png", "bytes": 1, "drop": "summer/person.jpg"}),
    (
        BatchRequest,
        {
            "manifest": {"upload": "upl_" + "0" * 26},
            "jobs": [{}],
            "cross": {"persons": [IMAGE], "garments": [IMAGE]},
            "defaults": {},
            "max_cost": {"amount": 5, "currency": "USD"},
            "max_images": 9,
            "hold": True,
            "webhook": {"url": "https://shop.example/hook"},
            "reference": "summer",
        },
    ),
    (
        TokenRequest,
        {"owner": "a", "ttl_seconds": 60, "max_jobs": 1, "request": {}, "garments": ["https://shop.example/g/"]},
    ),
    (RetryRequest, {"buy_again": True}),
]


def faults(body: dict[str, Any]) -> list[Fault]:
    draft = read(body)
    if draft.request is None:
        return draft.faults
    try:
        plan(draft.request, Caller("acme", "live", None), EVERYTHING)
    except Refusal as refusal:
        own = [fault for fault in refusal.faults if fault.provider is None or body.get("provider", "auto") != "auto"]
        return together(draft, draft.certain(own), EVERYTHING)
    return together(draft, [], EVERYTHING)


def of_fields() -> Iterator[Fault]:
    for _, body, _ in FIELDS.values():
        yield from faults(body)
    for _, body, _ in TOGETHER:
        yield from faults(body)
    yield from faults({})
    yield from faults({"task": "tryon"})
    yield from faults({**asking("try_on"), "garmets": [], "garments": [{"image": IMAGE, "category": "topps"}]})
    for ref in (
        {"url": "http://shop.example/p.png"},
        {"url": "https://jane:secret@shop.example/p.png"},
        {"url": "https://shop.example:8443/p.png"},
        {"url": "https://localhost/p.png"},
        {"url": "nowhere"},
        {"data": "hello"},
        {"data": "data:image/png;base64,"},
        {"data": "https://shop.example/p.png"},
        {"s3": "s3://bucket/folder/"},
        {"s3": "s3://bucket/" + "k" * 1025},
        {**IMAGE, "s3": "s3://bucket/key"},
        {},
    ):
        yield from faults(asking("try_on", person=ref))
    for value in (float("inf"), "\x00", "\ud800"):
        yield from faults(asking("try_on", provider_options={"fashn": {"a": value}}))
    for model, body in OTHERS:
        schema = model.model_json_schema()
        for path, _, value in broken(schema, schema.get("$defs", {}), body):
            yield from faults_of_model(model, changed(body, path, value))
        yield from faults_of_model(model, body)
        yield from faults_of_model(model, {})


def faults_of_model(model: type[BaseModel], body: Any) -> list[Fault]:
    try:
        model.model_validate(body)
    except ValidationError as error:
        return faults_of(error, model)
    return []


def of_providers() -> Iterator[Fault]:
    for entry in entries():
        for model in entry.models:
            for body in FULL:
                name = f"{entry.id}/{model.id}"
                yield from faults({**body, "provider": name, "fallback": [], "provider_options": {}})
            for task in model.tasks:
                for name, option in entry.honours(task, model).items():
                    yield from beyond(entry, task, name, option)
        yield from faults(asking("try_on", provider=entry.id, garments=[{"image": IMAGE}] * 4))
        yield from of_options(entry)
    for wrong in ("fash", "nobody", "fashn/none", "tryiton/cloths", "Nova Canvas", "auto"):
        yield from faults(asking("try_on", provider=wrong, provider_options={wrong: {}}))
        yield from faults(asking("try_on", provider="fashn", fallback=[wrong]))


def beyond(entry: CatalogueEntry, task: str, name: str, option: Option) -> Iterator[Fault]:
    """Values that the option does not have."""
    wrong: list[Any] = ["nothing like it"] if option.values else []
    wrong += [value - 1 for value in [option.minimum] if value is not None]
    wrong += [value + 1 for value in [option.maximum] if value is not None]
    for value in wrong:
        value = int(value) if isinstance(value, float) and value == int(value) else value
        body = asking(task, provider=entry.id)
        match name.split("."):
            case ["output", part]:
                yield from faults({**body, "output": {part: value}})
            case ["garment", part] if part != "subject":
                yield from faults({**body, "garments": [{"image": IMAGE, part: value}]})
            case ["person", "photos"]:
                yield from faults({**body, "person": {"photos": [IMAGE] * max(0, int(value))}})
            case [field] if field in TASKS[task].model_fields:
                yield from faults({**body, field: {"type": value} if field == "mask" else value})


def of_options(entry: CatalogueEntry) -> Iterator[Fault]:
    assert entry.options_model
    schema = entry.options_model.model_json_schema()
    for path, _, value in broken(schema, schema.get("$defs", {}), {}):
        yield from faults(asking("try_on", provider=entry.id, provider_options={entry.id: changed({}, path, value)}))
    yield from faults(asking("try_on", provider=entry.id, provider_options={entry.id: {"seed": 1}}))


@cache
def every_refusal() -> tuple[Fault, ...]:
    person = {"person": {"subject": SUBJECT}}
    found = [*of_fields(), *of_providers(), *faults(asking("try_on", provider="astria/sd15", **person))]
    return tuple({_alike(fault): fault for fault in reversed(found)}.values())


def _alike(fault: Fault) -> tuple[str, str]:
    """The same words about one garment or another."""
    return re.sub(r"\[\d+\]", "[0]", fault.detail), fault.remedy


def lines() -> list[str]:
    return sorted(
        f"{fault.provider or '-'} {fault.pointer!r}: {fault.detail} | {fault.remedy}" for fault in every_refusal()
    )


def test_the_file_that_people_read_is_what_the_api_says() -> None:
    told = "\n".join(lines()) + "\n"
    if os.environ.get("UPDATE_REMEDIES"):
        FILE.write_text(told)
    assert FILE.read_text() == told, "UPDATE_REMEDIES=1 writes it again; read what changed"


def test_no_refusal_speaks_the_language_of_the_machine() -> None:
    for fault in every_refusal():
        told = f"{fault.detail} {fault.remedy}".replace("`output.guidance`", "")
        assert not MARKS.search(told), (fault.pointer, told)


@pytest.mark.parametrize("part", ["detail", "remedy"])
def test_every_refusal_is_a_sentence(part: str) -> None:
    for fault in every_refusal():
        told = getattr(fault, part)
        assert re.fullmatch(r"[A-Za-z0-9`].*[.?]", told, re.DOTALL), (fault.pointer, told)
        assert "  " not in told


def test_every_keyword_of_the_schemas_is_broken_somewhere() -> None:
    known = {
        "required",
        "additionalProperties",
        "const",
        "enum",
        "minItems",
        "maxItems",
        "minLength",
        "maxLength",
        "pattern",
        "minimum",
        "exclusiveMinimum",
        "maximum",
        "maxProperties",
        "patternProperties",
        "type",
    }
    silent = {
        "properties",
        "items",
        "title",
        "description",
        "default",
        "$ref",
        "$defs",
        "anyOf",
        "oneOf",
        "discriminator",
        "propertyNames",
        "examples",
    }
    for schema in [*map(schema_of, TASKS), *(model.model_json_schema() for model, _ in OTHERS)]:
        assert set(keywords(schema)) <= known | silent
    kinds = {rule.rpartition(" ")[2] for rule in FIELDS}
    for model, body in OTHERS:
        schema = model.model_json_schema()
        kinds |= {keyword for _, keyword, _ in broken(schema, schema.get("$defs", {}), body)}
    assert kinds == (known - {"additionalProperties", "const"}) | {"unknown"}
