"""SageMaker Asynchronous Inference: `invoke_endpoint_async` for plain boto3, a queue, and a container that does the work.

Sources: API_runtime_InvokeEndpointAsync.html and the service model in botocore 1.44.5; async-inference-check-predictions.html.
Our reading, not documented: the ending `.out` behind a name of one's own, `-error` in the name of a failure, and the
container's error body as its content.
"""

from __future__ import annotations

import asyncio
import json
import re
from secrets import token_hex
from typing import Any, ClassVar

import httpx
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from local.simulators.kit.records import without_pixels
from local.simulators.kit.server import BROKEN, BROKEN_WHY, AnswerError, Simulator
from local.simulators.sagemaker.request import Call, InvalidError, parsed

ERRORS = {"ValidationError": 400, "InternalFailure": 500, "ServiceUnavailable": 503}
"""Of the reference; the next two are common to all services."""
COMMON = {"AccessDeniedException": 403, "ThrottlingException": 429}
WORK_ERRORS = (
    "InvalidRequest",
    "UnsupportedOption",
    "ImageUnreadable",
    "PoseNotFound",
    "ContentBlocked",
    "OutOfMemory",
    "ModelNotReady",
    "Internal",
)
"""Of the document fitting-room/try-on/1."""
FOLDER = "staging"
"""Below which the endpoint writes, in the bucket of its input: its S3OutputPath and S3FailurePath."""


class SageMaker(Simulator):
    """endpoints: those there are; container: the address of one that answers `/invocations`; s3: a client of S3.

    Faults on `work` strike after the submission: `delay` (an endpoint at zero wakes; longer than the request may wait, it
    expires), `never_finish` (it expires, and nothing is written), `error` (the container's own, in a failure object),
    `malformed` (half an answer).
    """

    name = "sagemaker"
    fault_kinds: ClassVar = {
        "submit": ("delay", "status", "error", "drop_before", "drop_after", "status_after", "malformed", "wrong_type"),
        "work": ("delay", "never_finish", "error", "malformed"),
    }
    error_names: ClassVar = {"submit": tuple(ERRORS | COMMON), "work": WORK_ERRORS}

    def __init__(self, endpoints: tuple[str, ...], container: str, s3: Any, *, ending: str = ".out") -> None:
        super().__init__()
        self._endpoints, self._container, self._s3, self._ending = endpoints, container, s3, ending
        self._working: set[asyncio.Task[None]] = set()

    def routes(self) -> list[Route]:
        return [Route("/endpoints/{endpoint}/async-invocations", self.invoke, methods=["POST"])]

    def failure(self, status: int) -> Response:
        names = {number: name for name, number in (ERRORS | COMMON).items()}
        response = _refusal(names.get(status, "InternalFailure"), f"the simulator was told to answer {status}")
        response.status_code = status
        return response

    def named_failure(self, name: str, message: str | None) -> Response:
        return _refusal(name, message or f"the simulator was told to answer {name}")

    async def invoke(self, request: Request) -> Response:
        body = await request.body()
        record = self.recorded(request, {name: value for name, value in request.headers.items() if "sagemaker" in name})
        try:
            _check_signature(request)
            self.before("submit")
            call = parsed(request.headers, body)
            if request.path_params["endpoint"] not in self._endpoints:
                raise InvalidError(f"Endpoint {request.path_params['endpoint']} of account 000000000000 not found.")
        except InvalidError as error:
            record["answered"] = 400
            return _refusal("ValidationError", str(error))
        except AnswerError as answered:
            record["answered"] = answered.response.status_code
            raise
        record["answered"] = 202
        inference_id = call.inference_id or token_hex(16)
        output, failed = self._locations(call, inference_id)
        purchase = self.purchases.add(
            id=inference_id, charged=None, images=1, summary=f"{request.path_params['endpoint']}: {call.input[1]}"
        )
        task = asyncio.create_task(self._work(call, output, failed, purchase))
        self._working.add(task)
        task.add_done_callback(self._working.discard)
        headers = {
            "X-Amzn-SageMaker-OutputLocation": f"s3://{call.input[0]}/{output}",
            "X-Amzn-SageMaker-FailureLocation": f"s3://{call.input[0]}/{failed}",
        }
        return await self.after("submit", JSONResponse({"InferenceId": inference_id}, 202, headers=headers))

    def _locations(self, call: Call, inference_id: str) -> tuple[str, str]:
        """Return the keys of the answer and of a failure."""
        stem = "/".join(filter(None, (FOLDER, call.extension.strip("/"), call.filename or inference_id)))
        return f"{stem}{self._ending}", f"{stem}-error{self._ending}"

    async def _work(self, call: Call, output: str, failed: str, purchase: dict[str, Any]) -> None:
        bucket, key = call.input
        waits = ((fault := self.faults.take("work", "delay")) and fault.seconds) or 0
        if waits > call.in_queue or self.faults.take("work", "never_finish"):
            purchase["charged"] = False
            return
        await asyncio.sleep(waits)
        if fault := self.faults.take("work", "error"):
            problem = {"name": fault.name, "message": fault.message or "the simulator was told to fail"}
            status, data = 400, json.dumps({"contract": "fitting-room/try-on/1", "error": problem}).encode()
        else:
            status, data = await self._called(bucket, key, call.at_work)
        if self.faults.take("work", "malformed"):
            data = data[: len(data) // 2]
        purchase["charged"] = status == 200
        await asyncio.to_thread(self._s3.put_object, Bucket=bucket, Key=output if status == 200 else failed, Body=data)

    async def _called(self, bucket: str, key: str, seconds: float) -> tuple[int, bytes]:
        """Return what the container answers to the document, with its status."""
        try:
            found = await asyncio.to_thread(lambda: self._s3.get_object(Bucket=bucket, Key=key)["Body"].read())
            self.requests.add(method="POST", path="/invocations", body=without_pixels(json.loads(found)))
            async with httpx.AsyncClient(timeout=seconds, trust_env=False) as client:
                answer = await client.post(f"{self._container}/invocations", content=found)
        except httpx.TimeoutException:
            return 504, b"Model did not respond in time."
        except Exception:
            return 500, f"{BROKEN}: {BROKEN_WHY}".encode()
        return answer.status_code, answer.content


def _refusal(name: str, message: str) -> Response:
    body = {"Message": message}
    return JSONResponse(body, (ERRORS | COMMON)[name], headers={"x-amzn-errortype": name})


def _check_signature(request: Request) -> None:
    if not re.match(
        r"AWS4-HMAC-SHA256 Credential=[^/]+/\d{8}/[^/]+/sagemaker/aws4_request",
        request.headers.get("authorization", ""),
    ):
        raise AnswerError(JSONResponse({"Message": "Missing Authentication Token"}, 403))
