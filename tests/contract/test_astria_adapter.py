"""The Astria adapter against the vendor's documents: what it sends, and what it makes of every answer."""

from __future__ import annotations

import io
import json
from email.parser import BytesParser
from email.policy import HTTP
from typing import Any, cast

import httpx
import pytest
from PIL import Image

from fitting_room.jobs.errors import JobFailure
from fitting_room.jobs.job import Subject
from fitting_room.jobs.outcome import Failed, Finished, Pending, Ready, Unread
from fitting_room.providers.adapter import Input, Order, Reference
from fitting_room.providers.astria import adapter
from fitting_room.providers.astria.options import AstriaSettings
from fitting_room.providers.astria.prompts import nearest, prompt_of
from fitting_room.providers.base import ReferenceKind
from tests.contract.orders import IMAGE, connection, golden, order, try_on

GOLDEN, REFERENCES = golden("astria"), golden("astria/references")
KEY = "key-of-this-deployment"
CALLBACK = "https://fitting.example/v1/callbacks/astria/token"
CREATED = httpx.Response(201, json={"id": 1, "text": "...", "trained_at": None, "tune_id": 3618064})
PERSON = "sub_01J00000000000000000000001"
TRAIN = {
    "task": "train_subject",
    "kind": "person",
    "class_name": "woman",
    "pictures": [IMAGE] * 4,
    "provider": "astria/sd15",
}
REFERENCE = TRAIN | {"provider": "astria"}
TUNE = {"id": 788416, "title": "job_1", "name": "woman", "token": "ohwx", "trained_at": None}  # page "Create a tune"
TRAINED = TUNE | {"trained_at": "2023-10-02T14:32:40.363Z"}

Answer = httpx.Response | Exception


class Wire:
    """A vendor that gives these answers in turn, the last one for ever; `sent` remembers the requests."""

    def __init__(self, *answers: Answer) -> None:
        self.answers, self.sent = list(answers), list[httpx.Request]()

    def __call__(self, request: httpx.Request) -> httpx.Response:
        request.read()
        self.sent.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    @property
    def calls(self) -> list[tuple[str, str]]:
        return [(request.method, request.url.raw_path.decode()) for request in self.sent]


def provider(wire: Wire, **settings: Any) -> adapter.Astria:
    return adapter.connect(connection(secret=KEY, settings=AstriaSettings(**settings)), httpx.MockTransport(wire))


def worn(**fields: Any) -> Order:
    """An order to a partner model, of a person picture in one garment."""
    body = try_on(garment={"category": "one_piece"}, provider_options={"astria": {"person_class": "woman"}}, **fields)
    return order("astria", body, references={"person": "123", "garment-0": "456"}, seed=7)


def start(*answers: Answer) -> Any:
    wire = Wire(*answers)
    outcome = provider(wire).start(worn())
    assert len(wire.sent) == 1, "a purchase is tried once"
    return outcome


def poll(answer: Answer, **fields: Any) -> Any:
    return provider(Wire(answer)).poll(worn(**fields), "3618064/1")


def form(request: httpx.Request) -> dict[str, Any]:
    """The fields of a multipart body; a file as its name, type and content, and a list for names that end in []."""
    head = b"Content-Type: " + request.headers["Content-Type"].encode() + b"\r\n\r\n"
    fields: dict[str, Any] = {}
    for part in BytesParser(policy=HTTP).parsebytes(head + request.content).iter_parts():
        name = str(part.get_param("name", header="content-disposition"))
        content = cast(bytes, part.get_payload(decode=True)).decode()
        value = (
            content
            if part.get_filename() is None
            else {"file": part.get_filename(), "type": part.get_content_type(), "content": content}
        )
        if name.endswith("[]"):
            fields.setdefault(name, []).append(value)
        else:
            assert name not in fields, f"{name} is sent twice"
            fields[name] = value
    return fields


