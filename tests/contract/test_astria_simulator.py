"""The Astria simulator against each documented rule: both body forms, training, the flows, callbacks, idempotency, faults.

Quoted lines are of docs.astria.ai: "Create a tune", "Create a prompt", "Overview", "FaceID", "Virtual Try-on".
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import httpx
import pytest
from PIL import Image, ImageChops

from local.simulators.astria.app import Astria
from local.simulators.kit.previews import Previews
from local.simulators.kit.server import running
from tests.contract.conftest import SAMPLES, Running, StandInEngine
from tests.contract.vendor import Answer, Vendor, vendor

KEY = {"authorization": "Bearer sd_sim_key"}
GEMINI, SEEDREAM, FLUX, SD15 = 3618064, 3691308, 1504944, 690204
REMOVED = object()


def png(image: Image.Image) -> bytes:
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


PERSON = png(Image.linear_gradient("L").resize((384, 512)).convert("RGB"))
GARMENT = png(Image.new("RGB", (400, 400), "teal"))
NOBODY = png(Image.new("RGB", (384, 512)))

SEED_TEXT = "<faceid:{garment}:1> ohwx woman wearing a swimming suit, high resolution fashion photoshoot, UHD"
SEED_DUMP = """num_images=4
negative_prompt=old, wrinkles, mole, blemish, scar, sad, severe, 3d, cg
seed=
steps=30
cfg_scale=
controlnet=pose
mask_image_url=
denoising_strength=0.9
controlnet_conditioning_scale=0.4
controlnet_txt2img=false
super_resolution=true
inpaint_faces=true
face_correct=false
film_grain=false
face_swap=true
hires_fix=true
backend_version=1
ar=1:1
scheduler=dpm++sde_karras
color_grading=
use_lpw=true
w=
h="""
"""Of "Virtual Try-on", as it stands there, but for the input image's address and `prompt_expansion=undefined`."""


class Client:
    """Plain calls of the documented HTTP API; `tune` and `prompt` are accepted or fail the test."""

    def __init__(self, simulator: Running) -> None:
        self.simulator = simulator

    def call(self, method: str, path: str, **options: Any) -> httpx.Response:
        return self.simulator.call(method, path, headers=KEY, **options)

    def tune(self, picture: bytes = PERSON, **fields: Any) -> dict[str, Any]:
        """As a multipart form."""
        form = {f"tune[{key}]": str(value) for key, value in ({"title": "a title", "name": "woman"} | fields).items()}
        answer = self.call("POST", "/tunes", data=form, files=[("tune[images][]", ("a.png", picture))])
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    def reference(self, picture: bytes, name: str, base: int = GEMINI) -> int:
        return int(self.tune(picture, name=name, model_type="faceid", base_tune_id=base)["id"])

    def asked(self, tune: int, **fields: Any) -> httpx.Response:
        """A prompt as JSON."""
        return self.call("POST", f"/tunes/{tune}/prompts", json={"prompt": fields})

    def prompt(self, tune: int, **fields: Any) -> dict[str, Any]:
        answer = self.asked(tune, **fields)
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    def outfit(self, *, person: bytes = PERSON, **fields: Any) -> dict[str, Any]:
        woman, shirt = self.reference(person, "woman"), self.reference(GARMENT, "shirt")
        return self.prompt(GEMINI, text=f"<faceid:{woman}:1> woman wearing <faceid:{shirt}:1> shirt", **fields)

    def over(self, prompt: dict[str, Any]) -> dict[str, Any]:
        return until(
            lambda: self.call("GET", f"/prompts/{prompt['id']}").json(), lambda p: p["images"] or p["user_error"]
        )


def until(look: Callable[[], Any], done: Callable[[Any], Any]) -> Any:
    deadline = time.monotonic() + 60
    while not done(seen := look()):
        assert time.monotonic() < deadline, f"still {seen}"
        time.sleep(0.005)
    return seen


def picture(url: str) -> Image.Image:
    return Image.open(io.BytesIO(httpx.get(url).raise_for_status().content))


@contextmanager
def served(previews: Previews, **settings: Any) -> Iterator[Client]:
    simulator = Astria(previews, **settings)
    with running(simulator.app()) as url:
        serving = Running(simulator, url)
        yield Client(serving)
        serving.close()


@pytest.fixture
def previews(engine: StandInEngine) -> Iterator[Previews]:
    drawing = Previews(engine)
    yield drawing
    drawing.close()


@pytest.fixture
def astria(previews: Previews) -> Iterator[Client]:
    with served(previews) as client:
        yield client


@pytest.fixture
def shop() -> Iterator[Vendor]:
    """The server that receives the webhooks."""
    with vendor() as called:
        yield called


