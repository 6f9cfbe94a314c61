"""What becomes of a job when its vendor breaks in every way we know of: one row per vendor and fault.

The real actions and adapters run against simulators over HTTP that are told to break.
`charged: unknown` must go with "never bought again": purchases are counted at the vendor.
"""

from __future__ import annotations

import socket
import time
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import httpx
import pytest

from fitting_room.actions.job_view import summary
from fitting_room.jobs.job import Job
from fitting_room.providers.gemini import adapter as gemini
from fitting_room.providers.shared import http
from fitting_room.stores import provider_keys
from tests.contract.conftest import Running
from tests.deployment import choose
from tests.integration.world import World


class Ends(NamedTuple):
    """`bought`: entries in the vendor's purchase log. `attempts` at the vendor, of one job that has no other provider."""

    status: str
    code: str | None = None
    charged: str = "no"
    bought: int = 0
    attempts: int = 1


DONE = Ends("succeeded", charged="yes", bought=1)
UNREACHED = Ends("failed", "provider_unavailable")
UNSEEN = Ends("failed", "provider_unavailable", "unknown")
"""The request left and no answer came back; the vendor had not taken it."""
LOST = Ends("failed", "provider_unavailable", "unknown", bought=1)
"""As before, but the vendor had."""
UNREADABLE = Ends("failed", "provider_error", "unknown", bought=1)
BROKEN = Ends("failed", "provider_error", "unknown")
UNFETCHED = Ends("failed", "timed_out", "yes", bought=1)
"""The vendor said that it is done, and its images could not be had until the deadline and three times after it."""
SECOND_TIME = Ends("succeeded", charged="yes", bought=1, attempts=2)
LIMITED = Ends("failed", "rate_limited", attempts=13)
"""Asked again at growing pauses, until the queue of 15 minutes is over."""
LATE = Ends("failed", "timed_out", "unknown", bought=1)

SLOW = 6.0
"""Seconds by which a simulator is late in the rows of timeouts; more than the client waits there."""


@dataclass
class Vendor:
    """`path` of the base URL at the simulator. `faults`: where the vendor's way to break differs from the usual one."""

    id: str
    secret: str
    path: str
    body: dict[str, Any] = field(default_factory=dict)
    faults: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    ends: dict[str, Ends] = field(default_factory=dict)
    at_once: bool = False
    """It answers with its images, so there is no status and no address to break."""


