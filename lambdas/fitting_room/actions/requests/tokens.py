"""Tokens for browsers: the shop makes one for one shopper, and what the shopper sends is held to it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from pydantic import JsonValue, ValidationError

from fitting_room import clock
from fitting_room.actions.requests.check import check
from fitting_room.clock import Clock
from fitting_room.jobs.document import flaws, pointer_of
from fitting_room.jobs.errors import Fault, Refusal
from fitting_room.jobs.image_ref import ImageRef
from fitting_room.jobs.links import Arrival
from fitting_room.jobs.parse import faults_of
from fitting_room.jobs.token import Token, TokenRequest, is_prefix
from fitting_room.settings import settings
from fitting_room.stores import tokens, uploads
from fitting_room.stores.api_keys import Caller

_SHOPPERS = ("person", "garments", "reference")
_TOKENS = ("task", "person", "garments", "owner")
_OF_A_GARMENT = frozenset({"category", "type", "photo"})
_LARGEST = 100_000


def create_token(body: Any, caller: Caller, at: Clock) -> dict[str, str]:
    """Return `{token, expires_at}`. The template must do for a job. Raises `Refusal` with all faults."""
    if unfit := [_invalid(pointer_of(path), detail, remedy) for path, detail, remedy in flaws(body)]:
        raise Refusal(*unfit[:50])
    try:
        asked = TokenRequest.model_validate(body)
    except ValidationError as error:
        raise Refusal(*faults_of(error, TokenRequest)) from None
    faults = [*_of_template(asked), *_of_garments(asked)]
    if len(json.dumps([asked.request, asked.garments])) > _LARGEST:
        faults.append(_invalid("/request", f"`request` and `garments` have more than {_LARGEST:,} characters."))
    if faults := faults or _of_trial(asked, caller, at):
        raise Refusal(*faults)
    secret, digest = tokens.new_secret()
    token = Token(
        digest=digest,
        tenant=caller.tenant,
        mode=caller.mode,
        made_by=caller.key,
        created_at=clock.text(at.now()),
        expires_at=clock.later(at.now(), asked.ttl_seconds),
        **asked.model_dump(exclude={"ttl_seconds"}),
    )
    tokens.put(token, at.sleep)
    return {"token": secret, "expires_at": token.expires_at}


def narrowed(body: Any, token: Token, caller: Caller) -> Any:
    """Return the body of a job as the shop's template makes it of what a shopper sent. Raises `Refusal` `forbidden`."""
    if not isinstance(body, dict):
        return body  # no request at all: refused as anybody's
    faults = [
        _forbidden(pointer_of((name,)), "The shop decides this.", f"Send only {', '.join(_SHOPPERS)}.")
        for name in body
        if name not in _SHOPPERS
    ]
    faults += [*_of_person(body, caller), *_of_worn(body, token)]
    if faults:
        raise Refusal(*faults[:50])
    return {**token.request, **body, "task": "try_on", "owner": token.owner}


def used_up(token: Token) -> Refusal:
    jobs = "job" if token.max_jobs == 1 else "jobs"
    return Refusal(
        _forbidden(
            None, f"This token was for {token.max_jobs} {jobs}, or it has ended.", "Ask the shop for a new token."
        )
    )


def _of_person(body: dict[str, Any], caller: Caller) -> Iterator[Fault]:
    person = body.get("person", {"upload": None})
    upload_id = person.get("upload") if isinstance(person, dict) and set(person) == {"upload"} else ""
    if upload_id == "":
        yield _forbidden("/person", "A token names a person only by an upload.", _OWN_UPLOAD)
    elif isinstance(upload_id, str) and clock.is_id(upload_id, "upl"):
        upload = uploads.find(upload_id)
        if upload and not caller.owns(upload):
            yield _forbidden("/person/upload", "This upload was not made with a token of this owner.", _OWN_UPLOAD)


