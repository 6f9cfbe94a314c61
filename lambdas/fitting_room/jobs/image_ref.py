"""How a request names a picture: exactly one of `upload`, `url`, `data`, `s3`; and how it names a subject.

Addresses are judged when a client sends them (`parse` passes an `Arrival`).
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self, get_args

from pydantic import AfterValidator, ConfigDict, Field, StringConstraints, ValidationInfo, model_validator

from fitting_room.jobs.data_url import NotDecodable, decode
from fitting_room.jobs.fields import Strict, rule_error
from fitting_room.jobs.links import Arrival, Wanted, checked

Kind = Literal["upload", "url", "data", "s3"]
KINDS: tuple[Kind, ...] = get_args(Kind)
MAX_KEY = 1024
"""Bytes of a key in S3."""
_IMAGE = Wanted(
    "an image",
    "Send a public https link, or upload the image with POST /v1/uploads.",
    "Send a link that needs neither; it may be signed.",
)


def _fetchable(url: str, info: ValidationInfo) -> str:
    return checked(url, info, _IMAGE)


def _decodable(text: str, info: ValidationInfo) -> str:
    if isinstance(info.context, Arrival):
        try:
            decode(text)
        except NotDecodable as error:
            raise rule_error("", error.detail, error.remedy) from None
    return text


def _object_key(address: str, info: ValidationInfo) -> str:
    if not isinstance(info.context, Arrival):
        return address
    key = address.removeprefix("s3://").partition("/")[2]
    if key.endswith("/"):
        raise rule_error("", "This names a folder, not a file.", "Send the address of one image in it.")
    if len(key.encode("utf-8", "replace")) > MAX_KEY:
        raise rule_error(
            "", f"The key is longer than the {MAX_KEY:,} bytes of S3.", "Send the key of an object that exists."
        )
    return address


SubjectId = Annotated[
    str,
    StringConstraints(pattern=r"^sub_[0-9A-HJKMNP-TV-Z]{26}$"),
    Field(description="the id of a subject as POST /v1/subjects answered it: sub_ and 26 digits and capitals"),
]
UploadId = Annotated[
    str,
    StringConstraints(pattern=r"^upl_[0-9A-HJKMNP-TV-Z]{26}$"),
    Field(description="the id of an upload as POST /v1/uploads answered it: upl_ and 26 digits and capitals"),
]
HttpsUrl = Annotated[
    str,
    StringConstraints(max_length=4096),
    AfterValidator(_fetchable),
    Field(description="a public https link of at most 4,096 characters"),
]
DataUrl = Annotated[
    str,
    StringConstraints(max_length=7_000_000),
    AfterValidator(_decodable),
    Field(
        description="data:image/png;base64, and then the base64 of a small image; upload larger ones with POST /v1/uploads"
    ),
]
S3Url = Annotated[
    str,
    StringConstraints(pattern=r"^s3://[a-z0-9.-]{3,63}/[^\x00-\x1f]+$", max_length=4096),
    AfterValidator(_object_key),
    Field(description="the address of an object in the tenant's own folders, such as s3://bucket/uploads/tenant/file"),
]


class ImageRef(Strict):
    """A place to read an image from.

    `upload`: id from `POST /v1/uploads`; `url`: public https address; `data`: base64 data URL, inside the body limit;
    `s3`: an object in the tenant's own folders (`uploads/<tenant>/`, `drop/<tenant>/`, `results/<tenant>/`).
    """

    model_config = ConfigDict(json_schema_extra={"examples": [{"upload": "upl_..."}]})

    upload: UploadId | None = None
    url: HttpsUrl | None = None
    data: DataUrl | None = Field(default=None, repr=False)
    s3: S3Url | None = None

    ways: ClassVar[tuple[str, ...]] = KINDS
    """Exactly one of these fields is given."""

    @model_validator(mode="after")
    def exactly_one(self) -> Self:
        given = sum(getattr(self, way) is not None for way in self.ways)
        if given != 1:
            ways = f"{', '.join(self.ways[:-1])} or {self.ways[-1]}"
            if not given:
                raise rule_error("", "The image has no source.", f"Send one of {ways}.")
            raise rule_error("", "The image is named in several ways.", f"Send only one of {ways}.")
        return self

    @property
    def kind(self) -> Kind | None:
        """How the picture is named; None when it is none."""
        return next((kind for kind in KINDS if getattr(self, kind) is not None), None)