FAULTS: dict[str, tuple[list[dict[str, Any]], Ends]] = {
    "none": ([], DONE),
    "refused connection": ([], UNREACHED),
    "hung up before it was accepted": ([{"on": "submit", "kind": "drop_before"}], UNSEEN),
    "hung up after it was accepted": ([{"on": "submit", "kind": "drop_after"}], LOST),
    "no answer in time, accepted": ([{"on": "submit", "kind": "delay", "seconds": SLOW}], LOST),
    "429 once": ([{"on": "submit", "kind": "status", "status": 429, "times": 1}], SECOND_TIME),
    "429 once, with Retry-After": (
        [{"on": "submit", "kind": "status", "status": 429, "headers": {"Retry-After": "30"}, "times": 1}],
        SECOND_TIME,
    ),
    "429 for ever": ([{"on": "submit", "kind": "status", "status": 429}], LIMITED),
    "out of credits": ([{"on": "submit", "kind": "error", "name": "OutOfCredits"}], Ends("failed", "quota_exhausted")),
    "500 on submit": ([{"on": "submit", "kind": "status", "status": 500, "body": "oops"}], BROKEN),
    "503 on submit": ([{"on": "submit", "kind": "status", "status": 503}], BROKEN),
    "key refused": ([{"on": "submit", "kind": "status", "status": 401}], Ends("failed", "provider_auth")),
    "malformed answer to the submit": ([{"on": "submit", "kind": "malformed"}], UNREADABLE),
    "a web page as answer to the submit": ([{"on": "submit", "kind": "wrong_type"}], UNREADABLE),
    "status reads that fail for a while": (
        [
            {"on": "status", "kind": "status", "status": 500, "times": 2},
            {"on": "status", "kind": "malformed", "times": 1},
            {"on": "status", "kind": "wrong_type", "times": 1},
            {"on": "status", "kind": "drop_before", "times": 1},
            {"on": "status", "kind": "status", "status": 429, "times": 1},
        ],
        DONE,
    ),
    "status reads refused for a while": (
        [{"on": "status", "kind": "status", "status": status, "times": 1} for status in (401, 403, 404, 410)],
        DONE,
    ),
    "status reads refused for ever": ([{"on": "status", "kind": "status", "status": 401}], LATE),
    "never finished": ([{"on": "status", "kind": "never_finish"}], LATE),
    "results that fail for a while": (
        [
            {"on": "result", "kind": "status", "status": 404, "times": 1},
            {"on": "result", "kind": "expired_url", "times": 1},
            {"on": "result", "kind": "drop_before", "times": 1},
            {"on": "result", "kind": "malformed", "times": 1},
            {"on": "result", "kind": "wrong_type", "times": 1},
        ],
        DONE,
    ),
    "expired address of the result": ([{"on": "result", "kind": "expired_url"}], UNFETCHED),
    "foreign address of the result, once": ([{"on": "status", "kind": "foreign_url", "times": 1}], DONE),
    "foreign address of the result": ([{"on": "status", "kind": "foreign_url"}], UNFETCHED),
    "a web page as result": ([{"on": "result", "kind": "wrong_type"}], UNFETCHED),
    "moderation": (
        [{"on": "status", "kind": "error", "name": "ContentModerationError"}],
        Ends("failed", "content_blocked", bought=1),
    ),
    "pipeline failure once": (
        [{"on": "status", "kind": "error", "name": "PipelineError", "times": 1}],
        Ends("succeeded", charged="yes", bought=2, attempts=2),
    ),
    "pipeline failure twice": (
        [{"on": "status", "kind": "error", "name": "PipelineError"}],
        Ends("failed", "provider_error", bought=2, attempts=2),
    ),
}
LOCKED = {"detail": "User is locked. Reason: Exhausted balance."}
VENDORS = [
    Vendor(
        "fal",
        "sim-key",
        "",
        faults={
            "out of credits": [{"on": "submit", "kind": "status", "status": 403, "body": LOCKED}],
            "moderation": [{"on": "status", "kind": "error", "name": "content_policy_violation"}],
            "pipeline failure once": [{"on": "status", "kind": "error", "name": "internal_server_error", "times": 1}],
            "pipeline failure twice": [{"on": "status", "kind": "error", "name": "internal_server_error"}],
            "foreign address of the result, once": [{"on": "output", "kind": "foreign_url", "times": 1}],
            "foreign address of the result": [{"on": "output", "kind": "foreign_url"}],
        },
        ends={"moderation": Ends("failed", "content_blocked", "unknown", bought=1)},
    ),
    Vendor(
        "gemini",
        "sim-key",
        "",
        faults={
            "out of credits": [{"on": "submit", "kind": "error", "name": "RESOURCE_EXHAUSTED"}],
            "moderation": [{"on": "submit", "kind": "filtered", "reason": "IMAGE_SAFETY"}],
        },
        ends={
            "out of credits": LIMITED,  # one name for rate and quota
            "503 on submit": LIMITED,
            "moderation": Ends("failed", "content_blocked", "unknown", bought=1),
        },
        at_once=True,
    ),
    Vendor("tryiton", "sim-key", "/api/v1"),
    Vendor(
        "fashn",
        "sim-key",
        "/v1",  # its own error of that name: "Because no prediction ID was issued", nothing is charged
        ends={"503 on submit": Ends("failed", "provider_error", attempts=2)},
    ),
    Vendor(
        "aidge",
        '{"app_key": "sim-app", "app_secret": "sim-secret"}',
        "/rest",
        faults={
            "out of credits": [{"on": "submit", "kind": "error", "name": "ResourcesExhausted"}],
            "key refused": [{"on": "submit", "kind": "error", "name": "IncompleteSignature"}],
            "moderation": [{"on": "submit", "kind": "error", "name": "1002"}],
            "pipeline failure once": [{"on": "submit", "kind": "error", "name": "1001", "times": 1}],
            "pipeline failure twice": [{"on": "submit", "kind": "error", "name": "1001"}],
        },
        ends={
            "429 for ever": LIMITED._replace(attempts=12),  # its own rate, three a minute, waits too
            "moderation": Ends("failed", "content_blocked"),
            "pipeline failure once": SECOND_TIME,
            "pipeline failure twice": Ends("failed", "provider_error", attempts=2),
        },
    ),
    Vendor(
        "astria",
        "sd_sim-key",
        "",
        {"provider_options": {"astria": {"person_class": "woman"}}},
        faults={
            "out of credits": [{"on": "submit", "kind": "status", "status": 402}],
            "500 on submit": [{"on": "submit", "kind": "status", "status": 500, "times": 1}],
            "503 on submit": [{"on": "submit", "kind": "status_after", "status": 504}],
            "moderation": [
                {"on": "status", "kind": "error", "name": "user_error", "message": "NSFW content was detected"}
            ],
            "pipeline failure once": [{"on": "status", "kind": "error", "name": "user_error", "message": "it broke"}],
            "pipeline failure twice": [{"on": "status", "kind": "error", "name": "user_error", "message": "it broke"}],
        },
        ends={
            "500 on submit": SECOND_TIME,  # "Such requests should be retried"
            "503 on submit": UNREADABLE,  # 504: "probably" processed
            "moderation": Ends("failed", "content_blocked", "unknown", bought=1),
            **dict.fromkeys(
                ("pipeline failure once", "pipeline failure twice"), UNREADABLE
            ),  # not documented to be free
        },
    ),
]