# tunes


def test_a_reference_is_ready_at_once_and_shows_its_picture(astria: Client) -> None:
    # "The fine-tune's `trained_at` is set upon creation and there is no training time."
    tune = astria.tune(GARMENT, name="shirt", title="flat lay 1", model_type="faceid", base_tune_id=GEMINI)

    assert tune["trained_at"]
    assert (tune["title"], tune["name"], tune["base_tune_id"]) == ("flat lay 1", "shirt", GEMINI)
    assert (tune["model_type"], tune["ckpt_urls"]) == ("faceid", [])
    assert picture(tune["orig_images"][0]).getpixel((0, 0)) == (0, 128, 128)
    assert [(each["kind"], each["charged"]) for each in astria.simulator.purchases()] == [("reference", None)]


def test_a_fine_tune_is_trained_on_a_later_look(astria: Client) -> None:
    tune = astria.tune(name="woman", token="ohwx")
    later = until(lambda: astria.call("GET", f"/tunes/{tune['id']}.json").json(), lambda tune: tune["trained_at"])

    # "or to `sd15` if `base_tune` is not specified"
    assert (tune["trained_at"], later["branch"], later["token"]) == (None, "sd15", "ohwx")
    assert [(each["kind"], each["charged"]) for each in astria.simulator.purchases()] == [("fine-tune", True)]


@pytest.mark.parametrize(("fields", "branch", "token"), [
    # "Default `ohwx` for SDXL and `sks` for SD15", "Will default to the `base_tune` branch if not specified"
    ({}, "sd15", "sks"),
    ({"base_tune_id": FLUX, "model_type": "lora"}, "flux1", "ohwx"),
    ({"branch": "sdxl1"}, "sdxl1", "ohwx"),
])  # fmt: skip
def test_branch_and_token_default_as_documented(
    astria: Client, fields: dict[str, Any], branch: str, token: str
) -> None:
    tune = astria.tune(**fields)

    assert (tune["branch"], tune["token"]) == (branch, token)


def test_a_prompt_made_while_its_tune_trains_is_drawn_afterwards(previews: Previews) -> None:
    with served(previews, training=0.3) as astria:
        woman = astria.tune(name="woman", token="ohwx")
        shirt = astria.reference(GARMENT, "clothing", SD15)
        prompt = astria.over(astria.prompt(woman["id"], text=f"<faceid:{shirt}:1> ohwx woman"))
        trained = astria.call("GET", f"/tunes/{woman['id']}").json()["trained_at"]

    assert (moment(trained) - moment(woman["created_at"])).total_seconds() >= 0.3
    assert moment(prompt["started_training_at"]) >= moment(trained)


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def test_a_tune_comes_as_json_with_addresses_of_pictures(astria: Client) -> None:
    first = astria.tune()
    body = {
        "title": "t",
        "name": "woman",
        "model_type": None,
        "image_urls": first["orig_images"],
        "characteristics": {"a": 1},
    }

    answer = astria.call("POST", "/tunes", json={"tune": body})

    assert answer.status_code == 201
    assert picture(answer.json()["orig_images"][0]).size == (384, 512)


def test_a_form_without_files_and_json_text_in_it_are_read(astria: Client) -> None:
    (url,) = astria.tune()["orig_images"]
    form = {"tune[title]": "t", "tune[name]": "woman", "tune[image_urls][]": url, "tune[characteristics]": '{"a": "b"}'}

    assert astria.call("POST", "/tunes", data=form | {"tune[callback]": ""}).status_code == 201
    assert astria.simulator.requests()[-1]["body"]["tune"]["image_urls"] == [url]


TUNE: Any = {"title": "t", "name": "woman", "image_urls": ["http://127.0.0.1:9/gone.png"]}


