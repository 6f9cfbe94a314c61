"""What schemathesis sends to the API: what its document allows and what it forbids, about things that there are.

The same runs in memory (`tests/integration/functions`) and on the deployed local cloud (`tests/e2e`, `make fuzz`).
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections import Counter
from typing import Any, Protocol

import hypothesis
import pytest
import schemathesis
from schemathesis.config import SchemathesisConfig
from schemathesis.core import NotSet

from openapi.__main__ import FILE

LONG_RUN = os.environ.get("SCHEMATHESIS_EXAMPLES")
_BEYOND_THE_SCHEMA = ["2xx", "3xx", "400", "404", "409", "410", "415", "422"]
"""Rules over several fields, and things that are not there, are in no schema."""
_CONFIG: dict[str, Any] = {
    "checks": {
        "positive_data_acceptance": {"expected-statuses": _BEYOND_THE_SCHEMA},
        "negative_data_rejection": {"expected-statuses": ["4xx"]},
    },
}


class Things(Protocol):
    """What paths and bodies may name."""

    @property
    def job_id(self) -> list[str]: ...

    @property
    def subject_id(self) -> list[str]: ...

    @property
    def upload_id(self) -> str: ...


def schema(*, boundaries: bool) -> Any:
    """Return the API's document, as schemathesis reads it.

    `boundaries`: send those of every field of every body, too. These are more than 10,000 cases.
    """
    document = json.loads(FILE.read_text(encoding="utf-8"))
    config = {**_CONFIG, "phases": {"coverage": {"enabled": boundaries}}}
    return schemathesis.openapi.from_dict(document, config=SchemathesisConfig.from_dict(config))


def examples(few: int) -> hypothesis.settings:
    """Return how much is tried of each route: a few cases, the same in every run, or as many as the long run wants."""
    return hypothesis.settings(
        max_examples=int(LONG_RUN or few),
        deadline=None,
        derandomize=LONG_RUN is None,
        suppress_health_check=list(hypothesis.HealthCheck),
    )


class Cases:
    """Sends cases, holds each answer against all checks, and counts them by the answer."""

    def __init__(self) -> None:
        self.answers: Counter[str] = Counter()

    def send(self, case: Any, things: Things, key: str, **call: Any) -> None:
        for name in ("job_id", "subject_id"):
            if re.fullmatch(r"[a-z]{3}_[0-9A-HJKMNP-TV-Z]{26}", str(case.path_parameters.get(name))):
                known = getattr(things, name)
                case.path_parameters[name] = known[self.answers.total() % len(known)]
        if not isinstance(case.body, NotSet):  # one that is left out must stay so: schemathesis judges anew what is set
            case.body = _with_upload(case.body, things)
        response = case.call_and_validate(headers={"Authorization": f"Bearer {key}"}, **call)
        self.answers[f"{case.operation.label} {response.status_code}"] += 1

    def tell(self, config: pytest.Config) -> None:
        """Print how many cases there were, and how they were answered."""
        statuses: Counter[str] = Counter()
        for answer, count in self.answers.items():
            statuses[answer.rpartition(" ")[2]] += count
        capture: Any = config.pluginmanager.get_plugin("capturemanager")
        with capture.global_and_fixture_disabled():
            sys.stdout.write(f"\n{self.answers.total():,} cases: {json.dumps(dict(sorted(statuses.items())))}\n")


def _with_upload(body: Any, things: Things) -> Any:
    """Name the upload that there is wherever a body names one, so that more bodies than few are taken."""
    if isinstance(body, dict):
        return {name: _with_upload(part, things) for name, part in body.items()}
    if isinstance(body, list):
        return [_with_upload(part, things) for part in body]
    return things.upload_id if isinstance(body, str) and re.fullmatch(r"upl_[0-9A-Z]{26}", body) else body
