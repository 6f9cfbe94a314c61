"""The simulator of an endpoint by its reference, called by plain boto3, with the example's container as a process behind it."""

from __future__ import annotations

import base64
import json
import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
from botocore.exceptions import ClientError, ConnectionClosedError
from PIL import Image

from fitting_room.images import provenance
from fitting_room.jobs.outcome import Failed, Finished, Outcome, Pending, Reading
from fitting_room.providers.adapter import Order
from fitting_room.providers.sagemaker.adapter import SageMaker as Adapter
from fitting_room.providers.sagemaker.entry import Options
from local.simulators.kit.server import running
from local.simulators.sagemaker.app import SageMaker
from tests.contract.bedrock import told
from tests.contract.conftest import SAMPLES, Running, assert_the_simulator_is_named
from tests.contract.orders import order, try_on
from tests.contract.sagemaker import BUCKET, SERVER, Bucket, container, png, runtime

JOB = "job_01J00000000000000000000001"
PICTURES = {"person": (SAMPLES / "person_a.png").read_bytes(), "garment": (SAMPLES / "tee.png").read_bytes()}


class Line(NamedTuple):
    simulator: Running
    bucket: Bucket
    container: str

    @property
    def adapter(self) -> Adapter:
        return Adapter({"vton": "vton"}, BUCKET, self.bucket, lambda: runtime(self.simulator.url))

    def submit(self, wanted: Order) -> Outcome:
        """As Start does it."""
        self.adapter.write(wanted)
        return self.adapter.start(wanted)

    def invoke(self, **changes: Any) -> dict[str, Any]:
        given = {"EndpointName": "vton", "InputLocation": f"s3://{BUCKET}/in.json", "Filename": "a-1", **changes}
        answer: dict[str, Any] = runtime(self.simulator.url).invoke_endpoint_async(**given)
        return answer


@pytest.fixture(scope="module")
def behind() -> Iterator[str]:
    with container() as url:
        yield url


@pytest.fixture
def line(behind: str) -> Iterator[Line]:
    bucket = Bucket()
    simulator = SageMaker(("vton",), behind, bucket)
    with ExitStack() as stack:
        served = Running(simulator, stack.enter_context(running(simulator.app())))
        stack.callback(served.close)
        yield Line(served, bucket, behind)


def ordered(**more: Any) -> Order:
    made = order("sandbox", try_on(**more), pictures=PICTURES, size=Image.open(SAMPLES / "person_a.png").size, seed=7)
    return replace(made, job_id=JOB, model="vton", options=Options())


def until(look: Callable[[], Any]) -> Any:
    end = time.monotonic() + 20
    while time.monotonic() < end:
        if (found := look()) is not None:
            return found
        time.sleep(0.02)
    raise AssertionError("nothing came")


def ended(line: Line, wanted: Order, name: str) -> Reading:
    def look() -> Reading | None:
        reading = line.adapter.poll(wanted, name)
        return None if isinstance(reading, Pending) else reading

    found: Reading = until(look)
    return found


@pytest.mark.parametrize("form", ["png", "jpeg"])
def test_an_order_becomes_images_of_the_container_which_say_that_no_model_made_them(line: Line, form: str) -> None:
    wanted = ordered(output={"count": 2, "format": form})
    said = line.submit(wanted)
    assert isinstance(said, Pending)
    done = ended(line, wanted, said.provider_job_id)
    assert isinstance(done, Finished)
    assert [provenance.read(made.data).source_type for made in done.images] == ["algorithmicMedia"] * 2
    [sold] = line.simulator.purchases()
    assert (sold["id"], sold["charged"]) == ("01J00000000000000000000001-1", True)