def facts(outcome: Any) -> tuple[str, str, bool]:
    assert isinstance(outcome, Failed), outcome
    assert outcome.fault.provider == "astria"
    assert outcome.fault.remedy
    assert KEY not in outcome.fault.model_dump_json()
    return outcome.fault.code, outcome.charged, outcome.fault.retryable


# what is sent


@pytest.mark.parametrize("case", GOLDEN.values(), ids=GOLDEN)
def test_sends_what_the_document_asks_for(case: dict[str, Any]) -> None:
    wire = Wire(CREATED)
    provider(wire, **case.get("settings", {})).start(
        order(
            "astria",
            case["request"],
            seed=case.get("seed"),
            callback=case.get("callback"),
            references=case.get("references"),
            subjects=[Subject.model_validate(subject) for subject in case.get("subjects", [])],
        )
    )
    [request] = wire.sent
    assert f"{request.method} {request.url}" == case["call"]
    assert request.headers["Authorization"] == f"Bearer {KEY}"
    assert {name: request.headers[name] for name in case.get("headers", {})} == case.get("headers", {})
    assert form(request) == case["form"]


@pytest.mark.parametrize("case", REFERENCES.values(), ids=REFERENCES)
def test_registers_what_the_document_asks_for(case: dict[str, Any]) -> None:
    wire = Wire(httpx.Response(200, json=[]), httpx.Response(201, json=TRAINED))
    assert register(wire, case["model"], case["title"], **case["kind"]) == "788416"
    assert wire.calls[0][0] == "GET"
    assert (wire.sent[1].method, str(wire.sent[1].url)) == ("POST", "https://api.astria.ai/tunes")
    assert form(wire.sent[1]) == case["form"]


@pytest.mark.parametrize(
    ("category", "noun"), [("auto", "clothing"), ("tops", "a shirt"), ("bottoms", "pants"), ("one_piece", "a dress")]
)
def test_the_prompt_of_a_trained_person_is_plain_english(category: str, noun: str) -> None:
    subject = Subject(id=PERSON, kind="person", class_name="woman", made_for="astria/sd15", made_id="7", token="ohwx")
    body = try_on(garment={"category": category}) | {"person": {"subject": PERSON}}
    _, sent = prompt_of(order("astria", body, subjects=[subject], references={"garment-0": "456"}), AstriaSettings())
    assert f"ohwx woman wearing {noun}, high resolution" in str(dict(sent)["prompt[text]"])


def test_the_mask_of_the_input_image_is_sent_as_the_vendor_reads_it() -> None:
    """Page "Inpainting and masking": "the area to be inpainted is white and the rest is black"; "one channel mask image"."""
    mask = Image.new("L", (640, 960), 255)
    mask.paste(0, (0, 0, 320, 960))
    file = io.BytesIO()
    mask.save(file, "PNG")
    subject = Subject(id=PERSON, kind="person", class_name="woman", made_for="astria/sd15", made_id="7", token="ohwx")
    body = try_on(garment={"category": "tops", "photo": "model"}, mask={"type": "image", "image": IMAGE})
    body["person"] = {"subject": PERSON}
    _, sent = prompt_of(
        order(
            "astria",
            body,
            pictures={"garment": b"GARMENT", "mask": file.getvalue()},
            subjects=[subject],
            references={"garment-0": "456"},
            seed=7,
        ),
        AstriaSettings(),
    )
    name, data, media_type = dict(sent)["prompt[mask_image]"]
    picture = Image.open(io.BytesIO(data))
    assert (name, media_type, picture.mode, picture.size) == ("mask_image.png", "image/png", "L", (640, 960))
    assert [picture.getpixel(point) for point in ((10, 10), (600, 10))] == [255, 0]