@pytest.mark.parametrize(("fields", "field", "says"), [
    # "`name` (required)", "`title` (required)", "`images` (required)"
    ({"name": REMOVED}, "name", "blank"),
    ({"title": REMOVED}, "title", "blank"),
    ({"image_urls": REMOVED}, "images", "blank"),
    ({"image_urls": []}, "image_urls", "at least 1"),
    ({"image_urls": ["shirt.png"]}, "image_urls.0", "URL"),
    ({"images": ["aGVsbG8="]}, "images.0", "multipart"),
    # "Enum: `flux1`,`sd15`, `sdxl1`, `fast`", "Enum: `lora`, `pti`, `faceid`, `null`", and of presets
    ({"branch": "sd14"}, "branch", "flux1"),
    ({"model_type": "dreambooth"}, "model_type", "lora"),
    ({"preset": "flux"}, "preset", "flux-lora-focus"),
    ({"base_tune_id": 17}, "base_tune", "exist"),
    ({"base_tune_id": "1504944"}, "base_tune_id", "integer"),
    ({"callback": "shop/done"}, "callback", "URL"),
    ({"face_crop": "yes"}, "face_crop", "boolean"),
    ({"title": None}, "base", "null"),
    ({"gender": "woman"}, "gender", "unknown"),
    # ours: what is not simulated is refused, not ignored
    ({"prompts_attributes": [{"text": "x"}]}, "prompts_attributes", "one by one"),
    ({"callback": "http://198.51.100.7/done"}, "callback", "this machine"),
    ({"image_urls": ["http://198.51.100.7/a.png"]}, "image_urls", "not on this machine"),
    ({}, "image_urls", "could not be fetched"),
])  # fmt: skip
def test_a_tune_broken_in_one_place_is_a_validation_error_and_not_sold(
    astria: Client, fields: dict[str, Any], field: str, says: str
) -> None:
    body = {key: value for key, value in (TUNE | fields).items() if value is not REMOVED}

    answer = astria.call("POST", "/tunes", json={"tune": body})

    assert (answer.status_code, [*answer.json()]) == (422, [field])
    assert says in answer.json()[field][0]
    assert astria.simulator.purchases() == []


@pytest.mark.parametrize(("options", "status"), [
    ({"json": TUNE}, 422),
    ({"json": {"tune": TUNE, "user": 1}}, 422),
    ({"json": {"tune": [TUNE]}}, 422),
    ({"content": b"{", "headers": KEY | {"content-type": "application/json"}}, 400),
    ({"content": b"x", "headers": KEY | {"content-type": "text/plain"}}, 400),
    ({"content": b"x", "headers": KEY | {"content-type": "multipart/form-data; boundary=b"}}, 400),
    ({"data": {"tune[title": "t"}}, 400),
    ({"data": {"tune[title]": "t", "tune[title][]": "t"}}, 400),
    ({"data": {"tune[title]": "t", "tune[name]": "a"}, "files": [("tune[images][]", ("a.png", b"no picture"))]}, 422),
])  # fmt: skip
def test_a_body_that_is_no_tune_is_refused(astria: Client, options: dict[str, Any], status: int) -> None:
    assert astria.simulator.call("POST", "/tunes", **({"headers": KEY} | options)).status_code == status


def test_tunes_are_listed_newest_first_by_title_and_in_pages(astria: Client) -> None:
    a, b, c = (astria.tune(title=title)["id"] for title in ("one", "two", "one"))

    def listed(**query: Any) -> Any:
        return [tune["id"] for tune in astria.call("GET", "/tunes", params=query).json()]

    assert listed() == [c, b, a]
    assert listed(title="one") == [c, a]
    # "Returns tunes with `id` lower than the given value"
    assert listed(limit=1, before_id=c) == listed(limit=1, offset=1) == [b]
    # "API requests with offset above 200 return HTTP 400 with an error message pointing to `before_id`"
    deep = astria.call("GET", "/tunes", params={"offset": 201})
    assert (deep.status_code, "before_id" in deep.text) == (400, True)
    assert astria.call("GET", "/tunes", params={"name": "woman"}).status_code == 400


def test_a_deleted_tune_is_gone_with_its_pictures_and_prompts(astria: Client) -> None:
    shirt = astria.reference(GARMENT, "clothing", SD15)
    woman = astria.tune(token="ohwx")
    prompt = astria.over(astria.prompt(woman["id"], text=f"<faceid:{shirt}:1> ohwx woman"))

    assert astria.call("DELETE", f"/tunes/{woman['id']}").status_code == 200

    for path in (f"/tunes/{woman['id']}", f"/prompts/{prompt['id']}"):
        assert astria.call("GET", path).status_code == 404
    assert httpx.get(woman["orig_images"][0]).status_code == httpx.get(prompt["images"][0]).status_code == 404
    assert astria.call("DELETE", f"/tunes/{woman['id']}").status_code == 404
    assert astria.call("DELETE", f"/tunes/{GEMINI}").status_code == 404


# prompts


