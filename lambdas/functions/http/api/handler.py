"""The HTTP API: every route behind `$default`, so that every answer, a refusal included, is ours."""

from __future__ import annotations

import base64
import difflib
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, unquote

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.utilities.typing import LambdaContext

from fitting_room.actions import pace
from fitting_room.actions.batch.reports import SHEET_QUERY, report_link, sheet_link
from fitting_room.actions.job_view import find_job, image_link, view
from fitting_room.actions.requests import batches, deliveries, list_jobs, paging, subjects, usage
from fitting_room.actions.requests.accept import Accepted
from fitting_room.actions.requests.account import account
from fitting_room.actions.requests.authenticate import authenticate, permit
from fitting_room.actions.requests.cancel import cancel
from fitting_room.actions.requests.context import deployment
from fitting_room.actions.requests.create_batch import create_batch
from fitting_room.actions.requests.delete import delete_job, delete_owner, delete_subject
from fitting_room.actions.requests.estimate import estimate
from fitting_room.actions.requests.list_providers import list_providers
from fitting_room.actions.requests.query import strangers
from fitting_room.actions.requests.recover import recover
from fitting_room.actions.requests.retry import retry
from fitting_room.actions.requests.submit import submit
from fitting_room.actions.requests.throttle import admit, overload
from fitting_room.actions.requests.tokens import create_token
from fitting_room.actions.requests.upload import create_upload
from fitting_room.actions.requests.visible import visible, visible_batch
from fitting_room.actions.requests.wait import SPARE_SECONDS, preferred, wait_for
from fitting_room.clock import Clock
from fitting_room.cold import warm
from fitting_room.jobs.batch import Batch
from fitting_room.jobs.document import decoded
from fitting_room.jobs.errors import PROBLEM, Refusal
from fitting_room.jobs.job import Job
from fitting_room.observability import error_facts, logger
from fitting_room.providers.catalogue import entries
from fitting_room.settings import settings
from fitting_room.stores import aws
from fitting_room.stores.api_keys import Caller, Scope

MAX_BODY = 5_000_000
_OWNERS = "/v1/owners/"

app = APIGatewayHttpResolver()
clock = Clock()
warm(aws.table, aws.s3, aws.step_functions, entries)


def create_an_upload(caller: Caller) -> Response[str]:
    return _answer(201, create_upload(_body(), caller, clock))


def create_a_job(caller: Caller) -> Response[str]:
    accepted = submit(_body(), caller, app.current_event.headers.get("idempotency-key"), clock)
    job, waited = _waited(accepted.job, caller)
    return _accepted(Accepted(job, accepted.replayed), caller, waited)


def estimate_a_job(caller: Caller) -> Response[str]:
    return _answer(200, estimate(_body(), caller, clock))


def get_the_jobs(caller: Caller) -> Response[str]:
    page = list_jobs.list_jobs(caller, _query(), clock)
    return _answer(200, {**page, "items": [visible(job, caller) for job in page["items"]]})


def get_a_job(caller: Caller, job_id: str) -> Response[str]:
    job, waited = _waited(find_job(job_id, caller, clock), caller)
    return _answer(200, _shown(job, caller), _look_again(job) | waited)


def cancel_a_job(caller: Caller, job_id: str) -> Response[str]:
    job = cancel(job_id, caller, clock)
    return _answer(202, _shown(job, caller), _look_again(job))


def retry_a_job(caller: Caller, job_id: str) -> Response[str]:
    return _accepted(retry(job_id, _body(optional=True), caller, clock), caller)


def recover_a_job(caller: Caller, job_id: str) -> Response[str]:
    return _accepted(recover(job_id, caller, clock), caller)


def delete_a_job(caller: Caller, job_id: str) -> Response[str]:
    return _answer(202, delete_job(job_id, caller, clock))


def get_an_image(caller: Caller, job_id: str, name: str) -> Response[str]:
    return _see(image_link(find_job(job_id, caller, clock), name))


def get_the_deliveries(caller: Caller, job_id: str) -> Response[str]:
    return _answer(200, deliveries.list_deliveries(job_id, caller, clock))


def send_a_webhook_again(caller: Caller, job_id: str) -> Response[str]:
    return _answer(202, visible(deliveries.resend(job_id, caller, clock), caller))


def create_a_token(caller: Caller) -> Response[str]:
    return _answer(201, create_token(_body(), caller, clock))