@pytest.mark.parametrize(
    ("ending", "fault"),
    [
        ("", {"kind": "drop_after"}),
        (".out", {"kind": "drop_after"}),
        (".out", {"kind": "status_after", "status": 500}),
        (".out", {"kind": "malformed", "body": "{"}),
        (".out", {"kind": "wrong_type"}),
    ],
)
def test_a_lost_answer_is_found_by_the_key_that_it_was_told(line: Line, ending: str, fault: dict[str, Any]) -> None:
    line.simulator.simulator._ending = ending  # type: ignore[attr-defined]
    line.simulator.fault(on="submit", times=1, **fault)
    wanted = ordered()
    said = line.submit(wanted)
    assert isinstance(said, Pending)
    assert isinstance(ended(line, wanted, said.provider_job_id), Finished)
    assert len(line.simulator.purchases()) == 1


def test_boto3_by_default_would_have_sent_it_three_times(line: Line) -> None:
    line.simulator.fault(on="submit", kind="drop_after")
    with pytest.raises(ConnectionClosedError):
        runtime(line.simulator.url, retries={"mode": "standard"}).invoke_endpoint_async(
            EndpointName="vton", InputLocation=f"s3://{BUCKET}/in.json"
        )
    assert len(line.simulator.purchases()) == 3


@pytest.mark.parametrize("name", ["PoseNotFound", "OutOfMemory"])
def test_an_error_of_the_container_comes_in_a_failure_object(line: Line, name: str) -> None:
    line.simulator.fault(on="work", kind="error", name=name, times=1)
    wanted = ordered()
    said = line.submit(wanted)
    assert isinstance(said, Pending)
    failed = ended(line, wanted, said.provider_job_id)
    assert isinstance(failed, Failed) and failed.fault.provider_code == name


def test_half_an_answer_is_a_failure(line: Line) -> None:
    line.simulator.fault(on="work", kind="malformed", times=1)
    wanted = ordered()
    said = line.submit(wanted)
    assert isinstance(said, Pending)
    assert isinstance(ended(line, wanted, said.provider_job_id), Failed)


@pytest.mark.parametrize("kind", [{"kind": "never_finish"}, {"kind": "delay", "seconds": 2401}])
def test_a_request_that_expires_leaves_nothing(line: Line, kind: dict[str, Any]) -> None:
    line.simulator.fault(on="work", times=1, **kind)
    wanted = ordered()
    said = line.submit(wanted)
    assert isinstance(said, Pending)
    until(lambda: line.simulator.purchases()[0]["charged"])
    assert line.adapter.poll(wanted, said.provider_job_id) == said


def test_a_simulator_that_fails_itself_is_named(line: Line) -> None:
    line.simulator.simulator._container = "http://127.0.0.1:1"  # type: ignore[attr-defined]
    wanted = ordered()
    said = line.submit(wanted)
    assert isinstance(said, Pending)
    assert_the_simulator_is_named(ended(line, wanted, said.provider_job_id))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"EndpointName": "other"}, "not found"),
        ({"Filename": "two.dots.here"}, "filename"),
        ({"Filename": "x" * 33}, "filename"),
        ({"S3OutputPathExtension": "a b"}, "s3outputpathextension"),
        ({"InferenceId": "x" * 65}, "inference-id"),
        ({"RequestTTLSeconds": 59}, "requestttlseconds"),
        ({"RequestTTLSeconds": 21_601}, "requestttlseconds"),
        ({"InvocationTimeoutSeconds": 3601}, "invocationtimeoutseconds"),
        ({"InputLocation": "ftp://x/y"}, "inputlocation"),
        ({"Body": b"{}"}, "exactly one"),
    ],
)
def test_what_the_reference_does_not_allow_is_refused(line: Line, changes: dict[str, Any], says: str) -> None:
    client = runtime(line.simulator.url, parameter_validation=False)
    given = {"EndpointName": "vton", "InputLocation": f"s3://{BUCKET}/in.json", "Filename": "a-1", **changes}
    with pytest.raises(ClientError) as caught:
        client.invoke_endpoint_async(**given)
    code, status, message = told(caught.value)
    assert (code, status) == ("ValidationError", 400)
    assert says in message.lower()
    assert line.simulator.purchases() == []