def test_a_partner_prompt_dresses_the_person_in_each_garment_in_turn(astria: Client, engine: StandInEngine) -> None:
    woman, shirt, pants = (
        astria.reference(each, name) for each, name in [(PERSON, "woman"), (GARMENT, "shirt"), (GARMENT, "pants")]
    )
    text = f"<faceid:{woman}:1> woman wearing <faceid:{shirt}:1> shirt and <faceid:{pants}:1.0> pants, white studio"
    engine.calls.clear()

    prompt = astria.prompt(GEMINI, text=text, num_images=1, aspect_ratio="9:16", resolution="1K", seed=9)
    over = astria.over(prompt)

    assert (prompt["images"], prompt["trained_at"], prompt["tune_id"]) == ([], None, GEMINI)
    assert [(call["region"], call["seed"]) for call in engine.calls] == [("upper", 9), ("lower", 9)]
    assert picture(over["images"][0]).size == (768, 1368)
    assert (over["user_error"], over["text"], over["callback"]) == (None, text, None)
    (purchase,) = [each for each in astria.simulator.purchases() if each["kind"] == "prompt"]
    assert (purchase["id"], purchase["images"], purchase["charged"]) == (prompt["id"], 1, True)


@pytest.mark.parametrize(("name", "region"), [
    ("coat", "upper"), ("skirt", "lower"), ("dress", "full"), ("swimming suit", "full"), ("shoes", "foot"),
    ("clothing", "auto"), ("garment", "auto"),
])  # fmt: skip
def test_the_class_name_says_where_a_garment_goes(
    astria: Client, engine: StandInEngine, name: str, region: str
) -> None:
    woman, garment = astria.reference(PERSON, "woman", SEEDREAM), astria.reference(GARMENT, name, SEEDREAM)

    astria.over(astria.prompt(SEEDREAM, text=f"<faceid:{woman}:1> woman in <faceid:{garment}:1> {name.title()}."))

    assert engine.calls[-1]["region"] == region


def test_the_prompt_of_the_virtual_try_on_page_dresses_the_trained_person(
    astria: Client, engine: StandInEngine
) -> None:
    woman = astria.tune(token="ohwx")
    garment = astria.reference(GARMENT, "clothing", SD15)
    fields = dict(line.split("=", 1) for line in SEED_DUMP.splitlines())
    form = {f"prompt[{key}]": value for key, value in fields.items()} | {
        "prompt[text]": SEED_TEXT.format(garment=garment)
    }

    answer = astria.call(
        "POST", f"/tunes/{woman['id']}/prompts", data=form, files={"prompt[input_image]": ("pose.png", GARMENT)}
    )
    over = astria.over(answer.json())

    assert answer.status_code == 201
    assert (over["scheduler"], over["steps"], over["hires_fix"], over["w"]) == ("dpm++sde_karras", 30, True, None)
    assert len({call["seed"] for call in engine.calls[-4:]}) == 4
    assert [picture(url).size for url in over["images"]] == [(1024, 1024)] * 4
    recorded = astria.simulator.requests()[-1]["body"]["prompt"]
    assert (recorded["input_image"]["format"], recorded["ar"]) == ("PNG", "1:1")


def test_the_prompt_of_the_flux_page_dresses_the_person_of_the_lora(astria: Client) -> None:
    lora = astria.tune(base_tune_id=FLUX, model_type="lora")["id"]
    garment = astria.tune(GARMENT, name="clothing", model_type="faceid", title="flat lay")
    text = f"<lora:{lora}:1.0>  <faceid:{garment['id']}:1> front view of ohwx woman wearing dress --control_guidance_end 0.5"

    over = astria.over(astria.prompt(
        FLUX, text=text, controlnet="pose", input_image_url=garment["orig_images"][0], controlnet_conditioning_scale=0.5,
        super_resolution=True, inpaint_faces=True, hires_fix=True, backend_version=0, scheduler="dpm++2m_karras",
        use_lpw=True, w=768, h=1280, num_images=1,
    ))  # fmt: skip

    assert picture(over["images"][0]).size == (2 * 768, 2 * 1280)


def test_a_mock_tune_answers_mock_images_and_is_never_charged(astria: Client, engine: StandInEngine) -> None:
    # "API call for creating `fast` tune is free, and subsequent prompt calls will return mock images without ... charges"
    engine.calls.clear()
    tune = astria.tune(branch="fast", token="ohwx")
    over = astria.over(astria.prompt(tune["id"], text="ohwx woman holding flowers", num_images=2))

    assert [picture(url).format for url in over["images"]] == ["JPEG", "JPEG"]
    assert [each["charged"] for each in astria.simulator.purchases()] == [False, False]
    assert engine.calls == []


def test_a_prompt_is_read_in_each_documented_way_and_can_be_deleted(astria: Client) -> None:
    prompt = astria.over(astria.outfit())
    paths = [f"/prompts/{prompt['id']}", f"/prompts/{prompt['id']}.json", f"/tunes/{GEMINI}/prompts/{prompt['id']}"]

    assert [astria.call("GET", path).json()["id"] for path in [*paths, prompt["url"]]] == [prompt["id"]] * 4
    assert astria.call("GET", f"/tunes/{FLUX}/prompts/{prompt['id']}").status_code == 404
    # {"message": "Prompt successfully deleted"}
    assert astria.call("DELETE", paths[0]).json() == {"message": "Prompt successfully deleted"}
    assert [astria.call("GET", path).status_code for path in paths] == [404] * 3
    assert httpx.get(prompt["images"][0]).status_code == 404


