"""Every route of the API in words: what it takes, what it answers, and with which errors."""

from __future__ import annotations

from typing import Any, NamedTuple, get_args

from pydantic import BaseModel

from fitting_room.actions.requests.retry import RetryRequest
from fitting_room.actions.requests.upload import UploadRequest
from fitting_room.jobs.batch import BatchRequest
from fitting_room.jobs.errors import CODES
from fitting_room.jobs.job import Status
from fitting_room.jobs.tasks import TASKS
from fitting_room.jobs.token import TokenRequest
from openapi import answers

Codes = tuple[str | tuple[str, int], ...]
"""Of errors; with a status where it is not the one of the table of codes."""

_ALWAYS: Codes = (("invalid_input", 400), "unauthorized", "forbidden", "throttled", "internal")
_BODY: Codes = ("invalid_input", "too_large", "unsupported_media_type")
_JOB: Codes = ("not_found", "erased")
_PLAN: Codes = (
    "unsupported_option",
    "provider_not_configured",
    "provider_paused",
    "provider_not_allowed",
    "model_retired",
    "subject_not_ready",
)
_SUBMIT: Codes = (
    *_BODY,
    *_PLAN,
    "upload_missing",
    "webhook_not_configured",
    "idempotency_conflict",
    "budget_exceeded",
    "erased",
)

NO_KEY: Codes = ("invalid_input", "throttled", "internal")


class Parameter(NamedTuple):
    name: str
    place: str
    about: str
    schema: dict[str, Any]
    example: Any = None


class Operation(NamedTuple):
    """`body`: a model, or the name of a schema.

    `answer`: the model of an answer, None for one without a body. `headers`: those that an answer may have beyond
    the common ones.
    """

    summary: str
    statuses: tuple[int, ...] = (200,)
    answer: type[BaseModel] | None = None
    body: type[BaseModel] | str | None = None
    optional_body: bool = False
    codes: Codes = ()
    headers: tuple[str, ...] = ()
    parameters: tuple[Parameter, ...] = ()

    def refusals(self) -> dict[int, list[str]]:
        """Return the codes of errors by status, both in order."""
        found: dict[int, list[str]] = {}
        for each in (*_ALWAYS, *self.codes):
            code, status = each if isinstance(each, tuple) else (each, CODES[each].status)
            assert status, f"{code} ends jobs only"
            found.setdefault(status, []).append(code)
        return dict(sorted(found.items()))


def _id(prefix: str) -> dict[str, Any]:
    return {"type": "string", "pattern": f"^{prefix}_[0-9A-HJKMNP-TV-Z]{{26}}$"}


