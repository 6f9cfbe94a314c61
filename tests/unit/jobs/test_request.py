"""What a client is told about a body that breaks the rules."""

from __future__ import annotations

from typing import Any

import pytest

from fitting_room.jobs.errors import CODES, Fault, Refusal
from fitting_room.jobs.parse import parse
from fitting_room.jobs.tasks import TryOn

PICTURE = {"url": "https://shop.example/p.png"}
BODY = {"task": "try_on", "person": PICTURE, "garments": [{"image": PICTURE}]}
SECRET = "Jane Doe of Elm Street 5"


def faults(body: Any) -> dict[str | None, Fault]:
    with pytest.raises(Refusal) as caught:
        parse(body)
    assert caught.value.status == 422
    assert all(fault.detail and fault.remedy and fault.code in CODES for fault in caught.value.faults)
    return {fault.pointer: fault for fault in caught.value.faults}


def test_the_smallest_body_leaves_every_choice_to_the_provider() -> None:
    request = parse(BODY)
    assert request.provider == "auto"
    assert request.output.count == 1
    assert [asked.name for asked in request.options()] == ["output.count", "garment.category"]


def test_all_faults_are_told_at_once_and_where() -> None:
    found = faults(
        {
            "task": "try_on",
            "person": {"url": "x"},
            "garments": [],
            "merge": "harsh",
            "fallback": ["sandbox"],
            "output": {"count": 9, "guidance": 50, "format": "gif"},
            "mask": {"type": "magic"},
            "colour": "red",
            "metadata": {"a": 1},
            "keep": {"face": "maybe"},
            "owner": "",
        }
    )
    assert set(found) == {
        "/person/url",
        "/garments",
        "/merge",
        "/fallback",
        "/output/count",
        "/output/guidance",
        "/output/format",
        "/mask/type",
        "/colour",
        "/metadata/a",
        "/keep/face",
        "/owner",
    }
    assert "tryon" not in str(found).lower()


def test_an_unknown_task_is_told_with_those_there_are() -> None:
    """Alone: which other fields are right depends on the task."""
    found = faults({"task": "paint", "person": {"url": "x"}})
    assert set(found) == {"/task"}
    assert "remove_background" in found["/task"].remedy


@pytest.mark.parametrize(
    ("change", "pointer", "remedy"),
    [
        ({"zzz": 1}, "/zzz", "The fields here are: output, "),
        ({"seed": 1}, "/seed", "It stands in `output`: send `output.seed`."),
        ({"size": 1}, "/size", "`output.size: original` gives the size of your image."),
        ({"image": PICTURE}, "/image", "belongs to inpaint, outpaint and remove_background"),
        (
            {"keep": {"face": "True"}},
            "/keep/face",
            "Did you mean `true` without quotes? Use one of: true, false, default.",
        ),
        ({"negativePrompt": "x"}, "/negativePrompt", "Did you mean `negative_prompt`?"),
        ({"garments": [{"image": PICTURE, "colour": 1}]}, "/garments/0/colour", "The fields here are: image, subject,"),
        ({"garments": [{"category": "tops"}]}, "/garments/0/image", "Send `image`"),
        ({"garments": [{"image": PICTURE, "category": "hat"}]}, "/garments/0/category", "headwear"),
        ({"garments": {"image": PICTURE}}, "/garments", "a list of 1 to 8 entries"),
        ({"person": {"upload": "upl_1"}}, "/person/upload", "upl_"),
        ({"person": {"data": "aGVsbG8="}}, "/person/data", "data:image"),
        ({"person": {"s3": "https://bucket/key"}}, "/person/s3", "s3://"),
        ({"person": {}}, "/person", ""),
        ({"person": PICTURE | {"s3": "s3://bucket/key"}}, "/person", ""),
        ({"mask": {"type": "prompt"}}, "/mask/prompt", "Add it"),
        ({"mask": {"type": "image", "image": {"url": "nowhere"}}}, "/mask/image/url", "https link"),
        ({"mask": {"prompt": "the shirt"}}, "/mask/type", "Add it"),
        ({"mask": {"type": "magic"}}, "/mask/type", "garment, image, prompt"),
        ({"mask": "garment"}, "/mask", ""),
        ({"scene": PICTURE}, "/scene", "one of them"),
        ({"output": {"seed": -1}}, "/output/seed", ""),
        ({"provider": ""}, "/provider", "GET /v1/providers"),
        ({"metadata": {"a/b~c": 5}}, "/metadata/a~1b~0c", ""),
        ({"metadata": {str(n): "x" for n in range(17)}}, "/metadata", ""),
        ({"metadata": {"bad\nkey": "x"}}, "/metadata/bad\nkey", ""),
        ({"owner": "\ud800"}, "/owner", ""),
        ({"provider_options": {"sandbox": 3}}, "/provider_options/sandbox", ""),
    ],
)
def test_a_fault_points_at_its_field_and_says_what_to_do(change: dict[str, Any], pointer: str, remedy: str) -> None:
    found = faults(BODY | change)
    assert set(found) == {pointer}
    assert remedy in found[pointer].remedy
    assert found[pointer].code == "invalid_input"


def test_a_rule_is_told_in_the_words_of_the_api() -> None:
    found = faults(BODY | {"person": {"photos": [PICTURE] * 9}, "garments": [], "merge": "harsh"})
    assert {pointer: fault.detail for pointer, fault in found.items()} == {
        "/person/photos": "At most 8 may be given.",
        "/garments": "At least 1 must be given.",
        "/merge": "There is no such value.",
    }