@pytest.mark.parametrize(("fields", "field", "says"), [
    ({"text": REMOVED}, "text", "blank"),
    # ranges and enums of "Create a prompt"
    ({"num_images": 0}, "num_images", "1"),
    ({"num_images": 9}, "num_images", "8"),
    ({"seed": -1}, "seed", "0"),
    ({"seed": 2**32 + 1}, "seed", "4294967296"),
    ({"cfg_scale": 15.1}, "cfg_scale", "15"),
    ({"steps": 51}, "steps", "50"),
    ({"steps": "30"}, "steps", "integer"),
    ({"aspect_ratio": "1:2"}, "aspect_ratio", "21:9"),
    ({"ar": "3:4"}, "ar", "portrait"),
    ({"resolution": "1K"}, "resolution", "not available"),
    ({"w": 500}, "w", "multiple of 8"),
    ({"h": 501}, "h", "multiple of 8"),
    ({"scheduler": "ddim"}, "scheduler", "euler"),
    ({"backend_version": 2}, "backend_version", "1"),
    ({"style": "Oil"}, "style", "Cinematic"),
    ({"color_grading": "Kodak"}, "color_grading", "Ektar"),
    ({"denoising_strength": 1.1}, "denoising_strength", "1"),
    ({"controlnet_conditioning_scale": -0.1}, "controlnet_conditioning_scale", "0"),
    ({"controlnet": "openpose"}, "controlnet", "pose"),
    ({"use_lpw": "true"}, "use_lpw", "boolean"),
    ({"mode": "fast"}, "mode", "unknown"),
    # "Requires super-resolution on", "Available only when super_resolution is true", "Requires input_image"
    ({"inpaint_faces": True}, "inpaint_faces", "super_resolution"),
    ({"hires_fix": True}, "hires_fix", "super_resolution"),
    ({"controlnet": "pose"}, "controlnet", "input_image"),
    ({"mask_image_url": "http://127.0.0.1:9/mask.png"}, "mask_image_url", "input_image"),
    ({"input_image_base64": "aGVsbG8="}, "input_image_base64", "data URL"),
    ({"input_image_base64": "data:image/png;base64,aGVsbG8="}, "input_image_base64", "not an image"),
    ({"input_image_url": "http://198.51.100.7/a.png"}, "input_image_url", "not on this machine"),
    ({"lora_scale": 0.5}, "lora_scale", "prompts_attributes"),
    ({"pack_id": 1}, "pack_id", "none"),
    ({"video_model": "veo31_fast_720p"}, "video_model", "videos"),
    ({"callback": "http://shop.invalid/done"}, "callback", "this machine"),
    # what the text names
    ({"text": "a woman in a shirt"}, "text", "ohwx woman"),
    ({"text": "<faceid:{garment}:1> ohwx man"}, "text", "ohwx woman"),
    ({"text": "<faceid:17:1> ohwx woman"}, "text", "no faceid 17"),
    ({"text": "<lora:{garment}:1> ohwx woman"}, "text", "no lora"),
    ({"text": "<faceid:{woman}:1> ohwx woman"}, "text", "no faceid"),
    ({"text": "<faceid:{garment}> ohwx woman"}, "text", "must be <faceid:ID:weight>"),
    ({"text": "<faceid:{garment}:1 ohwx woman"}, "text", "must be <faceid:ID:weight>"),
    ({"text": "<lora:{woman}:1> ohwx woman"}, "text", "checkpoint"),
    ({"text": "ohwx woman holding flowers"}, "text", "try-ons only"),
    ({"text": "<faceid:{hat}:1> ohwx woman"}, "text", "clothing and footwear"),
])  # fmt: skip
def test_a_prompt_broken_in_one_place_is_a_validation_error_and_not_sold(
    astria: Client, fields: dict[str, Any], field: str, says: str
) -> None:
    woman = astria.tune(token="ohwx")["id"]
    ids = {
        "woman": woman,
        "garment": astria.reference(GARMENT, "clothing", SD15),
        "hat": astria.reference(GARMENT, "hat"),
    }
    body: dict[str, Any] = {"text": "<faceid:{garment}:1> ohwx woman", "num_images": 1} | fields
    asked = {
        key: value.format(**ids) if key == "text" else value for key, value in body.items() if value is not REMOVED
    }

    answer = astria.asked(woman, **asked)

    assert (answer.status_code, [*answer.json()]) == (422, [field])
    assert says in answer.json()[field][0]
    assert [each for each in astria.simulator.purchases() if each["kind"] == "prompt"] == []