def create_a_subject(caller: Caller) -> Response[str]:
    accepted = subjects.create(_body(), caller, app.current_event.headers.get("idempotency-key"), clock)
    subject = subjects.view(subjects.find_subject(str(accepted.job.subject), caller, clock))
    headers = {"Location": subject["links"]["self"], **_look_again(accepted.job)}
    return _answer(
        202, visible(subject, caller), headers | ({"Idempotent-Replayed": "true"} if accepted.replayed else {})
    )


def get_the_subjects(caller: Caller) -> Response[str]:
    return _answer(200, subjects.list_subjects(caller, _query(), clock))


def get_a_subject(caller: Caller, subject_id: str) -> Response[str]:
    subject = subjects.find_subject(subject_id, caller, clock)
    wait = {"Retry-After": str(pace.of_training(subject.created_at, clock))} if subject.status == "training" else {}
    return _answer(200, subjects.view(subject), wait)


def delete_a_subject(caller: Caller, subject_id: str) -> Response[str]:
    return _answer(202, delete_subject(subject_id, caller, clock))


def delete_an_owner(caller: Caller, owner: str) -> Response[str]:
    return _answer(202, delete_owner(unquote(owner), caller, clock))


def create_a_batch(caller: Caller) -> Response[str]:
    accepted = create_batch(_body(), caller, app.current_event.headers.get("idempotency-key"), clock)
    batch = visible_batch(batches.view(accepted.batch, clock), caller)
    headers = {"Location": batch["links"]["self"], **_look_at_batch(accepted.batch)}
    return _answer(202, batch, headers | ({"Idempotent-Replayed": "true"} if accepted.replayed else {}))


def get_the_batches(caller: Caller) -> Response[str]:
    return _answer(200, batches.list_batches(caller, _query(), clock))


def get_a_batch(caller: Caller, batch_id: str) -> Response[str]:
    batch = batches.find_batch(batch_id, caller, clock)
    return _answer(200, batches.view(batch, clock), _look_at_batch(batch))


def get_the_jobs_of_a_batch(caller: Caller, batch_id: str) -> Response[str]:
    _refuse_strangers(list_jobs.QUERY_OF_A_BATCH)
    batch = batches.find_batch(batch_id, caller, clock)
    return _answer(200, list_jobs.list_jobs(caller, _query(), clock, batch=batch.id))


def cancel_a_batch(caller: Caller, batch_id: str) -> Response[str]:
    batch = batches.cancel_batch(batch_id, caller, clock)
    return _answer(202, visible_batch(batches.view(batch, clock), caller), _look_at_batch(batch))


def resume_a_batch(caller: Caller, batch_id: str) -> Response[str]:
    batch = batches.resume_batch(batch_id, caller, clock)
    return _answer(202, visible_batch(batches.view(batch, clock), caller), _look_at_batch(batch))


def delete_a_batch(caller: Caller, batch_id: str) -> Response[str]:
    return _answer(202, batches.delete_batch(batch_id, caller, clock))


def get_the_report_as_csv(caller: Caller, batch_id: str) -> Response[str]:
    return _see(report_link(batches.find_batch(batch_id, caller, clock), "csv", clock))


def get_the_report_as_json(caller: Caller, batch_id: str) -> Response[str]:
    return _see(report_link(batches.find_batch(batch_id, caller, clock), "json", clock))


def get_a_contact_sheet(caller: Caller, batch_id: str) -> Response[str]:
    _refuse_strangers(SHEET_QUERY)
    batch = batches.find_batch(batch_id, caller, clock)
    return _see(sheet_link(batch, _query(), clock))


def get_the_providers(caller: Caller) -> Response[str]:
    return _answer(200, list_providers(deployment(clock), caller))


def get_the_usage(caller: Caller) -> Response[str]:
    return _answer(200, usage.report(caller, _query(), clock))


def get_the_account(caller: Caller) -> Response[str]:
    return _answer(200, account(caller, clock))


class Route(NamedTuple):
    method: str
    path: str
    scope: Scope
    answer: Callable[..., Response[str]]
    shoppers: bool = False
    """Whether a token may make this call."""
    query: tuple[str, ...] = ()
    """The names that its query may have. A call that takes some refuses all others together with wrong values."""