PATH = {
    "job_id": Parameter("job_id", "path", "The id of a job.", _id("job"), "job_01K3Q8Z7M0T4N6V9X2B5C8D1E3"),
    "batch_id": Parameter("batch_id", "path", "The id of a batch.", _id("bat"), "bat_01K3Q8Z7M0T4N6V9X2B5C8D1E3"),
    "subject_id": Parameter("subject_id", "path", "The id of a subject.", _id("sub"), "sub_01K3Q8Z7M0T4N6V9X2B5C8D1E3"),
    "owner": Parameter(
        "owner", "path", "The `owner` of jobs.", {"type": "string", "minLength": 1, "maxLength": 128}, "shopper-8812"
    ),
    "name": Parameter(
        "name",
        "path",
        "The number of an image, counted from 1, or `mask`.",
        {"type": "string", "pattern": "^([1-9][0-9]{0,2}|mask)$"},
        "1",
    ),
}
IDEMPOTENCY = Parameter(
    "Idempotency-Key",
    "header",
    "The same key and body answer the same job for 24 hours.",
    {"type": "string", "pattern": "^[\\x21-\\x7e]{1,255}$"},
    "order-8812-1",
)
PREFER = Parameter(
    "Prefer",
    "header",
    "`wait=N` waits at most 25 seconds for the job's end. The API ignores a value that it does not understand.",
    {"type": "string"},
    "wait=25",
)
_TIME = {"type": "string", "format": "date-time"}
_DAY = {"type": "string", "format": "date", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"}
USAGE = (
    Parameter("from", "query", "The first day (UTC). Default: `to`, or today.", _DAY, "2026-11-01"),
    Parameter("to", "query", "The last day, at most 30 days later. Default: today.", _DAY, "2026-11-26"),
    Parameter(
        "by",
        "query",
        "Gives one item for each combination: `day`, `provider`, `owner`, or several with commas.",
        {"type": "string", "pattern": "^((day|provider|owner)(,|$))*$"},
        "day,provider",
    ),
)
PAGE = (
    Parameter("limit", "query", "How many items at most.", {"type": "integer", "minimum": 1, "maximum": 100}, 100),
    Parameter("cursor", "query", "The `next_cursor` of the page before.", _id("sub")),
)
BATCHES = (PAGE[0], Parameter("cursor", "query", "The `next_cursor` of the page before.", _id("bat")))
SHEET = Parameter("page", "query", "The number of a page, counted from 1.", {"type": "integer", "minimum": 1}, 1)
JOBS = (
    PAGE[0],
    Parameter("cursor", "query", "The `next_cursor` of the page before.", {"type": "string"}),
    Parameter("status", "query", "Jobs that stand so.", {"enum": list(get_args(Status))}, "succeeded"),
    Parameter("task", "query", "Jobs of this task.", {"enum": list(TASKS)}, "try_on"),
    Parameter("provider", "query", "Jobs that this provider does or did.", {"type": "string"}, "fashn"),
    Parameter("owner", "query", "Jobs of exactly this owner.", {"type": "string"}, "shopper-8812"),
    Parameter("reference", "query", "Jobs with exactly this reference.", {"type": "string"}),
    Parameter("batch", "query", "Jobs of this batch.", _id("bat")),
    Parameter("created_after", "query", "Jobs created after this time.", _TIME, "2026-11-26T10:00:00Z"),
    Parameter("created_before", "query", "Jobs created before this time.", _TIME),
)
_NEW_JOB = ("Location", "Retry-After", "Idempotent-Replayed")

OPERATIONS: dict[str, Operation] = {
    "create_an_upload": Operation(
        "Get a form to send one file with", (201,), answers.Upload, UploadRequest, codes=_BODY
    ),
    "create_a_job": Operation(
        "Submit a job. 202: it is stored; 200: it is over already, because the call waited for it",
        (200, 202),
        answers.JobShown,
        "JobRequest",
        codes=_SUBMIT,
        headers=(*_NEW_JOB, "Preference-Applied"),
        parameters=(IDEMPOTENCY, PREFER),
    ),
    "estimate_a_job": Operation(
        "Learn what a job would do and cost. Nothing is bought or stored",
        (200,),
        answers.Estimate,
        "JobRequest",
        codes=(*_BODY, *_PLAN, "webhook_not_configured"),
    ),
    "get_the_jobs": Operation("List jobs, newest first", answer=answers.Jobs, parameters=JOBS),
    "get_a_job": Operation(
        "Look at a job",
        answer=answers.JobShown,
        codes=_JOB,
        headers=("Retry-After", "Preference-Applied"),
        parameters=(PREFER,),
    ),
    "delete_a_job": Operation("Erase a job and its images", (202,), answers.Erasure, codes=("not_found",)),
    "cancel_a_job": Operation("Cancel a job", (202,), answers.JobShown, codes=_JOB, headers=("Retry-After",)),
    "retry_a_job": Operation(
        "Do a failed or cancelled job again as a new job",
        (202,),
        answers.JobShown,
        RetryRequest,
        optional_body=True,
        codes=(
            *_BODY,
            *_JOB,
            *_PLAN,
            ("upload_missing", 409),
            "webhook_not_configured",
            "conflict",
            "may_be_charged",
            "budget_exceeded",
        ),
        headers=_NEW_JOB,
    ),
    "recover_a_job": Operation(
        "Fetch what a failed or cancelled job may have paid for, as a new job. It buys nothing",
        (202,),
        answers.JobShown,
        codes=(*_JOB, "conflict", "nothing_to_recover"),
        headers=_NEW_JOB,
    ),
    "get_an_image": Operation("Be redirected to a fresh link to an image", (303,), codes=_JOB, headers=("Location",)),
    "get_the_deliveries": Operation(
        "See what the job's webhook was told and answered", answer=answers.Deliveries, codes=_JOB
    ),
    "send_a_webhook_again": Operation(
        "Tell the job's webhook again", (202,), answers.Deliveries, codes=(*_JOB, "conflict")
    ),
    "create_a_subject": Operation(
        "Have a provider learn a person or a garment",
        (202,),
        answers.SubjectShown,
        "SubjectRequest",
        codes=_SUBMIT,
        headers=_NEW_JOB,
        parameters=(IDEMPOTENCY,),
    ),
    "get_the_subjects": Operation("List subjects, newest first", answer=answers.Subjects, parameters=PAGE),
    "get_a_subject": Operation(
        "Look at a subject", answer=answers.SubjectShown, codes=("not_found",), headers=("Retry-After",)
    ),
    "delete_a_subject": Operation(
        "Erase a subject, and the job that made it", (202,), answers.Erasure, codes=("not_found",)
    ),
    "create_a_batch": Operation(
        "Have many jobs done: the rows of a manifest, or persons crossed with garments. 202: it is stored",
        (202,),
        answers.BatchShown,
        BatchRequest,
        codes=(*_BODY, "upload_missing", "webhook_not_configured", "idempotency_conflict", "erased"),
        headers=_NEW_JOB,
        parameters=(IDEMPOTENCY,),
    ),
    "get_the_batches": Operation(
        "List batches, newest first", answer=answers.Batches, codes=(("invalid_input", 400),), parameters=BATCHES
    ),
    "get_a_batch": Operation(
        "Look at a batch: its counts, its cost and its errors",
        answer=answers.BatchShown,
        codes=_JOB,
        headers=("Retry-After",),
    ),
    "get_the_jobs_of_a_batch": Operation(
        "List the jobs of a batch, the last row first",
        answer=answers.Jobs,
        codes=(*_JOB, ("invalid_input", 400)),
        parameters=tuple(each for each in JOBS if each.name != "batch"),
    ),
    "cancel_a_batch": Operation(
        "Cancel a batch: its open rows, and those that were not begun",
        (202,),
        answers.BatchShown,
        codes=_JOB,
        headers=("Retry-After",),
    ),
    "resume_a_batch": Operation(
        "Go on with a batch that is paused, or on hold",
        (202,),
        answers.BatchShown,
        codes=(*_JOB, "conflict"),
        headers=("Retry-After",),
    ),
    "delete_a_batch": Operation(
        "Erase a batch with all its jobs and reports", (202,), answers.BatchErasure, codes=_JOB
    ),
    "get_the_report_as_csv": Operation(
        "Be redirected to the report of a batch as a table",
        (303,),
        codes=(*_JOB, "conflict"),
        headers=("Location",),
    ),
    "get_the_report_as_json": Operation(
        "Be redirected to the report of a batch as JSON", (303,), codes=(*_JOB, "conflict"), headers=("Location",)
    ),
    "get_a_contact_sheet": Operation(
        "Be redirected to a page with the images of 200 rows, as they are now",
        (303,),
        codes=(*_JOB, ("invalid_input", 400)),
        headers=("Location",),
        parameters=(SHEET,),
    ),
    "get_the_providers": Operation("List the providers and what they can do", answer=answers.Providers),
    "create_a_token": Operation(
        "Make a token for a shopper's browser",
        (201,),
        answers.TokenMade,
        TokenRequest,
        codes=(*_BODY, *_PLAN, "upload_missing", "webhook_not_configured"),
    ),
    "delete_an_owner": Operation("Erase all that an owner has", (202,), answers.OwnerErasure, codes=("invalid_input",)),
    "get_the_account": Operation("See what the key is, and what is left of the day", answer=answers.Account),
    "get_the_usage": Operation(
        "See what was made and spent",
        answer=answers.UsageReport,
        parameters=USAGE,
    ),
}
"""By the name of the function that answers the route, which is the `operationId`."""

HEADERS = {
    "Request-Id": "The id by which the operator finds the request.",
    "Location": "The address of the job, batch or subject, or the link to the image or report.",
    "Retry-After": "Seconds after which to ask again.",
    "Idempotent-Replayed": "`true`: this key had submitted the job or batch already.",
    "Preference-Applied": "The API has waited, as `Prefer` asked.",
    "WWW-Authenticate": "`Bearer`.",
}