@pytest.mark.parametrize(
    ("size", "ratio"),
    [
        ((1000, 1000), "1:1"),
        ((640, 960), "2:3"),
        ((600, 800), "3:4"),
        ((864, 1296), "2:3"),
        ((1080, 1920), "9:16"),
        ((1920, 1080), "16:9"),
        ((400, 4000), "9:21"),
        ((4000, 400), "21:9"),
        ((1000, 1250), "4:5"),
    ],
)
def test_the_frame_is_that_of_the_vendor_most_like_the_person_pictures(size: tuple[int, int], ratio: str) -> None:
    assert nearest(Input("image/png", *size, read=bytes, link=str)) == ratio


@pytest.mark.parametrize(("quality", "resolution"), [("fast", "1K"), ("standard", "2K"), ("best", "4K"), (None, None)])
def test_every_quality(quality: str | None, resolution: str | None) -> None:
    wire = Wire(CREATED)
    provider(wire).start(worn(output={"quality": quality}))
    assert form(wire.sent[0]).get("prompt[resolution]") == resolution


def test_without_a_workspace_none_is_named() -> None:
    wire = Wire(CREATED)
    provider(wire).start(worn())
    assert "X-Workspace-Id" not in wire.sent[0].headers


def test_without_a_key_nothing_is_called() -> None:
    with pytest.raises(JobFailure) as caught:
        adapter.connect(connection(secret=None))
    assert (caught.value.fault.code, caught.value.fault.provider) == ("provider_auth", "astria")


# the answer to a submit


@pytest.mark.parametrize(
    "body",
    [
        # page "Create a prompt"; in the vendor's tool: "prompt[0] if isinstance(prompt, list)"; in its starter: wrapped
        {"id": 1, "trained_at": None},
        [{"id": 1}],
        {"prompt": {"id": 1}},
    ],
)
def test_an_accepted_prompt(body: Any) -> None:
    assert start(httpx.Response(201, json=body)) == Pending("3618064/1", 5.0)


REFUSALS = [
    # page "API overview", Error codes: "Do not retry these requests"
    (422, {"text": ["can't be blank"]}, ("provider_error", "no", False)),
    (422, {"input_image": ["is invalid"]}, ("image_unreadable", "no", False)),
    (422, {"images": ["can't be blank"]}, ("image_unreadable", "no", False)),
    (422, {"num_images": ["is out of range"]}, ("provider_error", "no", False)),
    (422, {"base": ["Insufficient balance"]}, ("quota_exhausted", "no", False)),
    # "Rate limiting"
    (429, {}, ("rate_limited", "no", True)),
    # "Such requests should be retried with exponential backoff and wait start time of 30 seconds"
    (500, {"error": "Internal server error"}, ("provider_error", "no", True)),
    # "In most cases the request would probably have been processed and you should avoid retrying it"
    (504, {}, ("provider_error", "unknown", False)),
    (401, {"error": "?"}, ("provider_auth", "no", False)),
    (403, {"error": "?"}, ("provider_auth", "no", False)),
    (402, {"error": "?"}, ("quota_exhausted", "no", False)),
    (400, {"error": "your plan has no API"}, ("quota_exhausted", "no", False)),
    (400, {"error": "?"}, ("provider_error", "no", False)),
    (404, {"error": "Not found"}, ("provider_error", "no", False)),
    (413, {}, ("image_unreadable", "no", False)),
    (426, {"upgrade": "?"}, ("provider_error", "no", False)),  # the vendor's tool: "no longer supported"
    # not documented
    (408, {}, ("provider_error", "unknown", False)),
    (502, ["bad gateway"], ("provider_error", "unknown", False)),
    (503, {}, ("provider_error", "unknown", False)),
    (302, {}, ("provider_error", "unknown", False)),
    (201, {}, ("provider_error", "unknown", False)),
    (201, ["?"], ("provider_error", "unknown", False)),
]


@pytest.mark.parametrize(("status", "answer", "expected"), REFUSALS)
def test_every_refused_prompt(status: int, answer: Any, expected: tuple[str, str, bool]) -> None:
    assert facts(start(httpx.Response(status, json=answer))) == expected


