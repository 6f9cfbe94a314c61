"""The fields of `provider_options.astria` for a client, and of `provider_settings.astria` for a stage.

Source of fields, values and ranges: the vendor's pages "Create a prompt" and "Create a tune" (docs.astria.ai).
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from fitting_room.jobs.fields import ClassName, rule_error

ID = "astria"
Partner = Literal["gemini", "seedream", "gpt-image-2"]
AspectRatio = Literal["1:1", "16:9", "9:16", "21:9", "9:21", "3:2", "2:3", "5:4", "4:5", "4:3", "3:4"]
Share = Annotated[float, Field(ge=0, le=1)]
Side = Annotated[int, Field(ge=8, multiple_of=8)]


class Options(BaseModel):
    """The options of Astria alone.

    Of a try-on: `person_class`, the word for a person given as a picture. `garment_classes`, by place: the word for a
    garment picture, where the category's own is too coarse.

    Of a partner model: `aspect_ratio` (absent: the nearest to the person picture's) and `resolution` (absent: by
    `output.quality`). The vendor decides which ones a model has.

    Of `sd15`: every field of the vendor's try-on page; absent ones have the value of the page's example. `w` and `h`
    in px.

    Of a training of `sd15`: `branch: fast` makes a free mock, whose pictures are mocks too.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    person_class: Literal["woman", "man", "girl", "boy", "baby"] | None = None
    garment_classes: Annotated[list[ClassName | None], Field(max_length=8)] | None = None

    aspect_ratio: AspectRatio | None = None
    resolution: Literal["1K", "2K", "4K"] | None = None

    controlnet: (
        Literal[
            "composition",
            "reference",
            "segroom",
            "ipadapter",
            "lineart",
            "canny",
            "depth",
            "mlsd",
            "hed",
            "pose",
            "tile",
            "qr",
        ]
        | None
    ) = None
    denoising_strength: Share | None = None
    controlnet_conditioning_scale: Share | None = None
    controlnet_txt2img: bool | None = None
    super_resolution: bool | None = None
    inpaint_faces: bool | None = None
    hires_fix: bool | None = None
    face_correct: bool | None = None
    face_swap: bool | None = None
    film_grain: bool | None = None
    color_grading: Literal["Film Velvia", "Film Portra", "Ektar"] | None = None
    backend_version: Literal[0, 1] | None = None
    prompt_expansion: bool | None = None
    use_lpw: bool | None = None
    scheduler: (
        Literal["euler", "euler_a", "dpm++2m_karras", "dpm++sde_karras", "dpm++2m", "dpm++sde", "lcm", "tcd"] | None
    ) = None
    steps: Annotated[int, Field(ge=0, le=50)] | None = None
    cfg_scale: Annotated[float, Field(ge=0, le=15)] | None = None
    ar: Literal["1:1", "portrait", "16:9", "landscape"] | None = None
    w: Side | None = None
    h: Side | None = None

    branch: Literal["fast"] | None = None
    face_crop: bool | None = None
    training_face_correct: bool | None = None

    @model_validator(mode="after")
    def together(self) -> Options:
        """Check the options that depend on each other.

        Source: "Requires super-resolution on."; "Available only when super_resolution is true".
        """
        for name in ("inpaint_faces", "hires_fix"):
            if self.super_resolution is False and getattr(self, name):
                raise rule_error(
                    name, "This works on the enlarged image only.", "Leave it out, or set super_resolution to true."
                )
        if (self.w is None) != (self.h is None):
            raise rule_error("h" if self.w else "w", "A size has two sides.", "Send both w and h, or neither.")
        if self.ar and self.w:
            raise rule_error("ar", "`ar` conflicts with `w` and `h`.", "Send either ar, or w and h.")
        return self


PARTNER = ("aspect_ratio", "resolution")
INPUT_IMAGE = ("controlnet", "denoising_strength", "controlnet_conditioning_scale", "controlnet_txt2img")
"""Fields about the input image, which is `input_image` or a garment picture with a person in it."""
SD15 = (
    *INPUT_IMAGE,
    "super_resolution",
    "inpaint_faces",
    "hires_fix",
    "face_correct",
    "face_swap",
    "film_grain",
    "color_grading",
    "backend_version",
    "prompt_expansion",
    "use_lpw",
    "scheduler",
    "steps",
    "cfg_scale",
    "ar",
    "w",
    "h",
)
TRAINING = ("branch", "face_crop", "training_face_correct")


TUNES: dict[str, int] = {"gemini": 3618064, "seedream": 3691308, "gpt-image-2": 4665564}
"""By partner model: the vendor's tune that prompts and references are made for, by its command line tool 1.11.0."""


class AstriaSettings(BaseModel):
    """The operator's settings for Astria.

    `workspace`: the id of the workspace that owns and pays for everything (None: the key's personal scope). `tunes`:
    the vendor's tune of a partner model, where it is no longer the one known here. `GET
    https://api.astria.ai/cli/models` lists them.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    workspace: int | None = None
    tunes: dict[Partner, int] = {}

    def tune(self, model: str) -> int:
        return next(tune for name, tune in (*self.tunes.items(), *TUNES.items()) if name == model)
