"""The README's diagrams and its table of calls show what is deployed: nothing more, nothing less."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from functions.http.api.handler import KNOWN
from tests.infra.synthesized import ROOT, Synthesized, Template

README = (ROOT / "README.md").read_text()
STACK, MACHINE = re.findall(r"```mermaid\n(.*?)```", README, re.DOTALL)
SHELL = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
START_AND_END = "[*]"


def _drawn(kind: str) -> set[str]:
    """The nodes of the stack's diagram that are declared as one kind: `Drops[["Drops"]]:::queue`."""
    return set(re.findall(rf"\b(\w+)(?:\S*\"\S*)?:::{kind}\b", STACK))


def _built(template: Template, kind: str) -> set[str]:
    """The construct names of one kind; a logical id ends with a hash of eight characters."""
    return {logical_id[:-8] for logical_id in template.of(kind)}


def _transitions(machine: dict[str, Any]) -> Iterator[tuple[str, str]]:
    yield START_AND_END, machine["StartAt"]
    for name, state in machine["States"].items():
        following = [state.get("Next"), state.get("Default"), START_AND_END if state.get("End") else None]
        following += [rule["Next"] for rule in (*state.get("Choices", ()), *state.get("Catch", ()))]
        yield from ((name, other) for other in following if other)


def test_the_stack_is_drawn_as_it_is_deployed(stage: Synthesized) -> None:
    assert _drawn("function") == stage.functions().keys()
    assert _drawn("bucket") == _built(stage.storage, "AWS::S3::Bucket")
    assert _drawn("table") == _built(stage.storage, "AWS::DynamoDB::Table")
    assert _drawn("queue") == _built(stage.service, "AWS::SQS::Queue")


def test_every_resource_in_the_drawing_of_the_stack_is_declared_as_one_kind() -> None:
    arrows = re.sub(r'"[^"]*"|\|[^|]*\|', "", STACK.partition("\n")[2])
    drawn = [name for kind in ("function", "bucket", "table", "queue") for name in _drawn(kind)]
    assert len(drawn) == len(set(drawn))
    assert set(re.findall(r"\b[A-Z]\w*", arrows)) == set(drawn)


def test_the_arrows_from_a_function_show_what_it_may_call(stage: Synthesized) -> None:
    """The arrows inside the subgraphs are the machines'. So is Admit's, and Callback needs no machine to end a wait."""
    names = {"JobMachine": "machine", "BatchMachine": "catalogue"}
    actions = {"lambda:InvokeFunction", "sqs:SendMessage", "states:StartExecution"}
    allowed = set()
    for role, statement in stage.statements():
        if role in stage.functions() and actions & set(statement["Action"]):
            targets = {re.findall(r"(\w+)\w{8}\b", resource)[0] for resource in statement["Resource"]}
            allowed |= {(role, names.get(target, target)) for target in targets}
    outside = re.sub(r"(?ms)^  subgraph .*?^  end$", "", STACK)
    arrows = re.findall(r"^  (\w+)\S* -(?:->|\.->)(?:\|[^|]*\|)? ([A-Z]\w+|machine|catalogue)", outside, re.MULTILINE)
    called = _drawn("function") | _drawn("queue") | set(names.values())
    drawn = {(source, target) for source, target in arrows if source in _drawn("function") and target in called}
    assert drawn - {("Admit", "machine"), ("Callback", "machine")} == allowed


def test_the_job_machine_is_drawn_with_every_transition(stage: Synthesized) -> None:
    drawn = re.findall(r"^\s+(\S+) --> ([^\s:]+)", MACHINE, re.MULTILINE)
    assert len(drawn) == len(set(drawn))
    assert set(drawn) == set(_transitions(stage.job_machine()))


@pytest.mark.parametrize("state", ["AwaitCallback", "AwaitLateCallback"])
def test_the_drawing_says_how_long_a_webhook_is_awaited(stage: Synthesized, state: str) -> None:
    seconds = stage.job_machine()["States"][state]["TimeoutSeconds"]
    assert f"{state} --> Poll: webhook, or {seconds} s\n" in MACHINE


def test_the_table_of_calls_names_every_route() -> None:
    shown = re.findall(r"^\| `([A-Z]+) (/v1/\S+)` \|", README, re.MULTILINE)
    assert len(shown) == len(set(shown))
    assert {_shape(*call) for call in shown} == {_shape(*route) for route in KNOWN}


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_the_blocks_can_be_pasted_into_a_shell(shell: str) -> None:
    if not shutil.which(shell):
        pytest.skip(f"{shell} is not installed here")
    for block in SHELL:
        assert "#" not in block  # zsh, when one types into it, takes a comment for a command
        done = subprocess.run([shell, "-n"], input=block, capture_output=True, text=True, check=False)
        assert done.stderr == ""


def test_the_example_in_python_is_short_and_compiles() -> None:
    (example,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    compile(example, "README.md", "exec")
    assert len([line for line in example.splitlines() if line]) <= 20


def _shape(method: str, path: str) -> str:
    """A call without the names that its path gives to parameters."""
    return f"{method} {re.sub(r'{[^}]+}|<[^>]+>', '*', path)}"