ROUTES = [
    Route("POST", "/v1/uploads", "submit", create_an_upload, shoppers=True),
    Route("POST", "/v1/jobs", "submit", create_a_job, shoppers=True),
    Route("POST", "/v1/jobs/estimate", "read", estimate_a_job),
    Route("GET", "/v1/jobs", "read", get_the_jobs, shoppers=True, query=list_jobs.QUERY),
    Route("GET", "/v1/jobs/<job_id>", "read", get_a_job, shoppers=True),
    Route("DELETE", "/v1/jobs/<job_id>", "erase", delete_a_job, shoppers=True),
    Route("POST", "/v1/jobs/<job_id>/cancel", "submit", cancel_a_job, shoppers=True),
    Route("POST", "/v1/jobs/<job_id>/retry", "submit", retry_a_job, shoppers=True),
    Route("POST", "/v1/jobs/<job_id>/recover", "submit", recover_a_job, shoppers=True),
    Route("GET", "/v1/jobs/<job_id>/images/<name>", "read", get_an_image, shoppers=True),
    Route("GET", "/v1/jobs/<job_id>/deliveries", "read", get_the_deliveries),
    Route("POST", "/v1/jobs/<job_id>/deliveries", "submit", send_a_webhook_again),
    Route("POST", "/v1/tokens", "admin", create_a_token),
    Route("POST", "/v1/subjects", "submit", create_a_subject),
    Route("GET", "/v1/subjects", "read", get_the_subjects, query=paging.NAMES),
    Route("GET", "/v1/subjects/<subject_id>", "read", get_a_subject),
    Route("DELETE", "/v1/subjects/<subject_id>", "erase", delete_a_subject),
    Route("DELETE", "/v1/owners/<owner>", "erase", delete_an_owner),
    Route("POST", "/v1/batches", "submit", create_a_batch),
    Route("GET", "/v1/batches", "read", get_the_batches, query=paging.NAMES),
    Route("GET", "/v1/batches/<batch_id>", "read", get_a_batch),
    Route("GET", "/v1/batches/<batch_id>/jobs", "read", get_the_jobs_of_a_batch, query=list_jobs.QUERY_OF_A_BATCH),
    Route("POST", "/v1/batches/<batch_id>/cancel", "submit", cancel_a_batch),
    Route("POST", "/v1/batches/<batch_id>/resume", "submit", resume_a_batch),
    Route("DELETE", "/v1/batches/<batch_id>", "erase", delete_a_batch),
    Route("GET", "/v1/batches/<batch_id>/report.csv", "read", get_the_report_as_csv),
    Route("GET", "/v1/batches/<batch_id>/report.json", "read", get_the_report_as_json),
    Route("GET", "/v1/batches/<batch_id>/report.html", "read", get_a_contact_sheet, query=SHEET_QUERY),
    Route("GET", "/v1/providers", "read", get_the_providers),
    Route("GET", "/v1/usage", "read", get_the_usage, query=usage.QUERY),
    Route("GET", "/v1/account", "read", get_the_account),
]


FILES = {
    "/v1/openapi.json": ("openapi.json", "application/json"),
    "/v1/docs": ("docs.html", "text/html; charset=utf-8"),
}
"""What the API says of itself. It is the same for all, so it needs no key."""
_PAGE_POLICY = "default-src 'none'; connect-src 'self'; script-src 'unsafe-inline'; style-src 'unsafe-inline'"


def _file(name: str, content_type: str) -> Callable[[], Response[str]]:
    def answer() -> Response[str]:
        admit(None, clock)
        _refuse_strangers()
        headers = {"Content-Security-Policy": _PAGE_POLICY, "X-Content-Type-Options": "nosniff", **_common()}
        text = Path(__file__).with_name(name).read_text(encoding="utf-8")
        return Response(200, content_type=content_type, body=text, headers=headers)

    return answer


def _guarded(route: Route) -> Callable[..., Response[str]]:
    """Answer only a caller whose key has the route's scope.

    No route of a tenant is registered without this.
    """

    def answer(**found: str) -> Response[str]:
        authorization = app.current_event.headers.get("authorization")
        admit(authorization, clock)
        caller = authenticate(authorization, clock)
        permit(caller, route.scope, shoppers=route.shoppers)
        if not route.query:
            _refuse_strangers()
        if caller.token:
            caller = caller._replace(address=app.current_event.request_context.http.source_ip)
        return route.answer(caller, **found)

    return answer


for each in ROUTES:
    app.route(each.path, method=each.method)(_guarded(each))
for path, file in FILES.items():
    app.route(path, method="GET")(_file(*file))