@pytest.mark.parametrize("body", [None, [], "text", 7, [BODY]])
def test_a_body_that_is_no_object_is_refused_as_a_whole(body: Any) -> None:
    assert faults(body)[""].detail == "This must be a JSON object."


@pytest.mark.parametrize(
    ("webhook", "pointer", "says"),
    [
        ({}, "/webhook/url", "required"),
        ("https://shop.example/hook", "/webhook", "object"),
        ({"url": "https://shop.example/hook", "events": []}, "/webhook/events", "does not exist"),
        ({"url": "shop.example/hook"}, "/webhook/url", "not the address of a webhook"),
        ({"url": "http://shop.example/hook"}, "/webhook/url", "is http"),
        ({"url": "https://shop.example:8443/hook"}, "/webhook/url", "port other than 443"),
        ({"url": "https://me:hunter2@shop.example/hook"}, "/webhook/url", "user name or a password"),
        *(
            ({"url": f"https://{host}/hook"}, "/webhook/url", "not on the public internet")
            for host in (
                *("localhost", "10.0.0.1", "169.254.169.254", "127.1", "2130706433", "0x7f000001", "0177.0.0.1"),
                *("[::1]", "[::ffff:10.0.0.1]", "[fd00:ec2::254]", "localhost.", "10.0.0.1.", "x.localhost"),
            )
        ),
        ({"url": "https://shop.example/" + "a" * 2048}, "/webhook/url", "2,048"),
    ],
)
def test_a_webhook_is_a_public_https_address_and_nothing_else(webhook: Any, pointer: str, says: str) -> None:
    [(where, fault)] = faults(BODY | {"webhook": webhook}).items()
    assert where == pointer
    assert says in fault.detail + fault.remedy
    assert "hunter2" not in fault.detail + fault.remedy


@pytest.mark.parametrize("url", ["https://shop.example/hook?shop=7", "https://93.184.215.14/hook", "HTTPS://x.example"])
def test_an_address_that_may_be_a_webhook_is_taken(url: str) -> None:
    webhook = parse(BODY | {"webhook": {"url": url}}).webhook
    assert webhook is not None and webhook.url == url


@pytest.mark.parametrize(
    "change",
    [
        {"task": SECRET},
        {"person": {"url": SECRET}},
        {"person": {"data": SECRET}},
        {"person": {"upload": SECRET}},
        {"person": {"s3": SECRET}},
        {"mask": {"type": SECRET}},
        {"provider": SECRET * 10},
        {"merge": SECRET},
        {"output": {"seed": SECRET}},
        {"output": SECRET},
        {"owner": SECRET * 10},
        {"prompt": SECRET * 100},
        {"metadata": {"name": [SECRET]}},
        {"fallback": [SECRET * 10]},
        {"garments": [SECRET]},
    ],
)
def test_no_fault_repeats_what_was_sent(change: dict[str, Any]) -> None:
    assert SECRET not in str([fault.model_dump() for fault in faults(BODY | change).values()])


def test_a_request_does_not_show_its_pictures_when_printed() -> None:
    request = parse(BODY | {"person": {"data": "data:image/png;base64,AAAABBBB"}})
    assert "AAAABBBB" not in repr(request)


def test_every_asked_option_carries_its_pointer() -> None:
    request = TryOn.model_validate(
        BODY
        | {
            "garments": [
                {"image": PICTURE},
                {"image": PICTURE, "category": "tops", "type": "no_sleeve_shirt", "photo": "model"},
            ],
            "mask": {"type": "prompt", "prompt": "shirt"},
            "keep": {"face": False},
            "styling": {"tuck": "in"},
            "merge": "seamless",
            "prompt": "p",
            "negative_prompt": "n",
            "segmentation_free": False,
            "moderation": "none",
            "output": {"count": 2, "quality": "best", "seed": 0, "guidance": 2, "mask": True},
        }
    )
    assert {asked.name: asked.pointer for asked in request.options() if "garment" not in asked.name} == {
        "mask": "/mask",
        "keep.face": "/keep/face",
        "styling.tuck": "/styling/tuck",
        "merge": "/merge",
        "prompt": "/prompt",
        "negative_prompt": "/negative_prompt",
        "segmentation_free": "/segmentation_free",
        "moderation": "/moderation",
        "output.quality": "/output/quality",
        "output.seed": "/output/seed",
        "output.guidance": "/output/guidance",
        "output.mask": "/output/mask",
        "output.count": "/output/count",
    }
    assert [asked.pointer for asked in request.options() if "garment" in asked.name] == [
        "/garments/0/category",
        "/garments/1/category",
        "/garments/1/type",
        "/garments/1/photo",
    ]


def test_every_code_that_answers_a_request_has_a_client_status() -> None:
    refusals = {code: known.status for code, known in CODES.items() if known.status}
    assert all(400 <= status < 500 for code, status in refusals.items() if code != "internal")
    assert {code for code, known in CODES.items() if known.moves_on} == {
        "provider_paused",
        "image_unreadable",
        "model_retired",
        "quota_exhausted",
        "rate_limited",
        "provider_auth",
        "provider_error",
        "provider_unavailable",
        "timed_out",
    }
