"""What S3 answers, and what we make of it."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from fitting_room.stores import aws, media
from tests.integration.world import INBOX, World


def refuse(code: str, monkeypatch: pytest.MonkeyPatch, operation: str) -> None:
    def refused(**_: Any) -> None:
        raise ClientError({"Error": {"Code": code, "Message": "x"}}, operation)

    monkeypatch.setattr(aws.s3(), operation, refused)


@pytest.mark.parametrize("code", ["NoSuchKey", "404"])
def test_an_object_that_is_not_there_is_none(world: World, code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    refuse(code, monkeypatch, "get_object")
    refuse(code, monkeypatch, "head_object")
    assert media.read("k") is None
    assert not media.exists("k", bucket=INBOX)


@pytest.mark.parametrize("code", ["AccessDenied", "403", "SlowDown", "500"])
def test_any_other_answer_is_not_taken_for_an_absence(world: World, code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    refuse(code, monkeypatch, "get_object")
    refuse(code, monkeypatch, "head_object")
    with pytest.raises(ClientError):
        media.read("k")
    with pytest.raises(ClientError):
        media.exists("k", bucket=INBOX)


def test_no_more_is_read_than_shows_the_excess(world: World) -> None:
    key = world.put("big", b"x" * 1000)
    assert len(media.read(key, bucket=INBOX, max_bytes=100) or b"") == 101
    assert media.read(key, bucket=INBOX, max_bytes=1000) == b"x" * 1000
    assert media.read(world.put("empty", b""), bucket=INBOX, max_bytes=100) == b""


def test_a_folder_of_any_size_is_listed_without_what_lies_below(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", "5")
    for n in range(12):
        aws.s3().put_object(Bucket=INBOX, Key=f"drop/acme/f/{n:04}", Body=b"")
    world.put("x", b"", folder="drop/acme/f/below")
    world.put("x", b"", folder="drop/acme/f-other")
    assert [found.key for found in media.listing(INBOX, "drop/acme/f/")] == [f"drop/acme/f/{n:04}" for n in range(12)]


def test_an_upload_form_takes_one_file_of_its_type_that_is_neither_empty_nor_larger_than_announced(
    world: World,
) -> None:
    form = media.upload_form("uploads/acme/upl_1", "image/png", 1000)
    policy = json.loads(base64.b64decode(form["fields"]["policy"]))["conditions"]
    assert ["content-length-range", 1, 1000] in policy
    assert {"Content-Type": "image/png"} in policy
    assert {"key": "uploads/acme/upl_1"} in policy
    assert {"bucket": INBOX} in policy
