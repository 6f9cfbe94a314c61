"""The requests of Astria as its documents state them: fields, enums, ranges, combinations.

Sources: docs.astria.ai, "Create a tune", "Create a prompt" and "Virtual Try-on"; the vendor's `astria` command line tool for
`characteristics` as JSON text in a form.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field, InstanceOf, ValidationError

from local.simulators.kit.forms import Upload
from local.simulators.kit.strict import Strict


class InvalidError(Exception):
    """The request breaks the contract: what is wrong, by field. How the vendor words a 422 is not documented."""

    def __init__(self, **errors: str) -> None:
        super().__init__(errors)
        self.errors = {field: [message] for field, message in errors.items()}


def _located(text: str) -> str:
    if not text.startswith(("http://", "https://")):
        raise ValueError("must be an http(s) URL")
    return text


def _data_url(text: str) -> str:
    if not text.startswith("data:image/") or ";base64," not in text:
        raise ValueError("must be a data URL of an image, data:image/<format>;base64,...")
    return text


def _eighths(pixels: int) -> int:
    if pixels % 8:
        raise ValueError("must be a multiple of 8")
    return pixels


def _object(value: object) -> object:
    try:
        return json.loads(value) if isinstance(value, str) else value
    except ValueError:
        raise ValueError("must be a JSON object") from None


Text = Annotated[str, Field(min_length=1)]
Url = Annotated[str, AfterValidator(_located)]
File = InstanceOf[Upload]
Pixels = Annotated[int, Field(ge=8), AfterValidator(_eighths)]
Share = Annotated[float, Field(ge=0, le=1)]
Branch = Literal["flux1", "sd15", "sdxl1", "fast"]

NULLABLE = frozenset({"model_type", "preset", "backend_version", "style"})
"""Fields for which the documents list null as a value."""
NOT_HERE = {
    "prompts_attributes": "this simulator makes no prompts along with a tune: create them one by one",
    "lora_scale": "is available only in prompts_attributes of POST /tunes",
    "pack_id": "must be a pack that you can access; this simulator has none",
    "base_pack_id": "must be a pack that you can access; this simulator has none",
    "image_references": "the request must be a video prompt, and this simulator makes no videos",
    "image_reference_urls": "the request must be a video prompt, and this simulator makes no videos",
} | dict.fromkeys(
    (
        "video_model", "video_prompt", "video_duration", "video_first_frame", "video_first_frame_url", "video_last_frame",
        "video_last_frame_url", "source_image_url", "input_video", "input_video_url", "audio_reference",
        "audio_reference_url", "video_audio", "video_upscale_model", "video_upscale_target_resolution", "video_fps_model",
    ),
    "this simulator makes no videos",
)  # fmt: skip
"""Documented fields that always end in a refusal here, and what it says."""


class TuneRequest(Strict):
    name: Text
    title: Text
    images: Annotated[list[File], Field(min_length=1)] | None = None
    image_urls: Annotated[list[Url], Field(min_length=1)] | None = None
    callback: Url | None = None
    branch: Branch | None = None
    steps: Annotated[int, Field(ge=1)] | None = None
    token: Text | None = None
    face_crop: bool | None = None
    training_face_correct: bool = False
    base_tune_id: int | None = None
    model_type: Literal["lora", "pti", "faceid"] | None = None
    auto_extend: bool = False
    preset: Literal["flux-lora-focus", "flux-lora-portrait", "flux-lora-fast"] | None = None
    characteristics: Annotated[dict[str, Any], BeforeValidator(_object)] | None = None

    def check(self) -> None:
        if self.images is None and self.image_urls is None:
            raise InvalidError(images="can't be blank: send images or image_urls")


class PromptRequest(Strict):
    """num_images: 1 when left out, which is our choice; what the vendor makes then is not documented."""

    text: Text
    negative_prompt: str | None = None
    callback: Url | None = None
    workspace_id: int | None = None
    community: bool | None = None
    num_images: Annotated[int, Field(ge=1, le=8)] = 1
    seed: Annotated[int, Field(ge=0, le=2**32)] | None = None
    super_resolution: bool | None = None
    inpaint_faces: bool | None = None
    hires_fix: bool | None = None
    face_correct: bool | None = None
    face_swap: bool | None = None
    cfg_scale: Annotated[float, Field(ge=0, le=15)] | None = None
    steps: Annotated[int, Field(ge=0, le=50)] | None = None
    use_lpw: bool | None = None
    aspect_ratio: (
        Literal["1:1", "16:9", "9:16", "21:9", "9:21", "3:2", "2:3", "5:4", "4:5", "4:3", "3:4"] | None
    ) = None  # fmt: skip
    ar: Literal["1:1", "portrait", "16:9", "landscape"] | None = None
    resolution: Literal["1K", "2K", "4K"] | None = None
    w: Pixels | None = None
    h: Pixels | None = None
    scheduler: (
        Literal["euler", "euler_a", "dpm++2m_karras", "dpm++sde_karras", "dpm++2m", "dpm++sde", "lcm", "tcd"] | None
    ) = None  # fmt: skip
    # null and 1 by "Create a prompt"; the examples of "Virtual Try-on for Flux" send 0
    backend_version: Annotated[int, Field(ge=0, le=1)] | None = None
    style: (
        Literal[
            "Cinematic", "Animated", "Digital Art", "Photographic", "Fantasy art", "Neonpunk", "Enhance", "Comic book",
            "Lowpoly", "Line art",
        ] | None
    ) = None  # fmt: skip
    prompt_expansion: bool | None = None
    theme: str | None = None
    color_grading: Literal["Film Velvia", "Film Portra", "Ektar"] | None = None
    film_grain: bool | None = None
    controlnet: (
        Literal[
            "composition", "reference", "segroom", "ipadapter", "lineart", "canny", "depth", "mlsd", "hed", "pose", "tile",
            "qr",
        ] | None
    ) = None  # fmt: skip
    denoising_strength: Share | None = None
    controlnet_conditioning_scale: Share | None = None
    controlnet_txt2img: bool | None = None
    input_image: File | None = None
    input_image_base64: Annotated[str, AfterValidator(_data_url)] | None = None
    input_image_url: Url | None = None
    mask_image: File | None = None
    mask_image_url: Url | None = None

    @property
    def input(self) -> Upload | str | None:
        return self.input_image or self.input_image_base64 or self.input_image_url

    def check(self) -> None:
        if not self.super_resolution:
            for field in ("inpaint_faces", "hires_fix"):
                if getattr(self, field):
                    raise InvalidError(**{field: "requires super_resolution"})
        if self.input is None:
            for field in ("controlnet", "mask_image", "mask_image_url"):
                if getattr(self, field):
                    raise InvalidError(**{field: "requires input_image, input_image_base64 or input_image_url"})


Asked = TypeVar("Asked", TuneRequest, PromptRequest)


def parse(kind: type[Asked], name: str, body: object, *, form: bool) -> Asked:
    """Read a tune or a prompt. Raises InvalidError.

    name: what wraps the fields, `tune` or `prompt`; form: values are text.
    """
    wrapped = body.get(name) if isinstance(body, dict) else None
    if not isinstance(body, dict) or not isinstance(wrapped, dict):
        raise InvalidError(**{name: f"param is missing: wrap the fields in {name}"})
    if strangers := sorted(set(body) - {name}):
        raise InvalidError(**{strangers[0]: f"unknown parameter beside {name}"})
    if refused := sorted(set(wrapped) & NOT_HERE.keys()):
        raise InvalidError(**{refused[0]: NOT_HERE[refused[0]]})
    given = {key: value for key, value in wrapped.items() if not (value is None and key in NULLABLE)}
    try:
        asked = kind.model_validate(given, strict=not form)
    except ValidationError as error:
        raise InvalidError(**dict(map(_problem, error.errors()))) from None
    asked.check()
    return asked


def _problem(error: Any) -> tuple[str, str]:
    field = ".".join(map(str, error["loc"])) or "base"
    match error["type"]:
        case "missing":
            return field, "can't be blank"
        case "extra_forbidden":
            return field, "unknown parameter"
        case "is_instance_of":
            return field, "must be a file of a multipart form"
    return field, error["msg"]
