"""`POST /v1/uploads` with `drop`: a form that puts one file into a drop folder."""

# ruff: noqa: F811  the fixture `call` is imported

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from fitting_room.stores import uploads
from tests.integration.functions.test_api import Call, call  # noqa: F401  a fixture
from tests.integration.world import INBOX, LIVE, TENANT, TEST_KEY, World

ASKED = {"content_type": "image/jpeg", "bytes": 1000, "drop": "summer/2027/person.jpg"}


def test_the_form_puts_the_named_file_into_the_tenant_s_folder(world: World, call: Call) -> None:
    answer = call("POST", "/v1/uploads", ASKED)
    assert answer.status == 201, answer.json
    fields = answer.json["post"]["fields"]
    assert fields["key"] == f"drop/{TENANT}/summer/2027/person.jpg"
    conditions = json.loads(base64.b64decode(fields["policy"]))["conditions"]
    assert ["content-length-range", 1, 1000] in conditions
    assert {"key": fields["key"]} in conditions
    assert {"bucket": INBOX} in conditions
    made = uploads.get(answer.json["id"], LIVE, world.at.now())
    assert made and made.key == fields["key"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"drop": "person.jpg"}, "no folder"),
        ({"drop": "/person.jpg"}, "no folder"),
        ({"drop": "a//person.jpg"}, "two slashes"),
        ({"drop": "a/../person.jpg"}, "`.` or `..`"),
        ({"drop": "a\n/person.jpg"}, "control character"),
        ({"drop": "a/person.png"}, "does not end"),
        ({"drop": "a/.jpg"}, "hidden"),
        ({"drop": "a/"}, "does not end"),
        ({"drop": "x" * 1000 + "/person.jpg"}, "too long for the keys"),
        ({"drop": "x" * 900 + "/" + "y" * 119 + ".jpg"}, "the file is too long"),
        ({"drop": "a/job.json"}, "image/jpeg"),
        ({"content_type": "image/gif"}, "no such value"),
    ],
)
def test_a_name_that_no_folder_can_use_is_refused(call: Call, changes: dict[str, Any], words: str) -> None:
    answer = call("POST", "/v1/uploads", ASKED | changes)
    assert (answer.status, answer.json["code"]) == (422, "invalid_input")
    assert answer.json["pointer"] in ("/drop", "/content_type")
    assert words in " ".join(fault["detail"] for fault in answer.json["errors"])


@pytest.mark.parametrize(
    ("name", "content_type"),
    [
        ("job.json", "application/json"),
        ("manifest.csv", "text/csv"),
        ("manifest.jsonl", "application/jsonl"),
        ("PERSON.JPG", "image/jpeg"),
        ("person.heic", "image/heif"),
        ("person.heif", "image/heic"),
    ],
)
def test_an_order_a_name_in_capitals_and_a_phone_s_photo_may_be_sent_too(
    call: Call, name: str, content_type: str
) -> None:
    assert call("POST", "/v1/uploads", ASKED | {"drop": f"a/{name}", "content_type": content_type}).status == 201


def test_a_test_key_and_a_shopper_may_not(call: Call) -> None:
    """What lies in a drop folder is bought."""
    token = call("POST", "/v1/tokens", {"owner": "jane", "garments": ["https://shop.example/g/"]}).json["token"]
    for key in (TEST_KEY, token):
        answer = call("POST", "/v1/uploads", ASKED, key=key)
        assert (answer.status, answer.json["code"]) == (403, "forbidden")
        assert "drop folders" in answer.json["detail"]
