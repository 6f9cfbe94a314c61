"""The Astria adapter's real requests are taken by the simulator; broken in any one place, they are refused."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from PIL import Image

from fitting_room.jobs.job import Subject
from fitting_room.jobs.outcome import Failed, Finished, Pending, Reading, Unread
from fitting_room.providers import catalogue
from fitting_room.providers.adapter import Order, Reference
from fitting_room.providers.astria import adapter
from fitting_room.providers.astria.form import Form
from fitting_room.providers.astria.options import AstriaSettings
from fitting_room.providers.astria.prompts import prompt_of
from fitting_room.providers.astria.tunes import reference_of, training_of
from local.simulators.astria.app import Astria
from local.simulators.kit.previews import Previews
from tests.contract.conftest import Running, StandInEngine, _serving, assert_the_simulator_is_named, fetched
from tests.contract.orders import IMAGE, connection, order
from tests.contract.vendor import vendor

KEY = "sd_sim-key"
PARTNERS = ("gemini", "seedream", "gpt-image-2")
PERSON_ID, GARMENT_ID = "sub_01J00000000000000000000001", "sub_01J00000000000000000000002"
SIZE = (384, 512)


def _file(image: Image.Image) -> bytes:
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


BODY = _file(Image.linear_gradient("L").resize(SIZE).convert("RGB"))
GARMENT = _file(Image.new("RGB", (400, 400), "teal"))
PICTURES = {"person": BODY, "picture": BODY, "garment": GARMENT, "mask": _file(Image.new("L", SIZE, 0))}

TEE, SHOES = {"image": IMAGE, "category": "tops", "photo": "model"}, {"image": IMAGE, "category": "footwear"}
TRAINING = {"task": "train_subject", "kind": "person", "class_name": "woman", "pictures": [IMAGE] * 2}
SUIT = {
    "task": "try_on",
    "person": IMAGE,
    "garments": [TEE, SHOES],
    "prompt": "in a park",
    "output": {"count": 2, "quality": "fast"},
    "provider_options": {"astria": {"person_class": "woman"}},
}
EVERY_OPTION = {
    "controlnet": "depth",
    "denoising_strength": 0.5,
    "controlnet_conditioning_scale": 0.3,
    "controlnet_txt2img": True,
    "super_resolution": True,
    "inpaint_faces": True,
    "hires_fix": True,
    "face_correct": True,
    "face_swap": True,
    "film_grain": True,
    "color_grading": "Ektar",
    "backend_version": 1,
    "prompt_expansion": True,
    "use_lpw": False,
    "scheduler": "euler",
    "steps": 20,
    "cfg_scale": 3,
}
OLDER: dict[str, Any] = {
    "task": "try_on",
    "provider": "astria/sd15",
    "person": {"subject": PERSON_ID},
    "garments": [TEE],
    "negative_prompt": "bag",
    "output": {"count": 2},
    "provider_options": {"astria": {**EVERY_OPTION, "ar": "portrait"}},
}
SIZED = OLDER | {"provider_options": {"astria": {**EVERY_OPTION, "w": 512, "h": 640}}}


class Account:
    """The adapter on its simulator, and what the core does around it."""

    def __init__(self, simulator: Running) -> None:
        self.simulator = simulator
        self.vendor = adapter.connect(connection(simulator.url, KEY))

    def ordered(self, body: dict[str, Any], subjects: list[Subject] | None = None, **pictures: bytes) -> Order:
        """With its references registered."""
        wanted = order(
            "astria",
            body,
            pictures={**PICTURES, **pictures},
            size=SIZE,
            subjects=subjects or [],
            seed=None if body["task"] == "train_subject" else 7,
        )
        made = {
            role: self.vendor.register(Reference(wanted.inputs[role], kind, f"{kind.class_name} {role}", wanted.model))
            for role, kind in catalogue.entry("astria").references(wanted.request).items()
        }
        assert all(isinstance(each, str) for each in made.values()), made
        return replace(wanted, references={role: str(each) for role, each in made.items()})

    def finished(self, wanted: Order) -> tuple[Any, str]:
        """What it came to, and the vendor's id of it."""
        sent = self.vendor.start(wanted)
        assert isinstance(sent, Pending), sent
        outcome: Reading = sent
        made_id, deadline = sent.provider_job_id, time.monotonic() + 20
        while isinstance(outcome, Pending | Unread):
            assert time.monotonic() < deadline, "the simulator never finished"
            outcome = self.vendor.poll(wanted, made_id)
        return outcome, made_id

    def subject(self, kind: str, model: str, class_name: str, number: str, **own: Any) -> Subject:
        wanted = order(
            "astria",
            TRAINING
            | {
                "kind": kind,
                "class_name": class_name,
                "provider": f"astria/{model}",
                "provider_options": {"astria": own},
            },
            pictures=PICTURES,
        )
        outcome, made_id = self.finished(replace(wanted, job_id=f"job_{number}"))
        assert isinstance(outcome, Finished), outcome
        return Subject(
            id=number,
            kind=kind,
            class_name=class_name,
            made_for=f"astria/{model}",
            made_id=made_id,
            token=outcome.token,
        )

    def woman(self, model: str = "sd15", **own: Any) -> Subject:
        return self.subject("person", model, "woman", PERSON_ID, **own)

    def sold(self, kind: str) -> list[dict[str, Any]]:
        return [purchase for purchase in self.simulator.purchases() if purchase["kind"] == kind]


