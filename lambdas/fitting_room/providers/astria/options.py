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
Control = Literal[
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
Scheduler = Literal["euler", "euler_a", "dpm++2m_karras", "dpm++sde_karras", "dpm++2m", "dpm++sde", "lcm", "tcd"]
_INPUT = "`sd15` with an input image."
_ENLARGED = "Only with `super_resolution`. Absent: `true` with it."
Share = Annotated[float, Field(ge=0, le=1)]
Side = Annotated[int, Field(ge=8, multiple_of=8)]


class Options(BaseModel):
    """The options of Astria alone.

    Astria decides which ratio and resolution a partner model has. Of `sd15`: every field of Astria's try-on
    page; absent ones have the value of the page's example. `steps`: 30 if absent; `w` and `h` in px.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    person_class: Annotated[
        Literal["woman", "man", "girl", "boy", "baby"] | None,
        Field(description="The word for a person who is given as an image."),
    ] = None
    garment_classes: Annotated[
        list[ClassName | None] | None,
        Field(max_length=8, description="By place: the word for a garment image, where its category's is too coarse."),
    ] = None

    aspect_ratio: Annotated[
        AspectRatio | None, Field(description="Partner models. Absent: the nearest to the person's image.")
    ] = None
    resolution: Annotated[
        Literal["1K", "2K", "4K"] | None,
        Field(description="Partner models, as far as the model has it. Absent: by `output.quality`."),
    ] = None

    controlnet: Annotated[Control | None, Field(description=f"{_INPUT} Absent: `pose`.")] = None
    denoising_strength: Annotated[Share | None, Field(description=f"{_INPUT} Absent: 0.9.")] = None
    controlnet_conditioning_scale: Annotated[Share | None, Field(description=f"{_INPUT} Absent: 0.4.")] = None
    controlnet_txt2img: Annotated[bool | None, Field(description=f"{_INPUT} Absent: `false`.")] = None
    super_resolution: Annotated[bool | None, Field(description="`sd15`. Absent: `true`.")] = None
    inpaint_faces: Annotated[bool | None, Field(description=f"`sd15`. {_ENLARGED}")] = None
    hires_fix: Annotated[bool | None, Field(description=f"`sd15`. {_ENLARGED}")] = None
    face_correct: Annotated[bool | None, Field(description="`sd15`. Absent: `false`.")] = None
    face_swap: Annotated[bool | None, Field(description="`sd15`. Absent: `true`.")] = None
    film_grain: Annotated[bool | None, Field(description="`sd15`. Absent: `false`.")] = None
    color_grading: Annotated[
        Literal["Film Velvia", "Film Portra", "Ektar"] | None, Field(description="`sd15`. Absent: not sent.")
    ] = None
    backend_version: Annotated[Literal[0, 1] | None, Field(description="`sd15`. Absent: 1.")] = None
    prompt_expansion: Annotated[bool | None, Field(description="`sd15`. Absent: not sent.")] = None
    use_lpw: Annotated[bool | None, Field(description="`sd15`. Absent: `true`.")] = None
    scheduler: Annotated[Scheduler | None, Field(description="`sd15`. Absent: `dpm++sde_karras`.")] = None
    steps: Annotated[int, Field(ge=0, le=50)] | None = None
    cfg_scale: Annotated[
        float | None, Field(ge=0, le=15, description="`sd15`. Absent: not sent, so the provider's own.")
    ] = None
    ar: Annotated[
        Literal["1:1", "portrait", "16:9", "landscape"] | None,
        Field(description="`sd15`. Absent: `1:1`, unless `w` and `h` are there."),
    ] = None
    w: Side | None = None
    h: Side | None = None

    branch: Annotated[
        Literal["fast"] | None,
        Field(description="Training of a person on `sd15`: a free mock, whose images are mocks too."),
    ] = None
    face_crop: Annotated[
        bool | None, Field(description="Training of a person on `sd15`. Absent: not sent, so the provider's own.")
    ] = None
    training_face_correct: Annotated[
        bool | None, Field(description="Training of a person on `sd15`. Absent: not sent, so the provider's own.")
    ] = None

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
    """The operator's settings for Astria."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    workspace: Annotated[
        int | None,
        Field(description="The id of the workspace that owns and pays. Absent: the key's personal scope."),
    ] = None
    tunes: Annotated[
        dict[Partner, int],
        Field(
            description="Astria's tune of a partner model, where it is no longer the one known here: "
            + ", ".join(f"`{model}` {tune}" for model, tune in TUNES.items())
            + "."
        ),
    ] = {}

    def tune(self, model: str) -> int:
        return next(tune for name, tune in (*self.tunes.items(), *TUNES.items()) if name == model)
