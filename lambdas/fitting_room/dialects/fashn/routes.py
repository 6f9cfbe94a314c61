"""FASHN's API at `/dialects/fashn`: what one puts in as the base URL of its client."""

from __future__ import annotations

from functools import partial

from fitting_room.actions.job_view import find_job
from fitting_room.clock import Clock
from fitting_room.dialects.fashn import answer, request
from fitting_room.dialects.http import Answer, Call, Dialect, Route
from fitting_room.dialects.predictions import WEBHOOK, images_left, refused
from fitting_room.dialects.purchase import buy
from fitting_room.jobs.errors import Refusal
from fitting_room.stores.api_keys import Caller


def run(call: Call, caller: Caller, at: Clock) -> Answer:
    if "webhook_url" in call.query:
        return refused(Refusal.of("unsupported_option", *WEBHOOK, pointer="/webhook_url"), {})
    model_name, inputs = request.read(call.body())
    try:
        job = buy(request.ours(model_name, inputs), inputs.model, call, caller, at)
    except Refusal as refusal:
        return refused(refusal, inputs.fields, inputs.values)
    return answer.accepted(job)


def status(_: Call, caller: Caller, at: Clock, job_id: str) -> Answer:
    return answer.status(find_job(job_id, caller, at), at)


def credits(_: Call, caller: Caller, at: Clock) -> Answer:
    return answer.credits(images_left(caller, at))


DIALECT = Dialect(
    (
        Route("POST", "/v1/run", "submit", run),
        Route("GET", "/v1/status/<id>", "read", status),
        Route("GET", "/v1/credits", "read", credits),
    ),
    partial(refused, fields={}),
)