def test_an_answer_that_is_no_json_may_have_been_a_purchase() -> None:
    assert facts(start(httpx.Response(201, text="<html>"))) == ("provider_error", "unknown", False)


@pytest.mark.parametrize(
    ("answer", "seconds"),
    [
        (httpx.Response(500), 30),
        (httpx.Response(429), 30),
        (httpx.Response(429, headers={"Retry-After": "90"}), 90),
        (httpx.Response(504), None),
        (httpx.Response(422), None),
    ],
    ids=str,
)
def test_how_long_the_vendor_is_left_alone(answer: httpx.Response, seconds: float | None) -> None:
    assert start(answer).retry_after == seconds


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (httpx.ConnectError("refused"), ("provider_unavailable", "no", True)),
        (httpx.ReadTimeout("slow"), ("provider_unavailable", "unknown", False)),
        (httpx.RemoteProtocolError("gone"), ("provider_unavailable", "unknown", False)),
    ],
)
def test_a_broken_submit_is_charged_unless_nothing_was_sent(error: Exception, expected: tuple[str, str, bool]) -> None:
    assert facts(start(error)) == expected


def test_the_vendors_words_are_kept_without_addresses() -> None:
    """The documents say: "Log these errors, specifically the response body"."""
    body = {"callback": ["https://fitting.example/v1/callbacks/astria/secret is not reachable"]}
    fault = start(httpx.Response(422, json=body)).fault
    assert (fault.provider_code, fault.provider_detail) == ("HTTP 422", "callback: [removed] is not reachable")


# the status of a prompt


def test_the_status_is_read_by_tune_and_prompt() -> None:
    wire = Wire(CREATED)
    assert provider(wire).poll(worn(), "3618064/1") == Pending("3618064/1", 5.0)
    assert wire.calls == [("GET", "/tunes/3618064/prompts/1")]
    assert wire.sent[0].headers["Authorization"] == f"Bearer {KEY}"


def ended(**fields: Any) -> httpx.Response:
    return httpx.Response(200, json={"id": 1, "images": [], "user_error": None} | fields)


@pytest.mark.parametrize("answer", [ended(), ended(trained_at="2022-10-06T16:12:54.505Z")], ids=str)
def test_a_prompt_under_way_is_looked_at_again(answer: Answer) -> None:
    assert poll(answer) == Pending("3618064/1", 5.0)


BROKEN: list[tuple[Answer, Unread]] = [
    *((httpx.Response(status), Unread(f"HTTP {status}", status)) for status in (401, 403, 404, 408, 410, 500, 504)),
    (httpx.Response(200, text="<html>"), Unread("malformed", 200)),
    (httpx.Response(200, json=[]), Unread("malformed", 200)),
    (httpx.Response(200, json={}), Unread("malformed", 200)),
    (httpx.Response(200, content=b"[" * 100_000), Unread("malformed", 200)),
    (httpx.ReadTimeout("slow"), Unread("ReadTimeout")),
    (httpx.ConnectError("gone"), Unread("ConnectError", made=False)),
]


@pytest.mark.parametrize(("answer", "expected"), BROKEN, ids=str)
def test_a_read_that_is_refused_or_broken_says_nothing_of_prompt_or_training(answer: Answer, expected: Unread) -> None:
    assert poll(answer) == expected
    assert provider(Wire(answer)).poll(order("astria", TRAIN), "788416") == expected


@pytest.mark.parametrize(("headers", "wait"), [({}, 30), ({"Retry-After": "45"}, 45), ({"Retry-After": "0"}, 0)])
def test_too_many_reads_are_followed_by_a_longer_pause(headers: dict[str, str], wait: float) -> None:
    assert poll(httpx.Response(429, headers=headers)) == Unread("HTTP 429", 429, wait, made=False)


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_finished_prompt(wrapped: bool) -> None:
    body = {"id": 1, "images": ["https://mp.astria.ai/a", "https://mp.astria.ai/b"]}
    outcome = poll(httpx.Response(200, json={"prompt": body} if wrapped else body), output={"count": 2})
    assert outcome == Ready(["https://mp.astria.ai/a", "https://mp.astria.ai/b"], "30 days")


