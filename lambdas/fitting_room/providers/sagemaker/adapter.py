"""Speaks to an endpoint of SageMaker Asynchronous Inference: `InvokeEndpointAsync`, then its objects in the media bucket.

A submission without an answer is pending like any other, because its result's key is known before. It is never sent again.
Source: API reference of InvokeEndpointAsync; developer guide, pages "Asynchronous inference" and "Check prediction results".
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Mapping
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    CredentialRetrievalError,
    EndpointConnectionError,
    NoCredentialsError,
    ParamValidationError,
    PartialCredentialsError,
    ProxyConnectionError,
)
from botocore.parsers import ResponseParserError

from fitting_room.jobs.outcome import Failed, Outcome, Pending, Reading, Unread
from fitting_room.jobs.tasks import TryOn
from fitting_room.providers.adapter import Connection, Input, Objects, Order
from fitting_room.providers.sagemaker.answers import failure_of, finished
from fitting_room.providers.sagemaker.document import Garment, Image, Output, Request
from fitting_room.providers.sagemaker.entry import AT_WORK, ID, IN_QUEUE
from fitting_room.providers.sagemaker.places import answered, folder_of, found, name_of, predicted, request_of
from fitting_room.providers.shared.failures import LATER, PAUSE_SECONDS, Failures
from fitting_room.settings import settings

MAX_ANSWER = 60_000_000
_JSON = "application/json"
_UNSENT = (EndpointConnectionError, ConnectTimeoutError, ProxyConnectionError)
_NO_CREDENTIALS = (NoCredentialsError, PartialCredentialsError, CredentialRetrievalError)
_LOOK = "Ask the operator to check the endpoint, and the role of the start_sagemaker function."
_failed = Failures(ID)


def request_for(order: Order) -> Request:
    """Return the document that is sent for an order."""
    request, output = order.request, order.request.output
    assert isinstance(request, TryOn), "the catalogue offers an endpoint for nothing else"
    garments = [
        Garment(**_image(picture), category=asked.category, photo=asked.photo)
        for picture, asked in zip(order.garments, request.garments, strict=True)
    ]
    return Request(
        id=name_of(order.job_id, order.attempt),
        person=Image(**_image(order.base)),
        garments=garments,
        output=Output(
            count=output.count,
            seed=order.seed,
            quality=output.quality or "standard",
            format="jpeg" if output.format == "jpeg" else "png",
        ),
        options=order.options.model_dump(),
    )


def _image(picture: Input) -> dict[str, Any]:
    return {
        "media_type": picture.media_type,
        "data": b64encode(picture.read()).decode(),
        "width": picture.width,
        "height": picture.height,
    }


class SageMaker:
    """`endpoints`: their names by model. `runtime` makes a client of `sagemaker-runtime`."""

    def __init__(
        self, endpoints: Mapping[str, str], bucket: str, objects: Objects | None, runtime: Callable[[], Any]
    ) -> None:
        self._endpoints, self._bucket, self._runtime = endpoints, bucket, runtime
        self._given = objects

    @property
    def _objects(self) -> Objects:
        assert self._given is not None, "the workflow gives the media bucket to every connection"
        return self._given

    def write(self, order: Order) -> None:
        document = request_for(order).model_dump_json().encode()
        self._objects.put(request_of(order.job_id, order.attempt), document, _JSON)

    def foreseen(self, job_id: str, attempt: int) -> str:
        return predicted(job_id, attempt)

    def start(self, order: Order) -> Outcome:
        name = name_of(order.job_id, order.attempt)
        try:
            answer = self._runtime().invoke_endpoint_async(
                EndpointName=self._endpoints[order.model],
                ContentType=_JSON,
                Accept=_JSON,
                InputLocation=f"s3://{self._bucket}/{request_of(order.job_id, order.attempt)}",
                InferenceId=name,
                S3OutputPathExtension=folder_of(order.job_id, order.attempt),
                Filename=name,
                RequestTTLSeconds=IN_QUEUE,
                InvocationTimeoutSeconds=AT_WORK,
            )
        except ClientError as error:
            return _refusal(error) or Pending(predicted(order.job_id, order.attempt))
        except ParamValidationError:
            raise
        except _UNSENT:
            return _failed("provider_unavailable", "no", "SageMaker cannot be reached; nothing was sent.", LATER)
        except _NO_CREDENTIALS:
            return _failed("provider_auth", "no", "The function has no AWS credentials.", _LOOK)
        except (BotoCoreError, ResponseParserError):  # it may have arrived: its result would lie where it was told to
            return Pending(predicted(order.job_id, order.attempt))
        return self._accepted(answer) if "OutputLocation" in answer else Pending(predicted(order.job_id, order.attempt))

    def _accepted(self, answer: Mapping[str, Any]) -> Outcome:
        output = self._key(answer["OutputLocation"])
        if output is None:
            return _failed(
                "provider_error",
                "unknown",
                "The endpoint writes its answers to another place, which this deployment does not read.",
                f"Ask the operator to set the endpoint's S3OutputPath to s3://{self._bucket}/staging.",
            )
        return Pending(answered(output, self._key(answer.get("FailureLocation"))))

    def _key(self, location: str | None) -> str | None:
        """Return the key of a location in `staging/` of the media bucket; None for another one."""
        start = f"s3://{self._bucket}/staging/"
        return f"staging/{location.removeprefix(start)}" if location and location.startswith(start) else None

    def poll(self, order: Order, provider_job_id: str) -> Reading:
        try:
            places = found(provider_job_id)
        except ValueError as error:
            return Unread(str(error))
        try:
            for key in places.outputs:
                if (data := self._objects.read(key, max_bytes=MAX_ANSWER)) is not None:
                    return finished(data, order, places.name) if len(data) <= MAX_ANSWER else _too_large()
            for key in places.failures:
                if (data := self._objects.read(key, max_bytes=MAX_ANSWER)) is not None:
                    return failure_of(data)
        except (ClientError, BotoCoreError, OSError) as error:
            return Unread(type(error).__name__, made=False)
        return Pending(provider_job_id)

    def erase_job(self, provider_job_id: str) -> bool:
        self._objects.remove(found(provider_job_id).all)
        return True

    def erase_reference(self, made_id: str) -> bool:  # noqa: ARG002  none is ever made
        return True


def _too_large() -> Failed:
    return _failed(
        "provider_error",
        "no",
        f"The endpoint's answer is larger than {MAX_ANSWER / 1e6:,.0f} MB, which is the most that is read.",
        "Ask for fewer images. Or ask the operator to let the model answer with smaller images, or with JPEG.",
        retryable=False,
    )


def _refusal(error: ClientError) -> Failed | None:
    """Return the failure that an error answer stands for.

    None after an internal failure, when the request may have been accepted.
    """
    name, message = error.response["Error"].get("Code", ""), error.response["Error"].get("Message", "")
    status = error.response["ResponseMetadata"].get("HTTPStatusCode", 0)
    words: dict[str, Any] = {"provider_code": name, "provider_detail": message}
    if name == "SimulatorFailed":
        return _failed("provider_error", "no", "The simulator failed.", LATER, **words)
    if status == 429 or "Throttl" in name:
        detail = "SageMaker takes no more requests of this account for the moment."
        return _failed("rate_limited", "no", detail, LATER, retry_after=PAUSE_SECONDS, **words)
    if status in (401, 403) or "AccessDenied" in name:
        return _failed("provider_auth", "no", "AWS does not let this deployment call the endpoint.", _LOOK, **words)
    if status == 503:
        return _failed("provider_unavailable", "no", "SageMaker is not available now.", LATER, **words)
    if 400 <= status < 500:
        remedy = "Ask the operator whether the endpoint exists, is in service and takes asynchronous calls."
        return _failed("provider_error", "no", "SageMaker refused the call.", remedy, retryable=False, **words)
    return None


def runtime() -> Any:
    """Make a client, another one for each call, with one attempt only.

    On a stale pooled connection a request may get lost, and its job would wait for it in vain.
    """
    config = Config(connect_timeout=10, read_timeout=60, retries={"total_max_attempts": 1})
    return boto3.client("sagemaker-runtime", region_name=settings().aws_region, config=config)


def connect(connection: Connection) -> SageMaker:
    stage = settings()
    endpoints = {name: each.endpoint for name, each in stage.deployment.sagemaker.items()}
    return SageMaker(endpoints, stage.media_bucket, connection.objects, runtime)