KNOWN = [(route.method, route.path) for route in ROUTES] + [("GET", path) for path in FILES]
KNOWN.append(("POST", "/v1/callbacks/<provider>/<token>"))  # has a function of its own: only other methods come here


@app.route("/dialects/.+", method=["GET", "POST", "PUT", "PATCH", "DELETE"])
def speak_a_dialect() -> Response[Any]:
    """Answer in the words of a vendor.

    The dialects have their own table of routes, each with its scope. No other request imports anything of them.
    """
    from fitting_room.dialects import http

    event = app.current_event
    path = event.path.removeprefix("/dialects/")
    answer = http.answer(http.Call(event.http_method, path, event.headers, event.query_string_parameters, _body), clock)
    headers = {**answer.headers, **_common()}
    if isinstance(answer.body, bytes):
        return Response(answer.status, body=answer.body, headers=headers)
    return Response(answer.status, content_type="application/json", body=json.dumps(answer.body), headers=headers)


def _fits(rule: str, path: str) -> bool:
    return re.fullmatch(re.sub(r"<\w+>", "[^/]+", rule), path) is not None


@app.not_found
def no_such_route(_: Exception) -> Response[str]:
    path, asked = app.current_event.path, app.current_event.http_method
    exact = {method for method, rule in KNOWN if rule == path}
    allowed = sorted(exact or {method for method, rule in KNOWN if _fits(rule, path)})
    if not allowed or asked in allowed:  # allowed, and yet no route: the path has characters that no id has
        return _problem(Refusal.of("not_found", "There is nothing at this path.", _routes(asked, path)))
    if asked == "OPTIONS":
        return Response(
            204, body="", headers={"Allow": ", ".join(allowed), **_common(", ".join([*allowed, "OPTIONS"]))}
        )
    refusal = Refusal.of("method_not_allowed", f"{asked} is not served here.", f"Use {' or '.join(allowed)}.")
    return _problem(refusal, {"Allow": ", ".join(allowed)})


for path in {route.path for route in ROUTES if "<" not in route.path}:
    for other in ROUTES:  # `GET /v1/jobs/estimate` looks for no job of that name
        if other.path != path and _fits(other.path, path) and (other.method, path) not in KNOWN:
            app.route(path, method=other.method)(lambda: no_such_route(KeyError()))


def _routes(method: str, path: str) -> str:
    """Return the routes for a remedy: the one that was probably meant, and all there are."""
    known = [f"{known} {rule}".replace("<", "{").replace(">", "}") for known, rule in KNOWN]
    asked = re.sub("[a-z]{3}_[0-9A-Z]{26}", "{job_id}", path[:200])
    near = difflib.get_close_matches(f"{method} {asked}", known, 1)
    return (f"Did you mean `{near[0]}`? " if near else "") + f"The routes are: {', '.join(known)}."


@app.exception_handler(Refusal)  # type: ignore[untyped-decorator]
def refused(refusal: Refusal) -> Response[str]:
    return _problem(refusal)


@app.exception_handler(Exception)  # type: ignore[untyped-decorator]
def broken(error: Exception) -> Response[str]:
    if refusal := overload(error):
        return _problem(refusal)
    logger.error("crashed", **error_facts(error))
    return _problem(
        Refusal.of(
            "internal",
            "Internal server error.",
            "Send the request again; with an Idempotency-Key that is safe.",
            status=500,
        )
    )


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answer a request of the HTTP API.

    A trailing slash means nothing, and HEAD is GET without a body.
    """
    http = event["requestContext"]["http"]
    path, head = _one_name(event["rawPath"].rstrip("/") or "/"), http["method"] == "HEAD"
    http = {**http, "path": path, "method": "GET" if head else http["method"]}
    routed = {**event, "rawPath": path, "requestContext": {**event["requestContext"], "http": http}}
    answer: dict[str, Any] = app.resolve(routed, context)
    return {**answer, "body": ""} if head else answer


def _one_name(path: str) -> str:
    """Quote an owner's name, so that a slash in it ends no part of the path, whether or not it came quoted."""
    before, found, owner = path.partition(_OWNERS)
    return path if before or not found else _OWNERS + quote(unquote(owner), safe="")


def _shown(job: Job, caller: Caller) -> dict[str, Any]:
    return visible(view(job, clock), caller)