@pytest.fixture
def account(engine: StandInEngine) -> Iterator[Account]:
    previews = Previews(engine)
    for simulator in _serving(Astria(previews), previews):
        yield Account(simulator)


def pictures(outcome: Any) -> int:
    """How many different ones there are."""
    assert (outcome.warnings, outcome.kept_for) == ([], "30 days")
    return len(set(fetched(outcome)))


# the flows


@pytest.mark.parametrize("model", PARTNERS)
def test_a_person_picture_in_two_garments(account: Account, model: str) -> None:
    output = {"count": 2} if model == "seedream" else SUIT["output"]
    outcome, _ = account.finished(account.ordered(SUIT | {"provider": f"astria/{model}", "output": output}))
    assert pictures(outcome) == 2
    width, height = Image.open(io.BytesIO(fetched(outcome)[0])).size
    assert width / height == pytest.approx(3 / 4, abs=0.02), "the person picture's shape"
    assert ([each["images"] for each in account.sold("prompt")], len(account.sold("reference"))) == ([2], 3)


@pytest.mark.parametrize("model", PARTNERS)
def test_a_person_and_a_garment_made_before(account: Account, model: str) -> None:
    subjects = [account.woman(model), account.subject("garment", model, "dress", GARMENT_ID)]
    assert [subject.token for subject in subjects] == [None, None]
    body = {
        "task": "try_on",
        "person": {"subject": PERSON_ID},
        "garments": [{"subject": GARMENT_ID}, SHOES],
        "provider": f"astria/{model}",
    }
    outcome, _ = account.finished(account.ordered(body, subjects))
    assert (pictures(outcome), len(account.sold("reference"))) == (1, 3)


@pytest.mark.parametrize(
    "body",
    [
        OLDER,
        SIZED,
        OLDER | {"garments": [TEE | {"photo": "flat_lay"}], "provider_options": {}},
        OLDER | {"mask": {"type": "image", "image": IMAGE}},
    ],
)
def test_a_trained_person_in_the_older_flow(account: Account, body: dict[str, Any]) -> None:
    woman = account.woman(face_crop=True, training_face_correct=False)
    assert woman.token == "ohwx"
    outcome, made_id = account.finished(account.ordered(body, [woman]))
    assert pictures(outcome) == 2
    assert made_id.startswith(f"{woman.made_id}/")
    assert [len(account.sold(kind)) for kind in ("fine-tune", "reference", "prompt")] == [1, 1, 1]


def test_a_garment_made_before_in_the_older_flow(account: Account) -> None:
    subjects = [account.woman(), account.subject("garment", "sd15", "swimming suit", GARMENT_ID)]
    body = {
        "task": "try_on",
        "provider": "astria/sd15",
        "person": {"subject": PERSON_ID},
        "garments": [{"subject": GARMENT_ID}],
    }
    assert pictures(account.finished(account.ordered(body, subjects))[0]) == 1