@pytest.mark.parametrize(("fields", "field", "says"), [
    # "The tune's class name must immediately follow the token."
    ({"text": "<faceid:{woman}:1> lady wearing <faceid:{shirt}:1> shirt"}, "text", "followed by its class name, woman"),
    ({"text": "<faceid:{woman}:1> woman wearing <faceid:{shirt}:1> red shirt"}, "text", "followed by its class name, shirt"),
    ({"text": "<faceid:{woman}:1> woman wearing <faceid:{shirt}:1>"}, "text", "followed by its class name, shirt"),
    ({"text": "<faceid:{woman}:0.8> woman wearing <faceid:{shirt}:1> shirt"}, "text", "must end in :1"),
    ({"text": "<faceid:{woman}:1> woman wearing <faceid:{other}:1> shirt"}, "text", f"base_tune_id {SEEDREAM}, not for"),
    ({"text": "<lora:{lora}:1> ohwx woman wearing <faceid:{shirt}:1> shirt"}, "text", "faceid references only"),
    *(({field: value}, field, "does not apply to gemini") for field, value in {
        "w": 768, "scheduler": "euler", "use_lpw": True, "super_resolution": True, "negative_prompt": "old", "steps": 30,
        "denoising_strength": 0.8, "ar": "1:1", "face_swap": False, "backend_version": 1, "cfg_scale": 3.0,
    }.items()),
])  # fmt: skip
def test_a_partner_prompt_broken_in_one_place_is_refused(
    astria: Client, fields: dict[str, Any], field: str, says: str
) -> None:
    ids = {
        "woman": astria.reference(PERSON, "woman"), "shirt": astria.reference(GARMENT, "shirt"),
        "other": astria.reference(GARMENT, "shirt", SEEDREAM), "lora": astria.tune(base_tune_id=FLUX, model_type="lora")["id"],
    }  # fmt: skip
    body = {"text": "<faceid:{woman}:1> woman wearing <faceid:{shirt}:1> shirt"} | fields

    answer = astria.asked(GEMINI, **body | {"text": body["text"].format(**ids)})

    assert (answer.status_code, [*answer.json()]) == (422, [field])
    assert says in answer.json()[field][0]


@pytest.mark.parametrize("model_type", ["faceid", "lora"])
def test_what_is_loaded_on_a_base_model_is_not_prompted_itself(astria: Client, model_type: str) -> None:
    tune = astria.tune(model_type=model_type, base_tune_id=FLUX)["id"]

    assert astria.asked(tune, text="ohwx woman").status_code == 422


# accounts


@pytest.mark.parametrize("headers", [{}, {"authorization": "Bearer sk_1"}, {"authorization": "sd_sim"}])
@pytest.mark.parametrize(("method", "path"), [
    ("POST", "/tunes"), ("GET", "/tunes"), ("GET", "/tunes/1"), ("DELETE", "/tunes/1"), ("POST", f"/tunes/{GEMINI}/prompts"),
    ("GET", "/tunes/1/prompts/1"), ("GET", "/prompts/1"), ("DELETE", "/prompts/1"),
])  # fmt: skip
def test_every_call_needs_a_key(astria: Client, method: str, path: str, headers: dict[str, str]) -> None:
    body: dict[str, Any] = {"json": {}} if method == "POST" else {}

    assert astria.simulator.call(method, path, headers=headers, **body).status_code == 401


def test_an_account_sees_its_own_and_the_gallerys_tunes_only(astria: Client) -> None:
    prompt, other = astria.outfit(), {"authorization": "Bearer sd_sim_other", "x-workspace-id": "7"}

    assert astria.simulator.call("GET", f"/prompts/{prompt['id']}", headers=other).status_code == 404
    assert astria.simulator.call("GET", f"/tunes/{astria.tune()['id']}", headers=other).status_code == 404
    assert astria.simulator.call("GET", "/tunes", headers=other).json() == []
    assert astria.simulator.call("GET", f"/tunes/{FLUX}", headers=other).json()["title"] == "Flux1.dev"
    again = astria.simulator.call(
        "POST", f"/tunes/{GEMINI}/prompts", headers=other, json={"prompt": {"text": prompt["text"]}}
    )
    assert (again.status_code, astria.simulator.requests()[-1]["workspace"]) == (422, "7")
    assert astria.asked(17, text="x").status_code == 404