def test_the_answer_to_a_call_names_both_places(line: Line) -> None:
    answer = line.invoke(InferenceId="i-1", S3OutputPathExtension="job_1/1/sagemaker")
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 202
    assert answer["InferenceId"] == "i-1"
    assert answer["OutputLocation"] == f"s3://{BUCKET}/staging/job_1/1/sagemaker/a-1.out"
    assert answer["FailureLocation"] == f"s3://{BUCKET}/staging/job_1/1/sagemaker/a-1-error.out"


def test_only_a_signed_call_is_taken(line: Line) -> None:
    assert line.simulator.call("POST", "/endpoints/vton/async-invocations").status_code == 403


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("InternalFailure", 500),
        ("ServiceUnavailable", 503),
        ("ThrottlingException", 429),
        ("AccessDeniedException", 403),
    ],
)
def test_errors_look_to_boto3_as_they_do_at_aws(line: Line, name: str, status: int) -> None:
    line.simulator.fault(on="submit", kind="error", name=name, times=1)
    with pytest.raises(ClientError) as caught:
        line.invoke()
    assert told(caught.value)[:2] == (name, status)


# the container


def test_the_container_answers_a_request_that_it_cannot_do_with_a_name(behind: str) -> None:
    def asked(body: bytes) -> tuple[int, str]:
        answer = httpx.post(f"{behind}/invocations", content=body)
        return answer.status_code, answer.json()["error"]["name"]

    wanted = {"contract": "fitting-room/try-on/1", "id": "x", "output": {}, "garments": [], "options": {}}
    assert asked(b"{") == (400, "InvalidRequest")
    assert asked(b"[]") == (400, "InvalidRequest")
    assert asked(json.dumps({"contract": "fitting-room/try-on/2"}).encode()) == (400, "InvalidRequest")
    assert asked(json.dumps(wanted).encode()) == (400, "InvalidRequest")
    assert asked(json.dumps(wanted | {"person": {"data": "AAAA"}}).encode()) == (400, "ImageUnreadable")
    image = {"data": base64.b64encode(PICTURES["person"]).decode()}
    output = {"count": 1, "seed": None, "quality": "fast", "format": "png"}
    nameless = {key: value for key, value in wanted.items() if key != "id"} | {"person": image, "output": output}
    assert asked(json.dumps(nameless).encode()) == (400, "InvalidRequest")
    assert httpx.get(f"{behind}/elsewhere").status_code == 404


def test_the_script_of_the_documents_gets_an_image(
    behind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (SERVER.parents[2] / "docs" / "sagemaker.md").read_text()
    [script] = re.findall(r"```python\n(import base64.*?)```", text, re.DOTALL)
    (tmp_path / "person.png").write_bytes(PICTURES["person"])
    (tmp_path / "garment.png").write_bytes(PICTURES["garment"])
    monkeypatch.chdir(tmp_path)
    exec(script.replace("http://127.0.0.1:8080", behind), {})
    assert Image.open(tmp_path / "result.png").size == Image.open(tmp_path / "person.png").size


def test_a_container_whose_model_is_still_loading_says_that_the_client_can_change_nothing(tmp_path: Path) -> None:
    shutil.copytree(SERVER.parent, tmp_path, dirs_exist_ok=True)
    slow = (tmp_path / "model.py").read_text() + "\n\nModel.__init__ = lambda _: __import__('time').sleep(60)\n"
    (tmp_path / "model.py").write_text(slow)
    with container(tmp_path / "server.py", ping=503) as url:
        answer = httpx.post(f"{url}/invocations", json={"contract": "fitting-room/try-on/1"})
        assert (answer.status_code, answer.json()["error"]["name"]) == (500, "ModelNotReady")


def test_a_refusal_of_the_container_reaches_the_client_by_its_name(line: Line) -> None:
    wanted = replace(ordered(), attempt=3)
    tiny = {role: replace(given, read=lambda: png(32, 48)) for role, given in wanted.inputs.items()}
    wanted = replace(wanted, inputs=tiny)
    said = line.submit(wanted)
    assert isinstance(said, Pending)
    failed = ended(line, wanted, said.provider_job_id)
    assert isinstance(failed, Failed) and failed.fault.code == "image_unreadable"