def test_a_garment_made_before_on_the_pose_of_another_image(account: Account) -> None:
    """As the example of the vendor's page: the faceid of the garment, `controlnet` and an input image, here with a mask."""
    subjects = [account.woman(), account.subject("garment", "sd15", "swimming suit", GARMENT_ID)]
    body = OLDER | {
        "garments": [{"subject": GARMENT_ID}],
        "input_image": IMAGE,
        "mask": {"type": "image", "image": IMAGE},
    }
    assert pictures(account.finished(account.ordered(body, subjects, input=BODY))[0]) == 2
    [sent] = [request for request in account.simulator.requests() if "/prompts" in request["path"] and request["body"]]
    assert {"controlnet", "input_image", "mask_image", "denoising_strength"} <= set(sent["body"]["prompt"])


def test_the_mock_is_free(account: Account) -> None:
    outcome, _ = account.finished(account.ordered(OLDER, [account.woman(branch="fast")]))
    assert pictures(outcome) == 2
    assert {(each["kind"], each["charged"]) for each in account.sold("fine-tune") + account.sold("prompt")} == {
        ("fine-tune", False),
        ("prompt", False),
    }


def test_a_person_nobody_finds(account: Account) -> None:
    outcome, _ = account.finished(account.ordered(SUIT, person=_file(Image.new("RGB", SIZE))))
    assert (outcome.fault.code, outcome.charged) == ("provider_error", "unknown")


def test_a_simulator_that_breaks_is_not_taken_for_astria(account: Account, broken_engine: StandInEngine) -> None:
    outcome, _ = account.finished(account.ordered(SUIT))
    assert_the_simulator_is_named(outcome)


def test_the_vendor_calls_the_address_that_it_was_given(account: Account) -> None:
    path = "/v1/callbacks/astria/a-token_1?x=1&y=%2F"
    with vendor() as shop:
        for body in (SUIT, TRAINING | {"provider": "astria/sd15"}):
            account.finished(replace(account.ordered(body), callback=shop.url + path))
        deadline = time.monotonic() + 20
        while len(shop.requests) < 2:
            assert time.monotonic() < deadline, "the callbacks do not come"
            time.sleep(0.01)
        assert {(call.method, call.path) for call in shop.requests} == {("POST", path)}


# nothing is made twice


def test_a_reference_is_made_once(account: Account) -> None:
    first = account.ordered(SUIT).references
    assert account.ordered(SUIT).references == first
    assert len(account.sold("reference")) == 3


def test_what_was_made_although_the_answer_was_lost_is_found(account: Account) -> None:
    for kind in ("drop_after", "malformed"):
        account.simulator.fault(on="tune_submit", kind=kind)
    woman = account.woman()
    account.simulator.fault(on="tune_submit", kind="status_after", status=504)
    assert pictures(account.finished(account.ordered(OLDER, [woman]))[0]) == 2
    assert [len(account.sold(kind)) for kind in ("fine-tune", "reference")] == [1, 1]


def test_what_is_deleted_is_gone_and_may_be_deleted_again(account: Account) -> None:
    woman = account.woman()
    wanted = account.ordered(OLDER, [woman])
    _, made_id = account.finished(wanted)
    for _ in range(2):
        assert account.vendor.erase_job(made_id)
    assert account.vendor.poll(wanted, made_id) == Unread("HTTP 404", 404)
    for _ in range(2):
        assert account.vendor.erase_reference(woman.made_id)
    outcome = account.vendor.start(wanted)
    assert isinstance(outcome, Failed)
    assert (outcome.charged, outcome.fault.provider_code) == ("no", "HTTP 404")
    assert "create the subject again" in outcome.fault.remedy


# each field


# "(optional)" in the pages "Create a prompt" and "Create a tune"
REQUIRED = {"prompt[text]", "tune[title]", "tune[name]", "tune[images][]"}
WRONG: dict[str, tuple[str, ...]] = {
    "num_images": ("0", "9", "1.5", "no such value"),
    "seed": ("-1", str(2**32 + 1), "no such value"),
    "steps": ("-1", "51", "1.5"),
    "cfg_scale": ("-0.1", "15.1", "x"),
    "aspect_ratio": ("portrait", "2:5"),
    "resolution": ("8K", "1k"),
    "ar": ("3:4", "9:16"),
    "w": ("500", "-8", "x"),
    "h": ("500", "-8", "x"),
    "scheduler": ("ddim",),
    "backend_version": ("2", "x"),
    "color_grading": ("Velvia",),
    "controlnet": ("openpose",),
    "branch": ("sd14",),
    "model_type": ("garment",),
    "base_tune_id": ("17", "x"),
    "callback": ("no such value",),
    **dict.fromkeys(("denoising_strength", "controlnet_conditioning_scale"), ("-0.1", "1.1", "x")),
    **dict.fromkeys(("images][", "input_image"), ("no file",)),
    **dict.fromkeys(
        (
            "super_resolution",
            "inpaint_faces",
            "hires_fix",
            "face_correct",
            "face_swap",
            "film_grain",
            "prompt_expansion",
            "use_lpw",
            "controlnet_txt2img",
            "face_crop",
            "training_face_correct",
        ),
        ("no such value", "2"),
    ),
}
FREE = {"text", "negative_prompt", "title", "name", "token"}
"""Any text will do; of `text`, what it names is broken instead."""