def test_with_idempotency_the_same_title_and_the_same_prompt_are_the_same_object(previews: Previews) -> None:
    with served(previews, idempotent=True) as astria:
        woman, shirt = (
            astria.tune(p, title=n, name=n, model_type="faceid", base_tune_id=GEMINI)["id"]
            for p, n in [(PERSON, "woman"), (GARMENT, "shirt")]
        )
        text = f"<faceid:{woman}:1> woman in <faceid:{shirt}:1> shirt"
        first = astria.prompt(GEMINI, text=text, seed=1)

        assert astria.tune(NOBODY, title="woman")["id"] == woman
        # `aspect_ratio` is not among the "Prompt attributes considered for the idempotency"
        assert astria.prompt(GEMINI, text=text, seed=1, aspect_ratio="1:1")["id"] == first["id"]
        assert astria.prompt(GEMINI, text=text, seed=2)["id"] != first["id"]
        assert [each["kind"] for each in astria.simulator.purchases()] == ["reference"] * 2 + ["prompt"] * 2


def test_without_idempotency_nothing_is_the_same(astria: Client) -> None:
    assert astria.tune(title="one")["id"] != astria.tune(title="one")["id"]


# callbacks


def sent(astria: Client) -> Any:
    return astria.call("GET", "/_sim/callbacks").json()["callbacks"]


def test_a_callback_tells_the_finished_prompt_once(astria: Client, shop: Vendor) -> None:
    shop.answer = Answer(status=500)
    prompt = astria.outfit(callback=f"{shop.url}/done/secret?job=1")
    over = astria.over(prompt)
    (entry,) = until(lambda: sent(astria), lambda log: log and "answered" in log[0])

    # "Callbacks ... are `POST` requests containing the entity object", "Callbacks are currently not retried if they fail"
    (request,) = shop.requests
    assert (request.method, request.path) == ("POST", "/done/secret?job=1")
    assert request.body == {"prompt": over}
    assert (entry["url"], entry["answered"]) == (f"{shop.url}/done", 500)


def test_a_tune_calls_back_when_it_is_trained_and_mocks_do_too(astria: Client, shop: Vendor) -> None:
    # "Callbacks work in test mode with `branch=fast`."
    tune = astria.tune(branch="fast", callback=f"{shop.url}/a")
    (request,) = until(lambda: shop.requests, len)

    assert request.body["tune"]["id"] == tune["id"]
    assert request.body["tune"]["trained_at"]


def test_a_host_name_of_the_local_cloud_is_reached_by_its_header(astria: Client, shop: Vendor) -> None:
    host = f"abc.execute-api.127.0.0.1:{shop.url.rpartition(':')[2]}"
    astria.outfit(callback=f"http://{host}/v1/callbacks/astria/t")
    (request,) = until(lambda: shop.requests, len)

    assert (request.headers["host"], request.path) == (host, "/v1/callbacks/astria/t")


def test_a_callback_can_come_early(astria: Client, shop: Vendor) -> None:
    astria.simulator.fault(on="callback", kind="early", times=1)
    prompt = astria.outfit(callback=shop.url)

    (request,) = shop.requests
    assert (request.body["prompt"]["id"], request.body["prompt"]["images"]) == (prompt["id"], [])
    astria.over(prompt)
    astria.outfit(callback=f"{shop.url}/next")
    assert until(lambda: shop.requests, lambda got: len(got) > 1)[1].path == "/next"


def test_a_callback_can_come_twice(astria: Client, shop: Vendor) -> None:
    astria.simulator.fault(on="callback", kind="twice", times=1)
    astria.outfit(callback=shop.url)

    first, second = until(lambda: shop.requests, lambda got: len(got) > 1)
    assert first.body == second.body


def test_a_callback_can_come_late_or_never(astria: Client, shop: Vendor) -> None:
    astria.simulator.fault(on="callback", kind="never", times=1)
    astria.over(astria.outfit(callback=f"{shop.url}/never"))
    astria.simulator.fault(on="callback", kind="delay", seconds=0.2, times=1)
    over = astria.over(astria.outfit(callback=f"{shop.url}/late"))
    (request,) = until(lambda: shop.requests, len)

    assert request.path == "/late"
    assert (moment(sent(astria)[0]["at"]) - moment(over["trained_at"])).total_seconds() >= 0.19


def test_a_callback_nobody_takes_harms_nothing(astria: Client) -> None:
    prompt = astria.outfit(callback="http://127.0.0.1:9/nobody")

    assert astria.over(prompt)["images"]
    assert until(lambda: sent(astria), lambda log: log and "answered" in log[0])[0]["answered"] is None


# what goes wrong