def test_fewer_pictures_than_asked_for_are_kept() -> None:
    outcome = poll(ended(images=["https://mp.astria.ai/a"], user_error="one failed"), output={"count": 2})
    assert outcome.addresses == ["https://mp.astria.ai/a"]
    assert [warning.code for warning in outcome.warnings] == ["partial_result"]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        ("NSFW content detected", "content_blocked"),
        ("Blocked by our safety system", "content_blocked"),
        ({"message": "prompt was flagged"}, "content_blocked"),
        ("violates the usage policies", "content_blocked"),
        ("Failed to load the model", "provider_error"),
        ("?", "provider_error"),
    ],
)
def test_a_failed_prompt_is_told_by_its_words_and_may_have_cost(error: Any, code: str) -> None:
    assert facts(poll(ended(user_error=error))) == (code, "unknown", False)


# trainings


def train(*answers: Answer, body: dict[str, Any] = TRAIN) -> tuple[Any, Wire]:
    wire = Wire(*answers)
    return provider(wire).start(order("astria", body)), wire


@pytest.mark.parametrize("body", [TUNE, [TUNE], {"tune": TUNE}])
def test_an_accepted_training(body: Any) -> None:
    outcome, wire = train(httpx.Response(201, json=body))
    assert outcome == Pending("788416", 60.0)
    assert wire.calls == [("POST", "/tunes")]


def test_a_reference_of_a_person_is_looked_at_soon() -> None:
    assert train(httpx.Response(201, json=TRAINED), body=REFERENCE)[0] == Pending("788416", 5.0)


@pytest.mark.parametrize(("status", "answer", "expected"), [case for case in REFUSALS if case[2][1] == "no"])
def test_every_refused_training(status: int, answer: Any, expected: tuple[str, str, bool]) -> None:
    outcome, wire = train(httpx.Response(status, json=answer))
    assert facts(outcome) == expected
    assert len(wire.sent) == 1


@pytest.mark.parametrize(
    "answer", [httpx.Response(504), httpx.ReadTimeout("slow"), httpx.Response(201, text="?")], ids=str
)
def test_a_training_of_unknown_fate_is_looked_for_by_its_title(answer: Answer) -> None:
    others = [TUNE | {"id": 3, "title": "job_1 flat lay"}, TUNE | {"id": 2, "title": None}]
    outcome, wire = train(answer, httpx.Response(200, json=[*others, TUNE]))
    assert outcome == Pending("788416", 60.0)
    assert wire.calls == [("POST", "/tunes"), ("GET", "/tunes?title=job_1&limit=120")]


@pytest.mark.parametrize(
    "look",
    [
        httpx.Response(200, json=[]),
        httpx.Response(500),
        httpx.ReadTimeout("slow"),
        httpx.Response(200, text="<html>"),
        httpx.Response(200, json={"error": "?"}),
    ],
    ids=str,
)
def test_a_training_that_is_not_found_may_still_have_been_bought(look: Answer) -> None:
    assert train(httpx.Response(504), look)[0].charged == "unknown"


def test_a_second_attempt_uses_what_the_first_one_made() -> None:
    wire = Wire(httpx.Response(200, json=[TUNE]))
    again = Order(**{**order("astria", TRAIN).__dict__, "attempt": 2})
    assert provider(wire).start(again) == Pending("788416", 60.0)
    assert [method for method, _ in wire.calls] == ["GET"]


