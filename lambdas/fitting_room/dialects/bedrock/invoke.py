"""InvokeModel: submit an ordinary job, wait for its end, and answer it as Nova Canvas would."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from fitting_room.actions.job_view import find_job
from fitting_room.actions.requests.authenticate import authenticate, permit
from fitting_room.actions.requests.places import Place, place
from fitting_room.actions.requests.submit import submit
from fitting_room.actions.requests.throttle import admit
from fitting_room.actions.requests.wait import watched
from fitting_room.clock import Clock
from fitting_room.dialects.bedrock.answer import answered
from fitting_room.dialects.bedrock.call import Call, check_address
from fitting_room.dialects.bedrock.errors import BedrockError, Names, named, of_refusal
from fitting_room.dialects.bedrock.request import SIDE, translated
from fitting_room.dialects.bedrock.size import MOST_PIXELS, pixels
from fitting_room.jobs.data_url import NotDecodable, decode
from fitting_room.jobs.document import MAX_DEPTH, too_deep
from fitting_room.jobs.errors import Refusal
from fitting_room.jobs.job import Job
from fitting_room.settings import settings
from fitting_room.stores.api_keys import Caller

LONGEST_WAIT = 14 * 60
SPARE_SECONDS = 20
"""Left of an invocation to read the images and to make them smaller."""
LOOKS = 1.0, 2.0
"""Seconds between two looks at the job: the first pause, which doubles, and the longest."""
POOL = "dialect_waiters"
_REMEDY = (
    "Set the environment variables AWS_BEARER_TOKEN_BEDROCK to an API key of this deployment (fr_live_... or fr_test_...),"
    " and AWS_ENDPOINT_URL_BEDROCK_RUNTIME to this address."
)
_ABOUT = {"owner": "x-fitting-room-owner", "reference": "x-fitting-room-reference"}
"""Fields of a job that Nova does not know, and the headers that set them."""


def invoke(call: Call, at: Clock) -> tuple[bytes, dict[str, str]]:
    """Return the body and the headers of an answer with status 200. Raises `BedrockError` for any other."""
    names = Names()
    try:
        caller = _caller(call, at)
        check_address(call)
        job, names = translated(_json(call.body))
        job |= {name: call.headers[header] for name, header in _ABOUT.items() if header in call.headers}
        names = names.with_fields({f"/{name}": header for name, header in _ABOUT.items()})
        _check_room(job)
        tries = call.headers.get("amz-sdk-invocation-id")
        waiter = (
            hashlib.sha256(f"{caller.tenant} {caller.mode} {tries}".encode()).hexdigest() if tries else call.request_id
        )
        with place(POOL, settings().deployment.dialect_waiters, caller.mode, waiter, at) as held:
            if held is None:
                raise _full()
            accepted = submit(job, caller, f"bedrock:{waiter}" if tries else None, at)
            return answered(_waited(accepted.job, caller, held, call, at), names)
    except Refusal as refusal:
        raise of_refusal(refusal, names) from None


def _caller(call: Call, at: Clock) -> Caller:
    authorization = call.headers.get("authorization", "")
    admit(authorization, at)
    if not authorization or authorization.startswith("AWS4-"):
        signed = "The request is signed with AWS credentials. This address takes an API key of its own."
        absent = "The request has no API key."
        raise BedrockError("AccessDeniedException", f"{signed if authorization else absent} {_REMEDY}")
    try:
        caller = authenticate(authorization, at)
    except Refusal as refusal:
        if refusal.faults[0].code != "unauthorized":
            raise
        raise BedrockError("AccessDeniedException", f"This API key is not valid here. {_REMEDY}") from None
    for scope in ("submit", "read"):  # it makes a job, and it returns the images
        permit(caller, scope, shoppers=False)
    return caller


def _json(body: bytes) -> Any:
    try:
        read = json.loads(body, parse_constant=_no_number)
        if not too_deep(read):
            return read
    except RecursionError:
        pass
    except ValueError:
        raise BedrockError("ValidationException", "Malformed input request: the body is not valid JSON.") from None
    raise BedrockError(
        "ValidationException", f"Malformed input request: the body is nested more than {MAX_DEPTH} levels deep."
    )


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is JavaScript, not JSON")


def _check_room(job: dict[str, Any]) -> None:
    """Refuse before the purchase more pixels than an answer has room for."""
    count = job["output"].get("count", 1)
    base = job.get("person") or job.get("image")
    size = job.get("size") or {"width": SIDE, "height": SIDE}
    each = _pixels(base["data"]) if base else size["width"] * size["height"]
    if count * each > MOST_PIXELS:
        raise BedrockError(
            "ValidationException",
            f"{count} images of {each:,} pixels do not fit into one answer, which has room for {MOST_PIXELS:,}. Ask for"
            " fewer or smaller images, or call POST /v1/jobs of the HTTP API.",
        )


def _pixels(data: str) -> int:
    """Return the pixels of an image, or 0 where it has none that can be read: what is wrong with it is told later."""
    try:
        return pixels(decode(data)) or 0
    except NotDecodable:
        return 0


def _waited(job: Job, caller: Caller, held: Place, call: Call, at: Clock) -> Job:
    until = at.ms() + min(LONGEST_WAIT, call.seconds_left - SPARE_SECONDS) * 1000
    job = watched(job, until, LOOKS, at, lambda: held.kept(at))
    if job.final:
        return job
    if not held.kept(at):
        raise BedrockError("ThrottlingException", "A later try of this call waits for its job.", named(job))
    find_job(job.id, caller, at)  # or it was erased
    raise BedrockError(
        "ModelTimeoutException",
        f"The job {job.id} goes on, but no call waits longer for it. Look at it with GET /v1/jobs/{job.id} of the HTTP API and"
        " the same key. To send the call again would buy the images again.",
        named(job),
    )


def _full() -> BedrockError:
    return BedrockError(
        "ThrottlingException",
        f"{settings().deployment.dialect_waiters} calls wait for their images already, which is the most at once. Nothing was"
        " bought. Send the call again later.",
        {"retry-after": "5"},
    )
