"""What a new client really sends, typed by hand: each request with its answer, and each file with its job's end.

The files in `inputs/` are as cameras and tools wrote them. Nothing here may reach a vendor.
"""

from __future__ import annotations

import base64
import gzip
import io
import json
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
from PIL import Image, ImageDraw, ImageFilter

from tests.unit.images.corpus import with_pixels

from .conftest import Cloud

INPUTS = Path(__file__).parent / "inputs"
SIZE = (208, 312)
"""Of the files in `inputs/`, the masks included."""


def saved(image: Image.Image, form: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def inline(data: bytes, head: str = "data:image/png;base64,") -> dict[str, str]:
    return {"data": head + base64.b64encode(data).decode()}


PLAIN = inline(saved(Image.linear_gradient("L").resize((80, 120))))


def try_on(**changes: Any) -> dict[str, Any]:
    return {"task": "try_on", "person": PLAIN, "garments": [{"image": PLAIN, "category": "tops"}], **changes}


def generate(**changes: Any) -> dict[str, Any]:
    return {"task": "text_to_image", "prompt": "a red coat", **changes}


@pytest.fixture(autouse=True)
def bought_nothing(cloud: Cloud) -> Iterator[None]:
    yield
    for vendor in (cloud.bedrock, cloud.tryiton, cloud.fashn, cloud.astria, cloud.aidge):
        assert vendor.purchases() == []


# ------------------------------------------------------------------------------------------------ refused bodies
INVALID, CANNOT = "invalid_input", "unsupported_option"
LINK = "public https link"
OUTPUT = try_on(output={"count": 6, "guidance": 10.1}, prompt="x", provider="nova_canvas")

REFUSED: dict[str, tuple[Any, dict[str, tuple[str, str]]]] = {
    # name: (body; a text is sent as it is), {pointer: (code, words of the remedy)}
    "nothing but the task": (
        {"task": "try_on"},
        {"/garments": (INVALID, "a list of 1 to 8"), "/person": (INVALID, "Send one of them.")},
    ),
    "a misspelt task": (
        {"task": "tryon"},
        {
            "/task": (INVALID, "Did you mean `try_on`?"),
            "/person": (INVALID, "Send one of them"),
            "/garments": (INVALID, "Add it"),
        },
    ),
    "faults of fields and of the provider at once": (
        OUTPUT,
        {
            "/prompt": (CANNOT, "virtual try-on takes no text"),
            "/output/count": (CANNOT, "Use 1 to 5."),
            "/output/guidance": (CANNOT, "Use 1.1 to 10."),
        },
    ),
    "a count beyond every provider": (
        try_on(output={"count": 9}, provider="nova_canvas"),
        {"/output/count": (CANNOT, "Use 1 to 5.")},
    ),
    "a seed beyond every provider": (
        try_on(output={"seed": 2**32}, provider="nova_canvas"),
        {"/output/seed": (CANNOT, "Use 0 to 2,147,483,646.")},
    ),
    "a seed beyond this provider": (
        try_on(output={"seed": 2_147_483_647}, provider="nova_canvas"),
        {"/output/seed": (CANNOT, "Use 0 to 2,147,483,646. Or name another provider that can: `fashn`")},
    ),
    "seed 0 at Stability": (
        generate(output={"seed": 0}, provider="stability"),
        {"/output/seed": (CANNOT, "Use 1 to 4,294,967,294.")},
    ),
    "guidance at Astria": (
        try_on(output={"guidance": 5}, provider="astria", provider_options={"astria": {"person_class": "woman"}}),
        {"/output/guidance": (CANNOT, "provider_options.astria.cfg_scale, 0 to 15")},
    ),
    "what the vendor's older call has": (
        try_on(segmentation_free=False, output={"seed": 1}, provider="tryiton"),
        {"/segmentation_free": (CANNOT, "`tryiton/clothes`"), "/output/seed": (CANNOT, "`tryiton/clothes`")},
    ),
    "two garments for Nova Canvas": (
        try_on(provider="nova_canvas", garments=[{"image": PLAIN, "category": "tops"}, {"image": PLAIN}]),
        {"/garments/1": (CANNOT, "one image that shows all pieces, with the category outfit")},
    ),
    "a type for a provider without types": (
        try_on(provider="tryiton", garments=[{"image": PLAIN, "category": "tops", "type": "short_sleeve_shirt"}]),
        {"/garments/0/type": (CANNOT, "`nova_canvas`")},
    ),
    "a try-on by an editor": (try_on(provider="stability"), {"/task": (CANNOT, "`nova_canvas`, `fashn`, `tryiton`")}),
    "a size of a try-on": (
        try_on(size={"width": 512, "height": 512}),
        {"/size": (INVALID, "`output.size: original`")},
    ),
    "no moderation": (
        try_on(provider="fashn", moderation="none"),
        {"/moderation": ("provider_not_allowed", "ask its operator")},
    ),
    "a webhook that is not https": (
        try_on(webhook={"url": "http://shop.example"}),
        {"/webhook/url": (INVALID, "https")},
    ),
    "a misspelt provider": (try_on(provider="fash"), {"/provider": (INVALID, "Did you mean `fashn`?")}),
    "a misspelt field": (try_on(promt="x"), {"/promt": (INVALID, "Did you mean `prompt`?")}),
    "a misspelt value": (
        try_on(garments=[{"image": PLAIN, "category": "top"}]),
        {"/garments/0/category": (INVALID, "Did you mean `tops`?")},
    ),
    "a misspelt value for a provider": (
        try_on(merge="seemless", provider="nova_canvas"),
        {"/merge": (INVALID, "Did you mean `seamless`? Use one of: balanced, seamless, detailed.")},
    ),
    "a misspelt kind for a provider": (
        try_on(mask={"type": "promt", "prompt": "the shirt"}, provider="nova_canvas"),
        {"/mask/type": (INVALID, "Did you mean `prompt`? Use one of: ")},
    ),
    "a misspelt value for a provider that has few": (
        try_on(garments=[{"image": PLAIN, "category": "topps"}], provider="fashn"),
        {"/garments/0/category": (INVALID, "Did you mean `tops`? Use one of: auto, tops, bottoms, one_piece.")},
    ),
    "a count in quotes for a provider": (
        try_on(output={"count": "2"}, provider="nova_canvas"),
        {"/output/count": (INVALID, "Send a whole number from 1 to 5, without quotes.")},
    ),
    "a seed in words for a provider": (
        try_on(output={"seed": "providr"}, provider="nova_canvas"),
        {"/output/seed": (INVALID, "a whole number from 0 to 2,147,483,646, or the text provider.")},
    ),
    "a misspelt model": (
        try_on(provider="tryiton/cloths"),
        {"/provider": (INVALID, "Did you mean `tryiton/clothes`?")},
    ),
    "a fallback of auto": (
        try_on(provider="fashn", fallback=["auto"]),
        {"/fallback/0": (INVALID, "Use one of: nova_canvas,")},
    ),
    "a field outside its home": (try_on(seed=1), {"/seed": (INVALID, "send `output.seed`")}),
    "true is no count": (try_on(output={"count": True}), {"/output/count": (INVALID, "a whole number from 1 to 8")}),
    "text is no count": (try_on(output={"count": "2"}), {"/output/count": (INVALID, "without quotes")}),
    "a fraction is no count": (try_on(output={"count": 2.0}), {"/output/count": (INVALID, "a whole number")}),
    "no is not false": (try_on(output={"mask": "no"}), {"/output/mask": (INVALID, "true or false, without quotes")}),
    "off and 0 are not false": (
        try_on(keep={"face": "off", "hands": 0}),
        {"/keep/face": (INVALID, "true, false, default"), "/keep/hands": (INVALID, "true, false, default")},
    ),
    "a seed in words": (try_on(output={"seed": "random"}), {"/output/seed": (INVALID, "or the text provider")}),
    "NUL": (generate(prompt="a\0b"), {"/prompt": (INVALID, "Leave that character out")}),
    "a link that is not encrypted": (
        try_on(person={"url": "http://shop.example/p.png"}),
        {"/person/url": (INVALID, LINK)},
    ),
    "a link with a password": (
        try_on(person={"url": "https://me:secret@shop.example/p.png"}),
        {"/person/url": (INVALID, "needs neither")},
    ),
    "a link with a port": (
        try_on(person={"url": "https://shop.example:8443/p.png"}),
        {"/person/url": (INVALID, LINK)},
    ),
    "a link to the client's own machine": (
        try_on(person={"url": "https://localhost/p.png"}),
        {"/person/url": (INVALID, LINK)},
    ),
    "a path instead of a link": (try_on(person={"url": "photos/p.png"}), {"/person/url": (INVALID, LINK)}),
    "an image named twice": (
        try_on(person={**PLAIN, "url": "https://shop.example/p.png"}),
        {"/person": (INVALID, "only one of")},
    ),
    "an image named in no way": (try_on(person={}), {"/person": (INVALID, "Send one of upload, url")}),
    "an upload's id cut off": (
        try_on(person={"upload": "upl_1"}),
        {"/person/upload": (INVALID, "upl_ and 26 digits and capitals")},
    ),
    "a folder of S3": (
        try_on(person={"s3": "s3://bucket/drop/demo/look/"}),
        {"/person/s3": (INVALID, "one image in it")},
    ),
    "a key longer than S3 has": (
        try_on(person={"s3": "s3://bucket/uploads/demo/" + "k" * 1100}),
        {"/person/s3": (INVALID, "an object that exists")},
    ),
    "somebody else's folder": (
        try_on(person={"s3": "s3://bucket/uploads/rival/p.png"}),
        {"/person/s3": (INVALID, "Use uploads/demo/ or drop/demo/ of the inbox")},
    ),
    "a data URL without data": (
        try_on(person={"data": "data:image/png;base64,"}),
        {"/person/data": (INVALID, "behind the comma")},
    ),
    "a data URL encoded twice": (
        try_on(person=inline(PLAIN["data"].encode())),
        {"/person/data": (INVALID, "once, as base64")},
    ),
    "a data URL whose plus became a space": (
        try_on(person={"data": "data:image/png;base64,iVBO Rw0K"}),
        {"/person/data": (INVALID, "encode `+` as `%2B`")},
    ),
    "a data URL cut off": (
        try_on(person={"data": "data:image/png;base64,iVBOR"}),
        {"/person/data": (INVALID, "Send the whole base64.")},
    ),
    "a link as data": (
        try_on(person={"data": "https://shop.example/p.png"}),
        {"/person/data": (INVALID, "Send it as `url`")},
    ),
    "words as data": (try_on(person={"data": "my photo"}), {"/person/data": (INVALID, "and then the base64")}),
    "a number beyond JSON's": (
        '{"task": "text_to_image", "prompt": "x", "provider_options": {"nova_canvas": {"a": 1e999}}}',
        {"/provider_options/nova_canvas/a": (INVALID, "a smaller number")},
    ),
    "half a character": (
        r'{"task": "text_to_image", "prompt": "x", "provider_options": {"nova_canvas": {"a": "\ud800"}}}',
        {"/provider_options/nova_canvas/a": (INVALID, "Send the text as UTF-8")},
    ),
    "a list": ("[]", {"": (INVALID, '{"task": "try_on"')}),
    "null": ("null", {"": (INVALID, '{"task": "try_on"')}),
    "JSON within JSON": (json.dumps(json.dumps(try_on())), {"": (INVALID, '{"task": "try_on"')}),
}


def sent(client: httpx.Client, path: str, body: Any, **headers: str) -> httpx.Response:
    content = body if isinstance(body, str | bytes) else json.dumps(body)
    return client.post(path, content=content, headers={"Content-Type": "application/json", **headers})


def problem(answer: httpx.Response) -> dict[str, Any]:
    """The body of a refusal, whose form is always the same."""
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    told = json.loads(answer.text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert (told["status"], told["instance"]) == (answer.status_code, f"urn:request:{answer.headers['request-id']}")
    assert all(fault["detail"] and fault["remedy"] for fault in told["errors"])
    return dict(told)


@pytest.mark.parametrize("name", REFUSED)
def test_a_body_is_refused_in_words_that_help_and_by_estimate_in_the_same(cloud: Cloud, name: str) -> None:
    body, expected = REFUSED[name]
    answers = [sent(cloud.live, path, body) for path in ("/v1/jobs", "/v1/jobs/estimate")]
    told = [problem(answer)["errors"] for answer in answers]
    assert told[0] == told[1]
    assert {fault["pointer"]: fault["code"] for fault in told[0]} == {at: code for at, (code, _) in expected.items()}
    for fault in told[0]:
        assert expected[fault["pointer"]][1] in fault["remedy"]
    assert answers[0].status_code == (403 if "provider_not_allowed" in str(expected) else 422)


# ------------------------------------------------------------------------------------------------ other requests
class Call(NamedTuple):
    """A request that is none of a valid body, and its answer: status, code and words of detail and remedy."""

    method: str
    path: str
    status: int
    code: str | None = None
    words: str = ""
    body: Any = None
    headers: dict[str, str] = {}


DEEP = '{"task": "try_on", "provider_options": {"sandbox": {"x": ' + "[" * 979 + "]" * 979 + "}}}"
JSON = {"Content-Type": "application/json"}
SUBJECT = {"kind": "garment", "class_name": "Evening Dress 2", "pictures": [PLAIN]}
CALLS = {
    "nested 979 deep": Call("POST", "/v1/jobs", 400, INVALID, "levels deep", DEEP, JSON),
    "nested 979 deep, estimated": Call("POST", "/v1/jobs/estimate", 400, INVALID, "levels deep", DEEP, JSON),
    "NaN": Call("POST", "/v1/jobs", 400, INVALID, "not valid JSON", '{"task": NaN}', JSON),
    "nothing": Call("POST", "/v1/jobs", 400, INVALID, "not valid JSON", "", JSON),
    "packed": Call(
        "POST",
        "/v1/jobs",
        415,
        "unsupported_media_type",
        "without `Content-Encoding`",
        gzip.compress(b"{}"),
        {**JSON, "Content-Encoding": "gzip"},
    ),
    "a form": Call(
        "POST",
        "/v1/jobs",
        415,
        "unsupported_media_type",
        "application/json",
        "task=try_on",
        {"Content-Type": "application/x-www-form-urlencoded"},
    ),
    "a slash at the end": Call("POST", "/v1/jobs/estimate/", 200, None, "", generate(provider="nova_canvas"), JSON),
    "HEAD": Call("HEAD", "/v1/providers", 200),
    "HEAD of nothing": Call("HEAD", "/v1/jobs/job_00000000000000000000000000", 404),
    "a method that is not served": Call("PUT", "/v1/jobs", 405, "method_not_allowed", "Use "),
    "a misspelt path": Call("POST", "/v1/job", 404, "not_found", "Did you mean `POST /v1/jobs`?"),
    "a job's id of 2,100 letters": Call("GET", "/v1/jobs/" + "a" * 2100, 404, "not_found"),
    "the same to delete": Call("DELETE", "/v1/jobs/" + "a" * 2100, 404, "not_found"),
    "the same of an image": Call("GET", "/v1/jobs/" + "a" * 2100 + "/images/1", 404, "not_found"),
    "a subject's id of 1,500 letters": Call("GET", "/v1/subjects/" + "a" * 1500, 404, "not_found"),
    "an empty Idempotency-Key": Call(
        "POST", "/v1/jobs", 400, INVALID, "1 to 255", generate(), {**JSON, "Idempotency-Key": ""}
    ),
    "a long Idempotency-Key": Call(
        "POST", "/v1/jobs", 400, INVALID, "1 to 255", generate(), {**JSON, "Idempotency-Key": "k" * 256}
    ),
    "a page of Arabic digits": Call("GET", "/v1/subjects?limit=%D9%A1%D9%A2", 400, INVALID, "1 to 100"),
    "a page of none": Call("GET", "/v1/subjects?limit=0", 400, INVALID, "1 to 100"),
    "a cursor of our own making": Call("GET", "/v1/subjects?cursor=2", 400, INVALID, "next_cursor"),
    "an upload as browsers name it": Call(
        "POST", "/v1/uploads", 422, INVALID, "image/jpeg, image/png", {"content_type": "image/jpg", "bytes": 9}, JSON
    ),
    "a class name in capitals": Call(
        "POST", "/v1/subjects", 422, INVALID, "one or two English words in lower case", SUBJECT, JSON
    ),
}


@pytest.mark.parametrize("name", CALLS)
def test_any_other_request_gets_the_right_status_and_words(cloud: Cloud, name: str) -> None:
    call = CALLS[name]
    content = call.body if call.body is None or isinstance(call.body, str | bytes) else json.dumps(call.body)
    answer = cloud.live.request(call.method, call.path, content=content, headers=call.headers)
    assert (answer.status_code, bool(answer.headers["request-id"])) == (call.status, True), answer.text
    if call.method == "HEAD":
        assert answer.text == ""
    elif call.code:
        told = problem(answer)
        assert told["code"] == call.code
        assert call.words in f"{told['detail']} {told['remedy']}"


# ------------------------------------------------------------------------------------------------ files and their ends
class Job(NamedTuple):
    """A job of the sandbox.

    `end`: its error's code, pointer and words; none if it succeeds. `warnings`: codes among its warnings,
    and words of them.
    """

    person: bytes | dict[str, str] = (INPUTS / "jpg_no_eoi.jpg").read_bytes()
    garment: bytes = base64.b64decode(PLAIN["data"].partition(",")[2])
    mask: bytes | None = None
    read: str = "black_changes"
    end: tuple[str, str, str] | None = None
    warnings: dict[str, str] = {}


def half_damaged(image: Image.Image) -> bytes:
    """A PNG whose compressed pixels break off in the middle, with every checksum right."""
    return with_pixels(lambda pixels: pixels[: len(pixels) // 2] + b"\x55" * (len(pixels) // 2), saved(image))


def drawn(size: tuple[int, int] = SIZE) -> Image.Image:
    """A mask that changes a quarter of the image."""
    mask = Image.new("L", size, 255)
    ImageDraw.Draw(mask).rectangle((0, 0, size[0] // 2, size[1] // 2), fill=0)
    return mask


def file(name: str) -> bytes:
    return (INPUTS / name).read_bytes()


DAMAGED = "damaged or cut off"
UNREADABLE = "image_unreadable"
SHADE = Image.linear_gradient("L").resize(SIZE).convert("RGB")
HOLE = Image.merge("RGBA", (*SHADE.split(), drawn()))
WRAPPED = base64.encodebytes(file("jpg_no_eoi.jpg")).decode()
JOBS: dict[str, Callable[[], Job]] = {
    "a PNG with 2 MB of text": lambda: Job(file("png_ztxt_2mb.png")),
    "a PNG with a wrong checksum in a comment": lambda: Job(file("png_text_bad_crc.png")),
    "a JPEG without its end marker": lambda: Job(),
    "an AVIF whose first brand is miaf": lambda: Job(file("avif_major_miaf.avif")),
    "a phone's 50 megapixels": lambda: Job(saved(Image.linear_gradient("L").resize((8160, 6144)), "JPEG", quality=30)),
    "a damaged person": lambda: Job(half_damaged(SHADE), end=(UNREADABLE, "/person", DAMAGED)),
    "a damaged garment": lambda: Job(garment=half_damaged(SHADE), end=(UNREADABLE, "/garments/0/image", DAMAGED)),
    "a damaged mask": lambda: Job(mask=half_damaged(drawn()), end=(UNREADABLE, "/mask/image", DAMAGED)),
    "HTML instead of an image": lambda: Job(b"<html>Sign in</html>", end=(UNREADABLE, "/person", "type HTML")),
    "a mask": lambda: Job(mask=saved(drawn())),
    "a mask, all black": lambda: Job(
        mask=file("mask_all_black.png"), end=(UNREADABLE, "/mask/image", "all of the image would change")
    ),
    "a mask of the levels 0 and 1": lambda: Job(
        mask=saved(drawn().point(lambda v: v // 255)), end=(UNREADABLE, "/mask/image", "levels 0 and 1")
    ),
    "a mask, inverted": lambda: Job(
        mask=file("mask_inverted.png"), warnings={"mask_changes_most": "Black changes: 88 %"}
    ),
    "a mask, inverted and said so": lambda: Job(mask=file("mask_inverted.png"), read="white_changes"),
    "a mask, feathered": lambda: Job(
        mask=saved(drawn().filter(ImageFilter.GaussianBlur(12))),
        end=(UNREADABLE, "/mask/image", "% of its pixels grey"),
    ),
    "a mask of half the size": lambda: Job(mask=saved(drawn((104, 156)))),
    "a mask of another aspect": lambda: Job(
        mask=saved(drawn((312, 208))), end=(UNREADABLE, "/mask/image", "312 x 208")
    ),
    "a mask with a hole": lambda: Job(mask=saved(HOLE), read="alpha"),
    "a mask with a hole, and not said so": lambda: Job(
        mask=saved(HOLE), end=(UNREADABLE, "/mask/image", "`mask.read: alpha`")
    ),
    "a data URL that names no type": lambda: Job(inline(file("jpg_no_eoi.jpg"), "data:;base64,")),
    "a data URL of octets": lambda: Job(inline(file("jpg_no_eoi.jpg"), "data:application/octet-stream;base64,")),
    "a data URL in capitals, with a name": lambda: Job(
        inline(file("jpg_no_eoi.jpg"), "DATA:image/JPEG;name=a;BASE64,")
    ),
    "a data URL with line breaks": lambda: Job({"data": "data:image/jpeg;base64," + WRAPPED}),
    "a data URL in the other alphabet": lambda: Job(
        {"data": "data:image/jpeg;base64," + base64.urlsafe_b64encode(file("jpg_no_eoi.jpg")).decode().rstrip("=")}
    ),
    "plain base64": lambda: Job({"data": base64.b64encode(file("jpg_no_eoi.jpg")).decode()}),
}


@pytest.fixture(scope="module")
def accepted(cloud: Cloud) -> dict[str, str]:
    """The ids of all these jobs, which run at the same time."""

    def submitted(name: str) -> str:
        job = JOBS[name]()
        person = job.person if isinstance(job.person, dict) else {"upload": cloud.upload(job.person, client=cloud.test)}
        garment = {"image": {"upload": cloud.upload(job.garment, client=cloud.test)}, "category": "tops"}
        body = {"task": "try_on", "person": person, "garments": [garment], "output": {"mask": True}}
        if job.mask:
            image = {"upload": cloud.upload(job.mask, client=cloud.test)}
            body["mask"] = {"type": "image", "image": image, "read": job.read}
        return str(cloud.submit(body, cloud.test)["id"])

    with ThreadPoolExecutor(4) as pool:
        return dict(zip(JOBS, pool.map(submitted, JOBS), strict=True))


@pytest.mark.parametrize("name", JOBS)
def test_a_file_is_taken_or_its_job_says_why_not(cloud: Cloud, accepted: dict[str, str], name: str) -> None:
    wanted, job = JOBS[name](), cloud.finished(accepted[name], 120, cloud.test)
    told = {warning["code"]: f"{warning['detail']} {warning['remedy']}" for warning in job["warnings"]}
    assert ("mask_changes_most" in told) is ("mask_changes_most" in wanted.warnings)
    for code, words in wanted.warnings.items():
        assert words in told[code]
    if wanted.end is None:
        assert (job["status"], job["provider"], job["model"]) == ("succeeded", "sandbox", "composite"), job["error"]
        for path in (*job["links"]["images"], job["links"]["mask"]):
            link = cloud.test.get(path)
            assert link.status_code == 303
            with Image.open(io.BytesIO(httpx.get(link.headers["location"], timeout=60).content)) as image:
                image.load()
        return
    code, pointer, words = wanted.end
    error = job["error"]
    assert (job["status"], error["code"], error["pointer"]) == ("failed", code, pointer)
    assert words in f"{error['detail']} {error['remedy']}"
    assert job["usage"]["images"] == 0


# ------------------------------------------------------------------------------------------------ what is answered
def test_an_estimate_echoes_no_photo_and_knows_the_price_of_a_size(cloud: Cloud) -> None:
    shown = sent(cloud.live, "/v1/jobs/estimate", try_on(provider="nova_canvas"))
    assert PLAIN["data"][30:90] not in shown.text
    [offer] = shown.raise_for_status().json()["plan"]
    assert (offer["model"], offer["images"], bool(offer["starts_at"])) == ("amazon.nova-canvas-v1:0", 1, True)
    for side, amount in ((512, 0.04), (1024, 0.04), (1536, 0.06)):
        body = generate(provider="nova_canvas", size={"width": side, "height": side}, output={"quality": "standard"})
        [offer] = sent(cloud.live, "/v1/jobs/estimate", body).raise_for_status().json()["plan"]
        assert offer["cost"]["amount"] == amount
    shown = sent(cloud.live, "/v1/jobs/estimate", try_on(provider="tryiton/clothes")).raise_for_status().json()
    assert (shown["plan"][0]["provider"], shown["plan"][0]["model"]) == ("tryiton", "clothes")
    outpaint = {"task": "outpaint", "image": PLAIN, "mask": {"type": "prompt", "prompt": "the coat"}}
    shown = sent(cloud.live, "/v1/jobs/estimate", {**outpaint, "provider": "nova_canvas"}).raise_for_status().json()
    assert "removes_without_prompt" in {warning["code"] for warning in shown["warnings"]}


def test_the_two_times_of_an_upload_are_told(cloud: Cloud) -> None:
    answer = cloud.live.post("/v1/uploads", json={"content_type": "image/png", "bytes": 9}).json()
    assert answer["expires_at"] < answer["usable_until"]


def test_live_and_test_keys_do_not_reach_each_other(cloud: Cloud, tee: bytes) -> None:
    live, test = {"upload": cloud.upload(tee)}, {"upload": cloud.upload(tee, client=cloud.test)}
    dropped = {"s3": f"s3://{cloud.inbox}/drop/{cloud.tenant}/look/person.png"}
    for client, image, code, at in (
        (cloud.test, live, "upload_missing", "/person/upload"),
        (cloud.live, test, "upload_missing", "/person/upload"),
        (cloud.test, dropped, INVALID, "/person/s3"),
    ):
        told = problem(sent(client, "/v1/jobs", try_on(person=image, provider="sandbox")))
        assert [(fault["code"], fault["pointer"]) for fault in told["errors"]] == [(code, at)]
    job = cloud.submit(try_on(provider="sandbox"))
    path = job["links"]["self"]
    for method, asked in (("GET", path), ("DELETE", path), ("POST", f"{path}/cancel"), ("GET", f"{path}/images/1")):
        assert problem(cloud.test.request(method, asked))["code"] == "not_found"
    assert cloud.finished(job["id"])["status"] == "succeeded"


def test_the_same_words_in_another_spelling_are_another_request(cloud: Cloud) -> None:
    key, body = str(uuid.uuid4()), try_on(provider="sandbox")
    job = cloud.submit(body, cloud.test, key)
    assert cloud.submit(dict(reversed(body.items())), cloud.test, key)["id"] == job["id"]
    told = problem(sent(cloud.test, "/v1/jobs", {**body, "owner": None}, **{"Idempotency-Key": key}))
    assert (told["status"], told["code"]) == (422, "idempotency_conflict")


def test_refused_requests_and_lost_races_leave_no_photo_behind(cloud: Cloud) -> None:
    def staged() -> set[str]:
        found = cloud.aws("s3").get_paginator("list_objects_v2").paginate(Bucket=cloud.media, Prefix="staging/")
        return {one["Key"].split("/")[1] for page in found for one in page.get("Contents", [])}

    before, key = staged(), str(uuid.uuid4())
    for refused in (try_on(provider="tryiton", prompt="x"), try_on(person={"upload": "upl_" + "0" * 26})):
        assert sent(cloud.live, "/v1/jobs", refused).status_code == 422
    with ThreadPoolExecutor(8) as pool:
        jobs = set(pool.map(lambda _: cloud.submit(try_on(), cloud.test, key)["id"], range(8)))
    assert len(jobs) == 1
    for job_id in staged() - before:  # what no key can see, no key can erase
        assert 200 in [client.get(f"/v1/jobs/{job_id}").status_code for client in (cloud.live, cloud.test)]
