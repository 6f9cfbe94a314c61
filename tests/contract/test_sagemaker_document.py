"""The published document: docs/try-on-1.schema.json says what the product sends and takes.

After a change of the models, `python -m tests.contract.test_sagemaker_document` writes the schema again.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic.json_schema import models_json_schema

from fitting_room.providers.sagemaker.document import Answer, Refused, Request
from tests.contract.orders import golden
from tests.contract.sagemaker import answer

SCHEMA = Path(__file__).parents[2] / "docs" / "try-on-1.schema.json"


def schema() -> dict[str, Any]:
    _, made = models_json_schema([(Request, "validation"), (Answer, "validation"), (Refused, "validation")])
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "fitting-room/try-on/1",
        "description": "What an endpoint is sent (Request), and what it answers (Answer, or Refused with status 400 or 500).",
        **made,
    }


def test_the_schema_in_the_docs_is_that_of_the_models() -> None:
    assert json.loads(SCHEMA.read_text()) == schema()


def test_a_document_with_a_field_of_a_later_time_is_read() -> None:
    [document] = golden("sagemaker").values()
    assert Request.model_validate(document | {"mood": "calm"}).model_dump() == document
    made = Answer.model_validate_json(answer(json.dumps(document).encode(), seconds=7.1, model={"name": "vton"}))
    assert len(made.images) == 2


if __name__ == "__main__":
    SCHEMA.write_text(json.dumps(schema(), indent=2) + "\n")
