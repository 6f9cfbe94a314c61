"""How a request names a picture: exactly one of `upload`, `url`, `data`, `s3`; and how it names a subject."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

Kind = Literal["upload", "url", "data", "s3"]
KINDS: tuple[Kind, ...] = get_args(Kind)

SubjectId = Annotated[str, StringConstraints(pattern=r"^sub_[0-9A-HJKMNP-TV-Z]{26}$")]
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

    ways: ClassVar[tuple[str, ...]] = KINDS
    """Exactly one of these fields is given."""

    @model_validator(mode="after")
    def exactly_one(self) -> Self:
        if sum(getattr(self, way) is not None for way in self.ways) != 1:
            raise ValueError(f"Name it in exactly one way: {', '.join(self.ways[:-1])} or {self.ways[-1]}")
        return self

    @property
    def kind(self) -> Kind | None:
        """How the picture is named; None when it is none."""
        return next((kind for kind in KINDS if getattr(self, kind) is not None), None)
