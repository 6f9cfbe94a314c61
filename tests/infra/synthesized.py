"""What `app.py` synthesizes, once per stage and session.

It runs as a user's `cdk synth` runs it, but without AWS credentials and without pip.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
CONTEXT: dict[str, Any] = json.loads((ROOT / "cdk.json").read_text())["context"]
# A laptop's stage, and a team's.
STAGES: dict[str, dict[str, Any]] = {
    "dev": {
        "stage": "dev",
        "wheels": "host",
        "fetch_allow": "127.0.0.1:2",
        "private_access": "nova_canvas",
        "bedrock_regions": {"nova_canvas": "us-east-1", "stability": "us-west-2"},
        "endpoints": {
            "bedrock-runtime": "http://127.0.0.1:1",
            "bedrock": "http://127.0.0.1:1",
            "tryiton": "http://127.0.0.1:2",
        },
    },
    "prod": {
        "stage": "prod",
        "alarm_email": "ops@example.com",
        "cors_origins": "https://shop.example",
        "result_days": "14",
        "provider_order": "fashn,tryiton",
        "unmoderated": "tryiton",
        "callback_url": "https://hooks.example/fr",
        "limits": {"fashn": {"submits": 5, "concurrency": 2}},
        "result_hosts": {"fashn": ["cdn.example"]},
    },
    "sagemaker": {
        "stage": "dev",
        "sagemaker": {
            "vton": {"endpoint": "My-vton", "price_per_image": 0.02, "licence": "Apache-2.0"},
            "large": {"endpoint": "large", "price_per_hour": 1.41, "licence": "MIT"},
        },
    },
}
EVERY: dict[str, Any] = STAGES["prod"] | {
    "bedrock_regions": {"nova_canvas": "us-east-1", "stability": "us-west-2"},
    "private_access": "nova_canvas",
    "sagemaker": {"vton": {"endpoint": "vton", "price_per_image": 0.02, "licence": "Apache-2.0"}},
    "prefer": "in_account",
    "legacy_models": "tryiton/clothes",
    "provider_settings": {"aidge": {"trial": True}},
    "daily_images": 5000,
    "daily_usd": 200,
    "daily_test_jobs": 100,
    "daily_owner_jobs": 50,
    "daily_address_jobs": 500,
    "batch_rows": 50_000,
    "batch_concurrency": 40,
    "tenant_buckets": {"photos-of-acme": ["acme"]},
    "key_rate": 5,
    "key_burst": 10,
    "waiters": 20,
    "bedrock_dialect": True,
    "dialect_waiters": 10,
    "lambda_quota": 1000,
    "api_rate": 300,
    "api_burst": 500,
    "reserved_concurrency": {"api": 20, "start": 50, "dialect": 10},
    "upload_days": 1,
    "staging_days": 1,
    "retain": True,
    "log_retention": "ONE_MONTH",
    "alarms": True,
    "domain_name": "api.shop.example",
    "certificate_arn": "arn:aws:acm:us-east-1:123456789012:certificate/0a1b",
    "customer_key": True,
}
"""Prod with every setting that prod may have."""
STAGES["every"] = EVERY
WITH_KEYS = ("fashn", "tryiton", "fal", "astria", "aidge", "gemini")
"""The vendors that need a key, as the catalogue orders them."""
_FOLDERS: list[tempfile.TemporaryDirectory[str]] = []


class Template:
    """One stack, its references resolved to `${LogicalId}` or `${LogicalId.Attribute}`, across both stacks."""

    def __init__(self, raw: dict[str, Any], exports: dict[str, Any]) -> None:
        self.raw = raw
        self._exports = exports
        self.resources: dict[str, dict[str, Any]] = self.resolve(raw["Resources"])
        self.outputs: dict[str, Any] = self.resolve({name: out["Value"] for name, out in raw["Outputs"].items()})

    def of(self, kind: str) -> dict[str, dict[str, Any]]:
        """Properties by logical id of the resources of one type."""
        return {name: found.get("Properties", {}) for name, found in self.resources.items() if found["Type"] == kind}

    def one(self, kind: str, start: str = "") -> tuple[str, dict[str, Any]]:
        (found,) = ((name, item) for name, item in self.of(kind).items() if name.startswith(start))
        return found

    def resolve(self, value: Any) -> Any:
        match value:
            case {"Ref": name}:
                return f"${{{name}}}"
            case {"Fn::GetAtt": [name, attribute]}:
                return f"${{{name}.{attribute}}}"
            case {"Fn::ImportValue": name}:
                return self.resolve(self._exports[name])
            case {"Fn::Join": [separator, parts]}:
                return separator.join(map(str, map(self.resolve, parts)))
            case dict():
                return {key: self.resolve(item) for key, item in value.items()}
            case list():
                return [self.resolve(item) for item in value]
        return value


class Synthesized:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        raw = {
            name: json.loads(next(folder.glob(f"*-{name}.template.json")).read_text())
            for name in ("Storage", "Service")
        }
        exports = {out["Export"]["Name"]: out["Value"] for out in raw["Storage"]["Outputs"].values()}
        self.storage, self.service = (Template(raw[name], exports) for name in ("Storage", "Service"))

    @property
    def stacks(self) -> tuple[Template, Template]:
        return self.storage, self.service

    def functions(self) -> dict[str, dict[str, Any]]:
        """By construct name: Api, Prepare, ..."""
        return {name[:-8]: item for name, item in self.service.of("AWS::Lambda::Function").items()}

    def statements(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """(construct name of the role, statement); actions and resources as lists."""
        for policy in self.service.of("AWS::IAM::Policy").values():
            for role in policy["Roles"]:
                for statement in policy["PolicyDocument"]["Statement"]:
                    yield (
                        role[2:-9].removesuffix("Role"),
                        statement
                        | {
                            key: [statement[key]] if isinstance(statement[key], str) else statement[key]
                            for key in ("Action", "Resource")
                        },
                    )

    def job_machine(self) -> dict[str, Any]:
        """The definition, each function's ARN replaced by the construct name of the function."""
        return self._definition("Job")

    def batch_machine(self) -> dict[str, Any]:
        """Likewise; the job machine and the bucket are named as in the template."""
        return self._definition("Batch")

    def _definition(self, workflow: str) -> dict[str, Any]:
        _, machine = self.service.one("AWS::StepFunctions::StateMachine", f"{workflow}Machine")
        text: str = machine["DefinitionString"]
        for name, arn in machine["DefinitionSubstitutions"].items():
            text = text.replace(f"${{{name}}}", re.sub(r"^\$\{(\w+)\w{8}(\.Arn)?\}$", r"\1", arn))
        definition: dict[str, Any] = json.loads(text)
        return definition


def run_app(context: dict[str, Any], output: str) -> subprocess.CompletedProcess[str]:
    """`app.py` with nothing of AWS in its environment."""
    values = {**CONTEXT, "aws:cdk:bundling-stacks": [], **context}
    environment = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": os.environ["HOME"],
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "CDK_OUTDIR": output,
        "CDK_CONTEXT_JSON": json.dumps(values),
    }
    return subprocess.run(
        [sys.executable, "app.py"], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )


def synthesized(stage: str) -> Synthesized:
    done, folder = _run_once(stage)
    assert done.returncode == 0, done.stderr
    return _read(folder)


@cache
def _run_once(stage: str) -> tuple[subprocess.CompletedProcess[str], Path]:
    folder = tempfile.TemporaryDirectory()
    _FOLDERS.append(folder)
    return run_app(STAGES[stage], folder.name), Path(folder.name)


@cache
def _read(folder: Path) -> Synthesized:
    return Synthesized(folder)