@pytest.fixture
def deployed(world: World, links: None, monkeypatch: pytest.MonkeyPatch, simulators: dict[str, Running]) -> Any:
    """Makes a vendor the only one there is: its simulator, or a port at which nobody listens."""

    def deploy(vendor: Vendor, *, listening: bool = True) -> Running:
        simulator = simulators[vendor.id].fresh()
        at = simulator.url if listening else f"http://127.0.0.1:{_silent_port()}"
        monkeypatch.setenv("PROVIDER_SECRETS", f'{{"{vendor.id}": "secret-of-{vendor.id}"}}')
        choose(
            monkeypatch,
            endpoints={vendor.id: f"{at}{vendor.path}"},
            fetch_allow=[simulator.url.removeprefix("http://")],
            limits={vendor.id: {"submits": 1000, "seconds": 1}},
        )
        world.configure(vendor.id, secret=vendor.secret)
        provider_keys.secret.clear()
        return simulator

    return deploy


def _silent_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


ROWS = [
    pytest.param(vendor, fault, id=f"{vendor.id}: {fault}")
    for vendor in VENDORS
    for fault, (usual, _) in FAULTS.items()
    if not vendor.at_once or all(each["on"] == "submit" for each in vendor.faults.get(fault, usual))
]


@pytest.mark.parametrize(("vendor", "fault"), ROWS)
def test_what_becomes_of_a_job(
    world: World, deployed: Any, monkeypatch: pytest.MonkeyPatch, vendor: Vendor, fault: str
) -> None:
    usual, end = FAULTS[fault]
    simulator = deployed(vendor, listening=fault != "refused connection")
    for each in vendor.faults.get(fault, usual):
        answer = simulator.fault(**each)
        assert answer.status_code == 201, answer.text
    if "in time" in fault:
        monkeypatch.setattr(http, "TIMEOUT", httpx.Timeout(SLOW / 6))
        monkeypatch.setattr(gemini, "ANSWER_SECONDS", SLOW / 6)
    job_id = world.submit(**{"provider": vendor.id, **vendor.body}).job.id
    world.run(job_id)
    job = world.job(job_id)
    expected = vendor.ends.get(fault, end)
    until = time.monotonic() + 20
    while _bought(simulator) < expected.bought and time.monotonic() < until:
        time.sleep(0.02)  # the client gave up, and the vendor may still be at it
    assert _ends(job, simulator) == expected
    if "for a while" in fault:
        assert simulator.call("GET", "/_sim/faults").json()["faults"] == [], "each of them has struck"
    _keeps_its_promises(world, job, vendor, simulator)


def _ends(job: Job, simulator: Running) -> Ends:
    last = job.latest
    assert last is not None
    return Ends(job.status, job.error.code if job.error else None, last.charged, _bought(simulator), len(job.attempts))


def _bought(simulator: Running) -> int:
    """The making of references aside."""
    return sum(purchase.get("kind") != "reference" for purchase in simulator.purchases())


def _keeps_its_promises(world: World, job: Job, vendor: Vendor, simulator: Running) -> None:
    """What holds whatever broke."""
    told = str(summary(job, world.at))
    assert vendor.secret not in told and f"{simulator.url}/" not in told, "a host may be named, a link may not"
    maybe_paid = [attempt for attempt in job.attempts.values() if attempt.charged != "no"]
    assert len(maybe_paid) <= 1, "never bought again once it may have been paid"
    assert world.spent()[0] == len(maybe_paid), "the budget keeps what may have been charged and nothing else"
    if job.error:
        assert job.error.remedy and job.error.provider == vendor.id
        assert not (job.error.retryable and maybe_paid), "nobody is told to repeat what may have been paid"
        assert job.error.code != "timed_out" or "POST /v1/jobs/{id}/recover" in job.error.remedy, (
            "it may still be there"
        )