@pytest.mark.parametrize("status", [400, 402, 429, 500, 504])
def test_a_status_before_acceptance_sells_nothing(astria: Client, status: int) -> None:
    astria.simulator.fault(on="tune_submit", kind="status", status=status)
    astria.simulator.fault(on="submit", kind="status", status=status)
    form = {"data": {"tune[title]": "t", "tune[name]": "woman"}, "files": [("tune[images][]", ("a.png", PERSON))]}

    assert astria.call("POST", "/tunes", **form).status_code == status
    assert astria.asked(GEMINI, text="x").status_code == status
    assert astria.simulator.purchases() == []


def test_a_504_after_acceptance_has_sold_and_idempotency_finds_it(previews: Previews) -> None:
    # "In most cases the request would probably have been processed"
    with served(previews, idempotent=True) as astria:
        astria.simulator.fault(on="tune_submit", kind="status_after", status=504, times=1)
        form = {"data": {"tune[title]": "t", "tune[name]": "woman"}, "files": [("tune[images][]", ("a.png", PERSON))]}

        assert astria.call("POST", "/tunes", **form).status_code == 504
        (kept,) = astria.call("GET", "/tunes", params={"title": "t"}).json()
        assert astria.call("POST", "/tunes", **form).json()["id"] == kept["id"]
        assert len(astria.simulator.purchases()) == 1


def test_a_dropped_answer_has_sold_only_after_acceptance(astria: Client) -> None:
    woman, shirt = astria.reference(PERSON, "woman"), astria.reference(GARMENT, "shirt")
    text = f"<faceid:{woman}:1> woman in <faceid:{shirt}:1> shirt"
    sold = []
    for kind in ("drop_before", "drop_after"):
        astria.simulator.fault(on="submit", kind=kind, times=1)
        with pytest.raises(httpx.RemoteProtocolError):
            astria.asked(GEMINI, text=text)
        sold.append(len([each for each in astria.simulator.purchases() if each["kind"] == "prompt"]))

    assert sold == [0, 1]


def test_an_error_of_the_vendor_ends_a_prompt_uncharged(astria: Client) -> None:
    astria.simulator.fault(on="status", kind="error", name="user_error", message="moderated on request", times=1)
    over = astria.over(astria.outfit())

    assert (over["images"], over["user_error"]) == ([], "moderated on request")
    assert astria.simulator.purchases()[-1]["charged"] is False


def test_a_person_that_cannot_be_found_is_a_user_error(astria: Client) -> None:
    over = astria.over(astria.outfit(person=NOBODY))

    assert (over["images"], "no person" in over["user_error"]) == ([], True)


def test_a_prompt_and_a_tune_can_be_kept_from_finishing(astria: Client) -> None:
    prompt = astria.over(astria.outfit())
    tune = prompt["text"].split(":")[1]
    astria.simulator.fault(on="status", kind="never_finish")
    astria.simulator.fault(on="tune_status", kind="never_finish")

    assert astria.call("GET", f"/prompts/{prompt['id']}").json()["images"] == []
    assert astria.call("GET", f"/tunes/{tune}").json()["trained_at"] is None


def test_reads_can_be_limited_and_results_can_be_elsewhere_or_expired(astria: Client) -> None:
    prompt = astria.over(astria.outfit())
    path = f"/prompts/{prompt['id']}"
    astria.simulator.fault(on="status", kind="status", status=429, times=1)
    astria.simulator.fault(on="status", kind="foreign_url", times=1)
    astria.simulator.fault(on="result", kind="expired_url", times=1)

    assert astria.call("GET", path).status_code == 429
    (foreign,) = astria.call("GET", path).json()["images"]
    assert not foreign.startswith(astria.simulator.url)
    assert astria.call("GET", path).json()["images"] == prompt["images"]
    assert httpx.get(prompt["images"][0]).status_code == 403


# the real engine


def test_a_real_person_wears_both_garments_in_the_shape_asked_for(real_previews: Previews) -> None:
    with served(real_previews) as astria:
        pictures = [(SAMPLES / name).read_bytes() for name in ("person_b.png", "tee.png", "jeans.png")]
        woman, shirt, pants = map(astria.reference, pictures, ("woman", "shirt", "pants"))
        text = f"<faceid:{woman}:1> woman wearing <faceid:{shirt}:1> shirt"
        tee, both = (
            picture(astria.over(astria.prompt(GEMINI, text=each, aspect_ratio="3:4", seed=1))["images"][0])
            for each in (text, f"{text} and <faceid:{pants}:1> pants")
        )

    assert tee.size == both.size == (888, 1184)
    assert "preview" in str(both.info).lower()
    changed = ImageChops.difference(tee, both).point(lambda value: 255 * (value > 40)).getbbox()
    assert changed
    assert (changed[1] > 400, changed[3] - changed[1] > 300) == (True, True)
