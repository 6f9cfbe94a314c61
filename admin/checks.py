"""Questions to an account, each with its answer and what to do about it. Shared by `doctor` and `verify`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Literal, NamedTuple

import httpx
from botocore.exceptions import BotoCoreError, ClientError

from admin.command import Said
from admin.stage import AdminError

State = Literal["ok", "wrong", "unknown"]


class Answer(NamedTuple):
    """`unknown`: the question could not be asked, or the answer proves nothing; that is no fault."""

    state: State
    detail: str
    remedy: str = ""


class Check(NamedTuple):
    name: str
    ask: Callable[[], Answer]


def ok(detail: str) -> Answer:
    return Answer("ok", detail)


def wrong(detail: str, remedy: str) -> Answer:
    return Answer("wrong", detail, remedy)


def unknown(detail: str, remedy: str = "") -> Answer:
    return Answer("unknown", detail, remedy)


def told(checks: Iterable[Check]) -> Said:
    """Ask all, and say so; the command fails if anything is wrong."""
    answers = [(check.name, _asked(check)) for check in checks]
    data = [{"check": name, **answer._asdict()} for name, answer in answers]
    lines = [
        f"{answer.state.upper() if answer.state == 'wrong' else answer.state:<8}{name}: {answer.detail}"
        + (f"\n        {answer.remedy}" if answer.remedy else "")
        for name, answer in answers
    ]
    count = Counter(answer.state for _, answer in answers)
    lines.append(
        f"{count['wrong'] or 'nothing is'} wrong" + (f"; {count['unknown']} unknown" if count["unknown"] else "")
    )
    return Said(data, "\n".join(lines), failed=bool(count["wrong"]))


def _asked(check: Check) -> Answer:
    try:
        return check.ask()
    except ClientError as error:
        code = str(error.response["Error"]["Code"])
        return unknown(f"AWS answered {code} to {error.operation_name}", _remedy(code, error.operation_name))
    except httpx.HTTPStatusError as error:
        asked = error.request
        return unknown(f"{asked.method} {asked.url.path} was answered with {error.response.status_code}")
    except (httpx.HTTPError, BotoCoreError, AdminError, OSError) as error:
        return unknown(str(error) or type(error).__name__)


def _remedy(code: str, operation: str) -> str:
    denied = code in ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation")
    return f"use credentials that may call {operation}" if denied else ""