def requests(account: Account) -> dict[str, tuple[str, Form]]:
    """Path and form of every kind of request, each with every field it can have."""
    settings, callback = account.vendor.settings, f"{account.simulator.url}/nowhere"
    woman = account.woman()
    forms: dict[str, tuple[str, Form]] = {}
    for name, body in (("partner", SUIT), ("older", OLDER), ("older, sized", SIZED)):
        on, form = prompt_of(
            replace(account.ordered(body, [woman] if body is not SUIT else []), callback=callback), settings
        )
        forms[name] = (f"tunes/{on}/prompts", form)
    trainings: dict[str, dict[str, Any]] = {
        "training": TRAINING
        | {
            "provider": "astria/sd15",
            "provider_options": {"astria": {"face_crop": True, "training_face_correct": True}},
        },
        "reference": TRAINING | {"kind": "garment"},
        "older reference": TRAINING | {"kind": "garment", "provider": "astria/sd15"},
    }
    for name, body in trainings.items():
        forms[name] = ("tunes", training_of(replace(account.ordered(body), callback=callback), settings))
    wanted = account.ordered(SUIT)
    kind = catalogue.entry("astria").references(wanted.request)["person"]
    forms["person"] = (
        "tunes",
        reference_of(Reference(wanted.inputs["person"], kind, "a title", wanted.model), settings),
    )
    return forms


def changes(form: Form) -> Iterator[tuple[str, Form]]:
    wrapper = form[0][0].partition("[")[0]
    yield "a stranger", [*form, (f"{wrapper}[no_such_field]", (None, "x"))]
    yield "nothing", []
    yield "not wrapped", [(name.removeprefix(wrapper)[1:].replace("]", "", 1), value) for name, value in form]
    for name in dict(form):
        field = name.removeprefix(f"{wrapper}[")[:-1]
        if name in REQUIRED:
            yield f"no {name}", [each for each in form if each[0] != name]
        if field == "text":
            yield from texts(name, form)
        assert field in WRONG or field in FREE, f"{field} is not broken here"
        for wrong in WRONG.get(field, []):
            yield f"{name} = {wrong}", [*(each for each in form if each[0] != name), (name, (None, wrong))]
        if field in ("images][", "input_image"):
            yield (
                f"{name} is no picture",
                [*(each for each in form if each[0] != name), (name, ("x.png", b"x", "image/png"))],
            )


def texts(name: str, form: Form) -> Iterator[tuple[str, Form]]:
    text = str(dict(form)[name][1])
    token = text[text.index("<") : text.index(">") + 1]
    for wrong in (
        text.replace(token, token[:-1]),
        text.replace(token, token.replace(":1>", ">")),
        text.replace(token, "<faceid:17:1>"),
        text.replace("woman", "lady"),
        "woman",
        text.replace("faceid", "lora"),
    ):
        yield f"{name} = {wrong}", [*(each for each in form if each[0] != name), (name, (None, wrong))]


def contradictions(name: str, form: Form) -> Iterator[tuple[str, Form]]:
    """What is right by itself, but not together, or not in this flow."""
    if name == "partner":
        for field in ("negative_prompt", "steps", "ar", "scheduler", "super_resolution", "w", "use_lpw"):
            value = {
                "negative_prompt": "x",
                "ar": "1:1",
                "scheduler": "lcm",
                "super_resolution": "true",
                "use_lpw": "true",
            }
            yield f"a {field}", [*form, (f"prompt[{field}]", (None, value.get(field, "8")))]
    elif name.startswith("older") and name != "older reference":
        yield "no super_resolution", [each for each in form if each[0] != "prompt[super_resolution]"]
        yield "no input_image", [each for each in form if each[0] != "prompt[input_image]"]
        yield "a resolution", [*form, ("prompt[resolution]", (None, "1K"))]


