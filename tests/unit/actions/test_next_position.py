"""What follows a failed attempt, decided from the job's record alone."""

from __future__ import annotations

from typing import Any

import pytest

from fitting_room.actions.workflow.failover import lost, next_position
from fitting_room.jobs.errors import Fault
from fitting_room.jobs.job import Attempt, Job, Reads
from fitting_room.jobs.parse import parse
from fitting_room.providers.catalogue import entry
from tests.unit.providers.requests import asking

MOVES_ON = {
    "image_unreadable",
    "quota_exhausted",
    "rate_limited",
    "provider_auth",
    "provider_error",
    "provider_unavailable",
    "timed_out",
    "model_retired",
}
STAYS = {
    "image_unreachable",
    "pose_not_found",
    "content_blocked",
    "output_rejected",
    "cancelled",
    "internal",
}


def failed(
    provider: str = "tryiton", code: str = "provider_error", charged: str = "no", **facts: Any
) -> dict[str, Any]:
    retryable = facts.pop("retryable", None)
    error = Fault.of(code, "It failed.", "Try again.", retryable=retryable)
    claimed = {"claimed_at": "2026-09-01T12:00:00.000Z"}
    return {"provider": provider, "outcome": "failed", "charged": charged, "error": error, **claimed, **facts}


def job(*attempts: dict[str, Any], plan: tuple[str, ...] = ("tryiton", "fashn"), position: int = 0) -> Job:
    return Job(
        id="job_1",
        tenant="acme",
        mode="live",
        task="text_to_image",
        request=parse(asking("text_to_image")),
        sources={},
        plan=list(plan),
        position=position,
        attempts={str(n): Attempt(n=n, **facts) for n, facts in enumerate(attempts, 1)},
        created_at="2026-09-01T12:00:00.000Z",
        expires_at="2026-10-01T12:00:00.000Z",
    )


ALONE = ("tryiton",)
TAKEN = {"provider_job_id": "v-1"}


def test_a_job_begins_with_the_first_provider_of_its_plan() -> None:
    assert next_position(job()) == 0


@pytest.mark.parametrize("code", sorted(MOVES_ON))
def test_the_next_provider_is_asked_when_the_first_is_at_fault(code: str) -> None:
    assert next_position(job(failed(code=code))) == 1


@pytest.mark.parametrize("code", sorted(STAYS))
def test_no_other_provider_is_asked_when_the_request_is_at_fault(code: str) -> None:
    assert next_position(job(failed(code=code))) is None


@pytest.mark.parametrize("charged", ["yes", "unknown"])
@pytest.mark.parametrize("taken", [{}, TAKEN])
def test_nothing_more_is_bought_once_something_may_have_been_charged(charged: str, taken: dict[str, str]) -> None:
    assert next_position(job(failed(charged=charged, **taken))) is None
    assert next_position(job({"provider": "tryiton", "claimed_at": "2026-09-01T12:00:00.000Z"})) is None


@pytest.mark.parametrize("outcome", ["finished", "pending"])
def test_what_did_not_fail_is_followed_by_no_other_attempt(outcome: str) -> None:
    assert next_position(job({"provider": "tryiton", "outcome": outcome, "charged": "yes"})) is None


@pytest.mark.parametrize(
    ("attempts", "plan", "expected"),
    [
        # taken, and failed for nothing: once more at the same provider, then the next one
        ([failed(**TAKEN)], ("tryiton", "fashn"), 0),
        ([failed(**TAKEN), failed(**TAKEN)], ("tryiton", "fashn"), 1),
        ([failed(**TAKEN), failed(**TAKEN)], ALONE, None),
        ([failed(**TAKEN, retryable=False)], ("tryiton", "fashn"), 1),
        ([failed(**TAKEN, code="timed_out")], ALONE, None),
        # not taken: the next provider, and only the last one of a plan is asked twice
        ([failed()], ("tryiton", "fashn"), 1),
        ([failed()], ALONE, 0),
        ([failed(), failed()], ALONE, None),
        ([failed(retryable=False)], ALONE, None),
        ([failed(code="provider_unavailable")], ALONE, None),
        ([failed(claimed_at=None)], ALONE, None),  # we sent nothing: it would not go better now
    ],
)
def test_the_same_provider_gets_one_more_try(
    attempts: list[dict[str, Any]], plan: tuple[str, ...], expected: int | None
) -> None:
    assert next_position(job(*attempts, plan=plan)) == expected


def limited(retry_after: float | None, waited: int = 0, **facts: Any) -> dict[str, Any]:
    return failed(code="rate_limited", retry_after=retry_after, waited=waited, **facts)


@pytest.mark.parametrize(
    ("attempts", "plan", "expected"),
    [
        ([limited(20)], ("tryiton", "fashn"), 1),  # not waited for while another can do the job
        ([limited(20)], ALONE, 0),
        ([limited(20)] * 9, ALONE, 0),  # as often as the job may wait
        ([limited(20)] * 9 + [limited(901)], ALONE, None),  # the tenth is the last, though "9" is more than "10"
        ([limited(900)], ALONE, 0),
        ([limited(901)], ALONE, None),
        ([limited(600, waited=300)], ALONE, 0),
        ([limited(601, waited=300)], ALONE, None),
        ([limited(0, waited=900)], ALONE, None),
        ([limited(None)], ALONE, None),
        ([limited(None, claimed_at=None)], ALONE, None),
        ([limited(20, claimed_at=None)], ALONE, 0),  # refused while a reference was made
    ],
)
def test_a_provider_that_had_enough_is_asked_again_for_as_long_as_the_job_may_wait(
    attempts: list[dict[str, Any]], plan: tuple[str, ...], expected: int | None
) -> None:
    assert next_position(job(*attempts, plan=plan)) == expected


def test_the_last_provider_of_a_plan_counts_its_own_tries_only() -> None:
    attempts = failed("tryiton", **TAKEN), failed("tryiton", **TAKEN), failed("fashn", **TAKEN)
    assert next_position(job(*attempts, position=1)) == 1
    assert next_position(job(*attempts, failed("fashn", **TAKEN), position=1)) is None


def test_a_recovery_buys_nothing() -> None:
    assert next_position(job(failed(recovered_n=1))) is None


def test_a_purchase_of_unknown_fate_is_not_to_be_repeated_blindly() -> None:
    tryiton = entry("tryiton")
    unknown = lost(Attempt(n=1, provider="tryiton"), "internal", "It crashed.", tryiton)
    assert (unknown.retryable, unknown.provider) == (False, "tryiton")
    assert "Look at the provider's account" in unknown.remedy
    known = lost(Attempt(n=1, provider="tryiton", **TAKEN), "timed_out", "It is late.", tryiton)
    assert "POST /v1/jobs/{id}/recover" in known.remedy
    assert "Retention at the provider: Results 72 hours" in known.remedy
    told = Attempt(n=1, provider="tryiton", reads=Reads(kept_for="3 days."), **TAKEN)
    remedy = lost(told, "timed_out", "It is late.", tryiton).remedy
    assert remedy.endswith("Retention at the provider: 3 days."), "its own word comes first"
