"""How a request names a picture: exactly one of `upload`, `url`, `data`, `s3`."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

Kind = Literal["upload", "url", "data", "s3"]
KINDS: tuple[Kind, ...] = get_args(Kind)

UploadId = Annotated[str, StringConstraints(pattern=r"^upl_[0-9A-HJKMNP-TV-Z]{26}$")]
HttpsUrl = Annotated[str, StringConstraints(pattern=r"^https?://\S+$", max_length=4096)]
DataUrl = Annotated[str, StringConstraints(pattern=r"^data:image/[a-z+.-]+;base64,", max_length=7_000_000)]
S3Url = Annotated[str, StringConstraints(pattern=r"^s3://[a-z0-9.-]{3,63}/[^\x00-\x1f]+$", max_length=1200)]


class ImageRef(BaseModel):
    """`upload`: id from `POST /v1/uploads`; `url`: public https address; `data`: base64 data URL, inside the body limit;
    `s3`: an object in the tenant's own folders (`uploads/<tenant>/`, `drop/<tenant>/`, `results/<tenant>/`)."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    upload: UploadId | None = None
    url: HttpsUrl | None = None
    data: DataUrl | None = Field(default=None, repr=False)
    s3: S3Url | None = None

    @model_validator(mode="after")
    def exactly_one(self) -> ImageRef:
        if sum(getattr(self, kind) is not None for kind in KINDS) != 1:
            raise ValueError("name the picture in exactly one way: upload, url, data or s3")
        return self

    @property
    def kind(self) -> Kind:
        return next(kind for kind in KINDS if getattr(self, kind) is not None)
