"""Pictures in S3: inputs, working copies in `staging/`, results. Links are signed when asked for and never stored.

A denied read raises: it is a fault of the deployment, not an absence. S3 distinguishes them only for callers that may
list.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from botocore.exceptions import ClientError

from fitting_room.settings import settings
from fitting_room.stores import aws

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import ObjectIdentifierTypeDef

LINK_SECONDS = 900


def put(key: str, data: bytes, media_type: str, *, bucket: str | None = None) -> None:
    aws.s3().put_object(Bucket=bucket or settings().media_bucket, Key=key, Body=data, ContentType=media_type)


def read(key: str, *, bucket: str | None = None, max_bytes: int | None = None, etag: str | None = None) -> bytes | None:
    """Return the object, or None when there is none.

    With `max_bytes`, at most one byte more is read: enough to see the excess. With `etag`, an object of other content counts
    as none.
    """
    asked: dict[str, Any] = {"Bucket": bucket or settings().media_bucket, "Key": key}
    if etag is not None:
        asked["IfMatch"] = etag
    if max_bytes is not None:
        asked["Range"] = f"bytes=0-{max_bytes}"
    try:
        return aws.s3().get_object(**asked)["Body"].read()
    except ClientError as error:
        if aws.reason(error) in ("NoSuchKey", "404", "PreconditionFailed"):
            return None
        if aws.reason(error) == "InvalidRange":
            return b""
        raise


def copy(key: str, to: str, *, bucket: str | None = None) -> bool:
    """Copy an object into the media bucket; False when there is none."""
    try:
        aws.s3().copy_object(
            Bucket=settings().media_bucket, Key=to, CopySource={"Bucket": bucket or settings().media_bucket, "Key": key}
        )
    except ClientError as error:
        if aws.reason(error) in ("NoSuchKey", "404"):
            return False
        raise
    return True


def exists(key: str, *, bucket: str) -> bool:
    try:
        aws.s3().head_object(Bucket=bucket, Key=key)
    except ClientError as error:
        if aws.reason(error) in ("404", "NoSuchKey"):
            return False
        raise
    return True


class Listed(NamedTuple):
    """An object in a listing. `modified`: aware UTC."""

    key: str
    etag: str
    modified: datetime
    size: int


def listing(bucket: str, folder: str, *, deep: bool = False) -> Iterator[Listed]:
    """List the objects directly in a folder (`a/b/`), or anywhere below it, in order of their keys."""
    for page in (
        aws.s3().get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=folder, Delimiter="" if deep else "/")
    ):
        for found in page.get("Contents", []):
            yield Listed(found["Key"], found["ETag"].strip('"'), found["LastModified"], found["Size"])


def remove(keys: Iterable[str], *, bucket: str | None = None) -> None:
    """Delete objects; those that are not there count as deleted.

    Raises `OSError` when S3 keeps one.
    """
    wanted: list[ObjectIdentifierTypeDef] = [{"Key": key} for key in keys]
    for start in range(0, len(wanted), 1000):
        answer = aws.s3().delete_objects(
            Bucket=bucket or settings().media_bucket, Delete={"Objects": wanted[start : start + 1000], "Quiet": True}
        )
        if errors := answer.get("Errors"):
            raise OSError(f"S3 kept {len(errors)} objects: {errors[0].get('Code')}")


def link(key: str, *, bucket: str | None = None, seconds: int = LINK_SECONDS) -> str:
    """Return a presigned GET for one object."""
    return aws.s3().generate_presigned_url(
        "get_object", Params={"Bucket": bucket or settings().media_bucket, "Key": key}, ExpiresIn=seconds
    )


def upload_form(key: str, media_type: str, size: int, seconds: int = LINK_SECONDS) -> dict[str, Any]:
    """Return a presigned POST `{url, fields}` for one object of exactly this type and at most this many bytes."""
    return aws.s3().generate_presigned_post(
        settings().inbox_bucket,
        key,
        Fields={"Content-Type": media_type},
        Conditions=[{"Content-Type": media_type}, ["content-length-range", 1, size]],
        ExpiresIn=seconds,
    )
