"""What every request to Nova Canvas shares: its parts, its texts and its generation settings.

Source: docs.aws.amazon.com/nova/latest/userguide/image-gen-req-resp-structure.html; numberOfImages, seed and sizes from
its tables and from image-gen-access.html, "Supported image resolutions".
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, ValidationError, model_validator
from pydantic.alias_generators import to_camel

from local.simulators.kit.pictures import MalformedError
from local.simulators.kit.strict import Strict

MIN_SIDE, MAX_SIDE, MAX_ASPECT, MAX_PIXELS = 320, 4096, 4, 4_194_304
"""Of input and output pictures alike. The page has "less than 4,194,304" pixels, and lists 2048x2048 as valid."""

Text = Annotated[str, Field(min_length=1, max_length=1024)]
MaskPrompt = Annotated[str, Field(min_length=1)]
"""No document names a limit of its length."""
Side = Annotated[int, Field(ge=MIN_SIDE, le=MAX_SIDE, multiple_of=16)]


class Part(Strict):
    model_config = ConfigDict(alias_generator=to_camel)


class EditingConfig(Part):
    """No width or height: they "should not be provided" for inpainting, outpainting and try-on."""

    number_of_images: Annotated[int, Field(ge=1, le=5)] = 1
    quality: Literal["standard", "premium"] = "standard"
    cfg_scale: Annotated[float, Field(ge=1.1, le=10)] = 6.5
    seed: Annotated[int, Field(ge=0, le=2_147_483_646)] = 12


class VariationConfig(Part):
    """For image variations the document lists no quality."""

    number_of_images: Annotated[int, Field(ge=1, le=5)] = 1
    cfg_scale: Annotated[float, Field(ge=1.1, le=10)] = 6.5
    seed: Annotated[int, Field(ge=0, le=2_147_483_646)] = 12
    width: Side = 1024
    height: Side = 1024

    @model_validator(mode="after")
    def _check_size(self) -> Self:
        short, long = sorted((self.width, self.height))
        if long > MAX_ASPECT * short:
            raise ValueError(f"the aspect ratio must be between 1:4 and 4:1, {self.width}x{self.height} is not")
        if short * long > MAX_PIXELS:
            raise ValueError(f"at most {MAX_PIXELS} pixels in total, {self.width}x{self.height} is more")
        return self


class GenerationConfig(VariationConfig):
    quality: Literal["standard", "premium"] = "standard"


def malformed(*problems: str) -> MalformedError:
    return MalformedError(f"Malformed input request: {'; '.join(problems)}, please reformat your input and try again.")


def malformed_by(error: ValidationError) -> MalformedError:
    return malformed(*map(_violation, error.errors()))


def _violation(error: Any) -> str:
    *parents, key = error["loc"] or ("",)
    parent, place = "/".join(["#", *map(str, parents)]), "/".join(["#", *map(str, error["loc"])])
    match error["type"]:
        case "missing":
            return f"{parent}: required key [{key}] not found"
        case "extra_forbidden":
            return f"{parent}: extraneous key [{key}] is not permitted"
        case "literal_error":
            return f"{place}: {str(error['input'])[:60]} is not a valid enum value"
        case "string_too_long":
            return f"{place}: expected maxLength: {error['ctx']['max_length']}, actual: {len(error['input'])}"
        case "string_too_short":
            return f"{place}: expected minLength: {error['ctx']['min_length']}, actual: {len(error['input'])}"
    return f"{place}: {error['msg'].removeprefix('Value error, ')}"
