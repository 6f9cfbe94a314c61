"""The deployed stage that the tool works on. Once it is opened, the stores of this process are those of the stage."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from fitting_room.clock import Clock
from fitting_room.settings import settings

_PATIENCE = Config(connect_timeout=5, read_timeout=60, retries={"mode": "standard", "total_max_attempts": 4})


class AdminError(Exception):
    """Say in one line what is wrong and what to do."""


class Outputs(dict[str, str]):
    """The outputs of a deployed stack. Asking for one that it has not raises `AdminError`."""

    def __init__(self, stack: Mapping[str, Any]) -> None:
        super().__init__({output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])})
        self._stack = f"the stack {stack['StackName']} is {stack['StackStatus']}"

    def __missing__(self, name: str) -> str:
        raise AdminError(
            f"{self._stack} and has no output {name}: deploy this version, and read its events if that fails"
        )


@dataclass
class Stage:
    """One stage, found by the outputs of its stacks. `address`: where its API is reached, if not at its own address."""

    name: str
    session: boto3.Session
    at: Clock
    address: str | None = None

    @property
    def service(self) -> str:
        return f"FittingRoom-{self.name}-Service"

    @property
    def storage(self) -> str:
        return f"FittingRoom-{self.name}-Storage"

    def client(self, service: str, **more: Any) -> Any:
        return self.session.client(service, config=_PATIENCE, **more)  # type: ignore[call-overload]

    @cached_property
    def outputs(self) -> dict[str, str]:
        try:
            found = self.client("cloudformation").describe_stacks(StackName=self.service)["Stacks"][0]
        except ClientError as error:
            if "does not exist" not in str(error):
                raise
            raise AdminError(
                f"there is no stack {self.service} in this account and region: deploy it, or use another --stage,"
                " --profile or --region"
            ) from None
        return Outputs(found)

    @property
    def api(self) -> str:
        return self.address or self.outputs["ApiUrl"]

    @cached_property
    def resources(self) -> dict[str, list[tuple[str, str]]]:
        """By type, the logical and the physical id of every resource of the service stack."""
        pages = self.client("cloudformation").get_paginator("list_stack_resources").paginate(StackName=self.service)
        found: dict[str, list[tuple[str, str]]] = {}
        for page in pages:
            for each in page["StackResourceSummaries"]:
                known = found.setdefault(each["ResourceType"], [])
                known.append((each["LogicalResourceId"], each.get("PhysicalResourceId", "")))
        return found

    def function(self, name: str) -> dict[str, Any]:
        """Return the configuration of one function: by the name that it has in `infra/`."""
        for logical, physical in self.resources.get("AWS::Lambda::Function", []):
            if logical.removeprefix(name)[8:] == "" and logical.startswith(name):  # an eight-digit hash follows
                found: dict[str, Any] = self.client("lambda").get_function_configuration(FunctionName=physical)
                return found
        raise AdminError(f"{self.service} has no function {name}: deploy this version of the app")

    def enter(self) -> Stage:
        """Turn the stores of this process to the stage: its settings are those of its functions."""
        api = self.client("lambda").get_function_configuration(FunctionName=self.outputs["ApiFunction"])
        known: dict[str, str] = dict(api["Environment"]["Variables"])
        known |= {"PROVIDER_SECRETS": self.outputs["ProviderSecrets"], "API_URL": self.outputs["ApiUrl"]}
        os.environ.update({name: value for name, value in known.items() if not name.startswith("AWS_")})
        settings.cache_clear()
        return self


def connect(
    name: str,
    *,
    profile: str | None = None,
    region: str | None = None,
    environment: Mapping[str, str] | None = None,
    address: str | None = None,
) -> Stage:
    """Take the credentials of a profile. `environment` turns every AWS client elsewhere, as to a local cloud."""
    os.environ.update(environment or {})
    region = region or os.environ.get("AWS_REGION") or None  # boto3 reads AWS_DEFAULT_REGION only
    boto3.setup_default_session(profile_name=profile, region_name=region)
    return Stage(name, boto3._get_default_session(), Clock(), address)