def _accepted(accepted: Accepted, caller: Caller, waited: dict[str, str] | None = None) -> Response[str]:
    job = _shown(accepted.job, caller)
    headers = {"Location": job["links"]["self"], **_look_again(accepted.job), **(waited or {})}
    status = 200 if waited and accepted.job.final else 202
    return _answer(status, job, headers | ({"Idempotent-Replayed": "true"} if accepted.replayed else {}))


def _waited(job: Job, caller: Caller) -> tuple[Job, dict[str, str]]:
    """Return the job, waited for if the client prefers that and may read jobs, and the header that says so."""
    seconds = preferred(app.current_event.headers.get("prefer")) if "read" in caller.scopes else 0
    left = app.lambda_context.get_remaining_time_in_millis() / 1000 - SPARE_SECONDS if seconds else 0
    job, waited = wait_for(job, min(seconds, left), _request_id(), clock)
    return job, {"Preference-Applied": f"wait={seconds}"} if seconds and waited else {}


def _look_again(job: Job) -> dict[str, str]:
    return {} if job.final else {"Retry-After": str(pace.of_job(job, clock))}


def _query() -> dict[str, str]:
    return dict(app.current_event.query_string_parameters)


def _refuse_strangers(known: tuple[str, ...] = ()) -> None:
    if faults := strangers(_query(), known):
        raise Refusal(*faults, status=400)


def _look_at_batch(batch: Batch) -> dict[str, str]:
    return {} if batch.over else {"Retry-After": "5"}


def _body(*, optional: bool = False) -> Any:
    """Return the decoded JSON body, or {} for none where one is `optional`.

    Refused: a body that is too large, packed, not declared as JSON, not JSON, or very deep.
    """
    event = app.current_event
    if optional and not event.body:
        return {}
    raw = base64.b64decode(event.body or "") if event.is_base64_encoded else (event.body or "").encode()
    if len(raw) > MAX_BODY:
        raise Refusal.of(
            "too_large",
            f"The body has {len(raw):,} bytes; the limit is {MAX_BODY:,}.",
            "Send images with POST /v1/uploads and name them by their upload id.",
        )
    encoding = event.headers.get("content-encoding", "").strip().lower()
    if encoding not in ("", "identity"):
        raise Refusal.of(
            "unsupported_media_type",
            f"The body is encoded as {encoding[:20]!r}.",
            "Send it as plain JSON, without `Content-Encoding`.",
        )
    if event.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise Refusal.of(
            "unsupported_media_type", "The body is not declared as JSON.", "Send `Content-Type: application/json`."
        )
    return decoded(raw, "The body")


def _answer(status: int, body: Any, headers: dict[str, str] | None = None) -> Response[str]:
    return Response(
        status,
        content_type="application/json",
        body=json.dumps(body, allow_nan=False),
        headers={**(headers or {}), **_common()},
    )


def _see(link: str) -> Response[str]:
    return Response(303, body="", headers={"Location": link, **_common()})


def _problem(refusal: Refusal, headers: dict[str, str] | None = None) -> Response[str]:
    headers = dict(headers or {})
    if refusal.retry_after is not None:
        headers["Retry-After"] = str(refusal.retry_after)
    if refusal.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    body = {**refusal.body(), "instance": f"urn:request:{_request_id()}"}
    return Response(
        refusal.status,
        content_type=PROBLEM,
        body=json.dumps(body, allow_nan=False),
        headers={**headers, **_common()},
    )


def _request_id() -> str:
    """Return the request's id, by which its log is found."""
    return str(app.lambda_context.aws_request_id)


def _common(methods: str = "") -> dict[str, str]:
    """Return the headers that every answer has.

    They are the request's id and, for an allowed origin, the headers that its browser needs. Answers may hold links
    to photos, so no cache keeps them.
    """
    origin, allowed = app.current_event.headers.get("origin", ""), settings().deployment.cors_origins
    headers = {"Cache-Control": "no-store", "Request-Id": _request_id()}
    if not origin or not {origin, "*"}.intersection(allowed):
        return headers | ({"Vary": "Origin"} if allowed else {})
    headers |= {
        "Access-Control-Allow-Origin": origin,
        "Vary": "Origin",
        "Access-Control-Expose-Headers": "Location, Retry-After, Idempotent-Replayed, Preference-Applied, Request-Id",
    }
    if methods:
        headers |= {
            "Access-Control-Allow-Methods": methods,
            "Access-Control-Max-Age": "600",
            "Access-Control-Allow-Headers": "Authorization, Content-Type, Idempotency-Key, Prefer",
        }
    return headers