@pytest.mark.parametrize(
    ("body", "answer", "outcome"),
    [
        *((TRAIN, answer, Pending("788416", 60.0)) for answer in (TUNE, {"tune": TUNE})),
        (TRAIN, TRAINED, Finished([], token="ohwx")),
        (TRAIN, {"tune": TRAINED}, Finished([], token="ohwx")),
        # "The fine-tune's `trained_at` is set upon creation"; such a tune is named by its id
        (REFERENCE, TRAINED, Finished([])),
    ],
)
def test_a_training_is_over_when_it_is_trained(body: dict[str, Any], answer: Any, outcome: Any) -> None:
    wire = Wire(httpx.Response(200, json=answer))
    assert provider(wire).poll(order("astria", body), "788416") == outcome
    assert wire.calls == [("GET", "/tunes/788416")]


# references


def register(wire: Wire, model: str = "gemini", title: str = "dress 0123456789abcdef", **kind: Any) -> Any:
    picture = Input("image/jpeg", 600, 800, lambda: b"GARMENT", lambda: "https://media.example/garment?signed")
    return provider(wire).register(
        Reference(picture, ReferenceKind(**{"class_name": "dress", **kind}), title=title, model=model)
    )


def test_a_reference_that_is_there_is_not_made_again() -> None:
    listed = [{"id": 5, "title": "dress 0123456789abcdef and more"}, {"id": 4, "title": "dress 0123456789abcdef"}]
    wire = Wire(httpx.Response(200, json=listed))
    assert register(wire) == "4"
    assert wire.calls == [("GET", "/tunes?title=dress+0123456789abcdef&limit=120")]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (httpx.Response(401), ("provider_auth", "no", False)),
        (httpx.Response(429), ("rate_limited", "no", True)),
        *(
            (answer, ("provider_unavailable", "no", True))
            for answer in (
                httpx.Response(504),
                httpx.ReadTimeout("slow"),
                # a broken list must not read as "there is none": making one may cost
                httpx.Response(200, text="<html>"),
                httpx.Response(200, json={"error": "?"}),
                httpx.Response(200, json=[{"title": "no id"}]),
            )
        ),
    ],
    ids=str,
)
def test_without_a_look_no_reference_is_made(answer: Answer, expected: tuple[str, str, bool]) -> None:
    wire = Wire(answer)
    assert facts(register(wire)) == expected
    assert [method for method, _ in wire.calls] == ["GET"]


def test_a_reference_of_unknown_fate_may_have_cost() -> None:
    """What a `faceid` costs is not documented."""
    wire = Wire(httpx.Response(200, json=[]), httpx.ReadTimeout("slow"), httpx.Response(200, json=[]))
    assert facts(register(wire)) == ("provider_unavailable", "unknown", False)


def test_a_picture_of_a_person_is_no_reference_for_the_older_flow() -> None:
    wire = Wire(CREATED)
    assert facts(register(wire, "sd15", class_name="woman", shared=False)) == ("provider_error", "no", False)
    assert wire.sent == []


# deletion


@pytest.mark.parametrize(
    ("answer", "gone"),
    [
        (httpx.Response(200, json={"message": "Prompt successfully deleted"}), True),
        (httpx.Response(200), True),
        (httpx.Response(404), True),
        (httpx.Response(429), False),
        (httpx.Response(500), False),
        (httpx.Response(401), False),
        (httpx.ReadTimeout("slow"), False),
    ],
    ids=str,
)
def test_what_was_made_is_deleted_when_asked(answer: Answer, gone: bool) -> None:
    wire = Wire(answer)
    assert provider(wire).erase_job("3618064/1") is gone
    assert provider(wire).erase_reference("788416") is gone
    assert wire.calls == [("DELETE", "/prompts/1"), ("DELETE", "/tunes/788416")]


def test_pictures_go_as_bytes_and_never_as_addresses() -> None:
    for case in [*GOLDEN.values(), *REFERENCES.values()]:
        assert "_url" not in json.dumps(case["form"])
