"""InvokeEndpointAsync as its API reference has it: every parameter is a header, and nothing else is taken."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

PREFIX = "x-amzn-sagemaker-"
TEXT = r"[\x20-\x7e]{1,1024}"
RULES = {
    "content-type": TEXT,
    "accept": TEXT,
    "custom-attributes": TEXT,
    "inference-id": r"[\x20-\x7e]{1,64}",
    "inputlocation": r"(https|s3)://([^/]+)/?(.*)",
    "s3outputpathextension": r"[a-zA-Z0-9!_.*'()/-]{1,512}",
    "filename": r"(?=.{1,32}$)[a-zA-Z0-9][a-zA-Z0-9-_]*(\.[a-zA-Z0-9-_]*)?",
    "requestttlseconds": r"\d+",
    "invocationtimeoutseconds": r"\d+",
}
RANGES = {"requestttlseconds": (60, 21_600, 21_600), "invocationtimeoutseconds": (1, 3600, 900)}
"""Least, most, default."""
MAX_INLINE = 128_000


class InvalidError(Exception):
    """The call breaks the reference; the text names the parameter and the rule."""


class Call(NamedTuple):
    """What was asked for. Seconds; `input` is a bucket and a key."""

    inference_id: str | None
    input: tuple[str, str]
    extension: str
    filename: str | None
    in_queue: int
    at_work: int


def parsed(headers: Mapping[str, str], body: bytes) -> Call:
    """Read the call. Raises InvalidError."""
    given = {name[len(PREFIX) :]: value for name, value in headers.items() if name.startswith(PREFIX)}
    for name, value in given.items():
        if name not in RULES:
            raise InvalidError(f"{PREFIX}{name} is no parameter of InvokeEndpointAsync")
        if not re.fullmatch(RULES[name], value):
            raise InvalidError(f"{PREFIX}{name} does not match {RULES[name]}")
    seconds = {}
    for name, (least, most, default) in RANGES.items():
        seconds[name] = int(given.get(name, default))
        if not least <= seconds[name] <= most:
            raise InvalidError(f"{PREFIX}{name} must be {least} to {most}, it is {seconds[name]}")
    if bool(body) == ("inputlocation" in given) or len(body) > MAX_INLINE:
        raise InvalidError(f"exactly one of InputLocation and a body of at most {MAX_INLINE} bytes is needed")
    located = re.fullmatch(r"s3://([^/]+)/(.+)", given.get("inputlocation", ""))
    if located is None:
        raise InvalidError("this simulator reads its input from S3 only")
    return Call(
        given.get("inference-id"),
        (located[1], located[2]),
        given.get("s3outputpathextension", ""),
        given.get("filename"),
        seconds["requestttlseconds"],
        seconds["invocationtimeoutseconds"],
    )