def test_each_request_is_taken_without_each_optional_field(account: Account) -> None:
    paired = {"prompt[super_resolution]", "prompt[input_image]"}  # others of the form need it
    for name, (path, form) in requests(account).items():
        assert account.vendor.http.post(path, files=form).status_code == 201, name
        for field in {each[0] for each in form} - REQUIRED - paired:
            answer = account.vendor.http.post(path, files=[each for each in form if each[0] != field])
            assert answer.status_code == 201, (name, field, answer.text)


def test_each_request_broken_in_one_place_is_refused(account: Account) -> None:
    taken, tried, wanted = [], 0, requests(account)
    before = len(account.simulator.purchases())
    for name, (path, form) in wanted.items():
        for what, broken in (*changes(form), *contradictions(name, form)):
            tried += 1
            answer = account.vendor.http.post(path, files=broken or [("x", (None, "x"))])
            if answer.status_code not in (400, 422):
                taken.append((name, what, answer.status_code))
    assert taken == []
    assert tried > 190
    assert len(account.simulator.purchases()) == before


# trouble


@pytest.mark.parametrize(
    ("fault", "expected", "sold"),
    [
        ({"kind": "drop_before"}, ("provider_unavailable", "unknown"), 0),
        ({"kind": "drop_after"}, ("provider_unavailable", "unknown"), 1),
        ({"kind": "malformed"}, ("provider_error", "unknown"), 1),
        ({"kind": "wrong_type"}, ("provider_error", "unknown"), 1),
        ({"kind": "error", "name": "server_error"}, ("provider_error", "no"), 0),
        ({"kind": "error", "name": "gateway_timeout"}, ("provider_error", "unknown"), 0),
        ({"kind": "status_after", "status": 504}, ("provider_error", "unknown"), 1),
        ({"kind": "error", "name": "unauthorized"}, ("provider_auth", "no"), 0),
        ({"kind": "error", "name": "plan_limit"}, ("quota_exhausted", "no"), 0),
        ({"kind": "error", "name": "rate_limited"}, ("rate_limited", "no"), 0),
        ({"kind": "error", "name": "validation"}, ("provider_error", "no"), 0),
        ({"kind": "error", "name": "bad_request"}, ("provider_error", "no"), 0),
    ],
)
def test_trouble_on_submit(account: Account, fault: dict[str, Any], expected: tuple[str, str], sold: int) -> None:
    wanted = account.ordered(SUIT)
    account.simulator.fault(on="submit", **fault)
    outcome = account.vendor.start(wanted)
    assert isinstance(outcome, Failed), outcome
    assert (outcome.fault.code, outcome.charged) == expected
    assert len(account.sold("prompt")) == sold


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "drop_before"},
        {"kind": "malformed"},
        {"kind": "wrong_type"},
        {"kind": "status", "status": 503},
        {"kind": "status", "status": 429},
    ],
)
def test_trouble_while_polling_passes(account: Account, fault: dict[str, Any]) -> None:
    for on in ("status", "tune_status"):
        account.simulator.fault(on=on, **fault, times=3)
    assert pictures(account.finished(account.ordered(OLDER, [account.woman()]))[0]) == 2


def test_the_content_filter(account: Account) -> None:
    wanted = account.ordered(SUIT)
    account.simulator.fault(on="status", kind="error", name="user_error", message="NSFW content was detected")
    outcome, _ = account.finished(wanted)
    assert (outcome.fault.code, outcome.charged) == ("content_blocked", "unknown")


def test_the_vendor_trains_what_was_ordered(account: Account) -> None:
    woman = account.woman()
    tune = account.vendor.http.get(f"tunes/{woman.made_id}").json()
    assert (tune["branch"], tune["name"], tune["token"], len(tune["orig_images"])) == ("sd15", "woman", "ohwx", 2)


# models


def test_the_partner_models_that_the_vendor_lists_by_another_tune_are_told(account: Account) -> None:
    simulator, vendor = account.simulator, account.vendor
    assert vendor.moved() == {}
    simulator.call("PUT", "/_sim/models", json={"seedream": "777"})
    assert vendor.moved() == {"seedream": "777"}
    known = adapter.connect(connection(simulator.url, KEY, AstriaSettings(tunes={"seedream": 777})))
    assert known.moved() == {}