_OWN_UPLOAD = 'Upload the image with POST /v1/uploads and this token, and send {"upload": "upl_..."}.'


def _of_worn(body: dict[str, Any], token: Token) -> Iterator[Fault]:
    worn = body.get("garments", [])
    for index, garment in enumerate(worn if isinstance(worn, list) else [None]):
        named = _named(garment)
        if named is None or not token.allows(named):
            yield _forbidden(
                f"/garments/{index}",
                "The token does not allow this garment.",
                "Name one of the garments that the shop allowed, in one way, with `category`, `type` or `photo` at most.",
            )


def _named(garment: Any) -> dict[str, Any] | None:
    """How a garment is named, if that is all that is said besides what it is."""
    if not isinstance(garment, dict):
        return None
    said = {name: value for name, value in garment.items() if name not in _OF_A_GARMENT}
    if set(said) == {"subject"}:
        return said
    image = said.get("image")
    return image if set(said) == {"image"} and isinstance(image, dict) and len(image) == 1 else None


def _of_template(asked: TokenRequest) -> Iterator[Fault]:
    for name in _TOKENS:
        if name in asked.request and (name, asked.request[name]) != ("task", "try_on"):
            yield _invalid(
                f"/request/{name}",
                "A token makes try-ons of one owner, and the shopper sends person and garments.",
                "Leave it out here.",
            )


def _of_garments(asked: TokenRequest) -> Iterator[Fault]:
    for index, garment in enumerate(asked.garments):
        if isinstance(garment, str) and not (is_prefix(garment) and len(garment) <= 1024):
            yield _invalid(
                f"/garments/{index}",
                "This is no prefix of addresses.",
                "Send https, a host and a path that ends in a slash, such as https://shop.example/garments/.",
            )
        elif isinstance(garment, dict) and len(garment) == 1 and "data" not in garment:
            yield from _of_name(garment, f"/garments/{index}")
        elif not isinstance(garment, str):
            yield _invalid(
                f"/garments/{index}",
                "This names no garment.",
                "Send a prefix of addresses, or one of url, upload, s3 and subject.",
            )


def _of_name(garment: dict[str, JsonValue], pointer: str) -> Iterator[Fault]:
    if "subject" in garment:
        if not (isinstance(garment["subject"], str) and clock.is_id(garment["subject"], "sub")):
            yield _invalid(
                f"{pointer}/subject", "This is no id of a subject.", "Send one as POST /v1/subjects answers."
            )
        return
    try:
        ImageRef.model_validate(garment, context=Arrival(frozenset(settings().deployment.fetch_allow)))
    except ValidationError as error:
        yield from faults_of(error, ImageRef, pointer)


def _of_trial(asked: TokenRequest, caller: Caller, at: Clock) -> list[Fault]:
    """Return the faults of the template, as a job with the first garment would meet them."""
    first = asked.garments[0]
    image: JsonValue = {"url": first} if isinstance(first, str) else first
    garment = first if isinstance(first, dict) and "subject" in first else {"image": image}
    trial = {
        **asked.request,
        "task": "try_on",
        "owner": asked.owner,
        "person": {"upload": "upl_" + "0" * 26},
        "garments": [{**garment, "category": "tops"}],
    }
    try:
        check(trial, caller, at, find_uploads=False)
    except Refusal as refusal:
        return [fault.model_copy(update={"pointer": _told(fault.pointer)}) for fault in refusal.faults]
    return []


def _told(pointer: str | None) -> str:
    return "/garments/0" if (pointer or "").startswith("/garments/0") else f"/request{pointer or ''}"


def _invalid(pointer: str, detail: str, remedy: str = "Send less.") -> Fault:
    return Fault.of("invalid_input", detail, remedy, pointer=pointer)


def _forbidden(pointer: str | None, detail: str, remedy: str) -> Fault:
    return Fault.of("forbidden", detail, remedy, pointer=pointer)
