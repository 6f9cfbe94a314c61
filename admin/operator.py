"""Manage tenants, API keys, provider keys and jobs of one stage.

It uses your AWS credentials and region (AWS_PROFILE, AWS_DEFAULT_REGION). For the local cloud, run this first:
eval "$(.local/venv/bin/python -m local.cloud env)"

    python -m admin --stage prod tenant create demo
    python -m admin --stage prod tenant allow demo tryiton fashn
    python -m admin --stage prod key create --tenant demo --mode live
    python -m admin --stage prod provider set tryiton < key.txt
    python -m admin --stage prod provider credits tryiton
    python -m admin --stage prod job recover job_01...
"""

from __future__ import annotations

import argparse
import getpass
import hashlib
import json
import re
import secrets
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import boto3
from botocore.exceptions import BotoCoreError, ClientError

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "lambdas"))

from admin.jobs import Jobs, printed
from fitting_room.jobs.errors import JobFailure, Refusal
from fitting_room.providers import catalogue
from fitting_room.providers.adapter import Account, Connection

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

TENANT = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")  # it is a folder in both buckets


class AdminError(Exception):
    """Say in one line what is wrong and what to do."""


class TenantExistsError(AdminError):
    pass


class Admin:
    """Work on one deployed stage, found by the outputs of its stacks. `aws_url`: instead of AWS."""

    def __init__(self, session: boto3.Session, stage: str = "dev", aws_url: str | None = None) -> None:
        outputs = _outputs(session.client("cloudformation", endpoint_url=aws_url), f"FittingRoom-{stage}-Service")
        self._table: Table = session.resource("dynamodb", endpoint_url=aws_url).Table(outputs["TableName"])
        self._secret_ids: dict[str, str] = json.loads(outputs["ProviderSecrets"])
        self._endpoints: dict[str, str] = json.loads(outputs.get("ProviderEndpoints", "{}"))
        self._secrets = session.client("secretsmanager", endpoint_url=aws_url)
        self._functions = session.client("lambda", endpoint_url=aws_url)
        self._api_function = outputs["ApiFunction"]

    def create_tenant(self, tenant: str) -> None:
        if not TENANT.fullmatch(tenant):
            raise AdminError(f"tenant `{tenant}`: use 1 to 63 lower-case letters, digits and hyphens, no hyphen first")
        item = {**_tenant(tenant), "tenant": tenant, "created_at": _now()}
        try:
            self._table.put_item(Item=item, ConditionExpression="attribute_not_exists(pk)")
        except self._table.meta.client.exceptions.ConditionalCheckFailedException:
            raise TenantExistsError(f"tenant `{tenant}` already exists") from None

    def allow_providers(self, tenant: str, providers: Sequence[str] | None) -> None:
        """Restrict a tenant to these providers, or let it use all (None). Keys in use follow within 30 seconds."""
        for provider in providers or ():
            needs_secret(provider)  # raises for one that does not exist
        change: Any = (
            {"UpdateExpression": "REMOVE providers"}
            if providers is None
            else {
                "UpdateExpression": "SET providers = :providers",
                "ExpressionAttributeValues": {":providers": [*providers]},
            }
        )
        try:
            self._table.update_item(Key=_tenant(tenant), ConditionExpression="attribute_exists(pk)", **change)
        except self._table.meta.client.exceptions.ConditionalCheckFailedException:
            raise _no_tenant(tenant) from None

    def create_key(self, tenant: str, mode: str) -> str:
        """Create a key and return it; only its hash is stored. A `test` key reaches the sandbox provider only."""
        if "Item" not in self._table.get_item(Key=_tenant(tenant)):
            raise _no_tenant(tenant)
        key = f"fr_{mode}_{secrets.token_urlsafe(24)}"
        digest = hashlib.sha256(key.encode()).hexdigest()
        self._table.put_item(
            Item={"pk": f"KEY#{digest}", "sk": "KEY", "tenant": tenant, "mode": mode, "created_at": _now()}
        )
        return key

    def set_provider(self, provider: str, secret: str | None = None) -> None:
        """Store the provider's key where only the functions that call it may read it, and offer the provider."""
        if needs_secret(provider):
            if not secret:
                raise AdminError(
                    f"{provider} needs a key: send it on standard input, as in `provider set {provider} < key.txt`"
                )
            self._secrets.put_secret_value(SecretId=self._secret_ids[provider], SecretString=secret)
        self._table.put_item(Item={"pk": "PROVIDERS", "sk": provider, "configured": True, "at": _now()})

    def jobs(self) -> Jobs:
        """Return the actions on one job, with the settings of the deployed API."""
        found = self._functions.get_function_configuration(FunctionName=self._api_function)
        return Jobs(found["Environment"]["Variables"])

    def credits(self, provider: str) -> float:
        """Ask the provider for the balance of the account."""
        if not needs_secret(provider):
            raise AdminError(f"{provider} has no credits: it is billed by AWS, or is free")
        if "Item" not in self._table.get_item(Key={"pk": "PROVIDERS", "sk": provider}):
            raise AdminError(f"{provider} has no key here: store one with `provider set {provider}`")
        try:
            vendor = catalogue.adapter(provider).connect(
                Connection(
                    endpoint=self._endpoints.get(provider),
                    region=None,
                    secret=self._secrets.get_secret_value(SecretId=self._secret_ids[provider])["SecretString"],
                )
            )
            if not hasattr(vendor, "credits"):
                raise AdminError(f"{provider} has no call that reads the balance: look into its account")
            return cast(Account, vendor).credits()
        except JobFailure as failure:
            raise AdminError(f"{failure.fault.detail} {failure.fault.remedy}") from None


def _tenant(tenant: str) -> dict[str, str]:
    return {"pk": f"TENANT#{tenant}", "sk": "TENANT"}


def _no_tenant(tenant: str) -> AdminError:
    return AdminError(f"there is no tenant `{tenant}`: create it with `tenant create {tenant}`")


def needs_secret(provider: str) -> bool:
    known = {entry.id: entry.secret for entry in catalogue.entries()}
    if provider not in known:
        raise AdminError(f"there is no provider `{provider}`: use one of {', '.join(known)}")
    return known[provider]


def _outputs(cloudformation: Any, stack: str) -> dict[str, str]:
    try:
        found = cloudformation.describe_stacks(StackName=stack)["Stacks"][0]
    except ClientError as error:
        if "does not exist" in str(error):
            raise AdminError(
                f"there is no stack {stack} in this account and region: deploy it, or use another --stage or profile"
            ) from None
        raise
    return {output["OutputKey"]: output["OutputValue"] for output in found["Outputs"]}


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def main() -> None:
    args = _parser().parse_args()
    try:
        admin = Admin(boto3.Session(), args.stage)
        args.run(admin, args)
    except Refusal as refusal:
        sys.exit("error: " + " ".join(f"{fault.detail} {fault.remedy}" for fault in refusal.faults))
    except (AdminError, BotoCoreError, ClientError) as error:
        sys.exit(f"error: {error}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m admin", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--stage", default="dev", choices=("dev", "prod"), help="must stand first; the default is dev")
    things: Any = parser.add_subparsers(required=True, metavar="tenant|key|provider|job")
    tenants = things.add_parser("tenant", help="create a tenant, or restrict its providers").add_subparsers(
        required=True, metavar="create|allow"
    )
    tenant = tenants.add_parser("create", help="create a tenant")
    tenant.add_argument("tenant")
    tenant.set_defaults(run=_run_tenant_create)
    allow = tenants.add_parser("allow", help="restrict a tenant to the named providers")
    allow.add_argument("tenant")
    allow.add_argument("providers", nargs="*", metavar="provider")
    allow.add_argument("--all", action="store_true", help="remove the restriction")
    allow.set_defaults(run=_run_tenant_allow)
    keys = things.add_parser("key", help="create an API key").add_subparsers(required=True, metavar="create")
    key = keys.add_parser("create", help="create a key and print it once")
    key.add_argument("--tenant", required=True)
    key.add_argument("--mode", required=True, choices=("live", "test"), help="test reaches the sandbox only")
    key.set_defaults(run=_run_key_create)
    provider = things.add_parser("provider", help="store a provider's key, or ask for its balance").add_subparsers(
        required=True, metavar="set|credits"
    )
    for action, run, effect in (
        ("set", _run_provider_set, "read the provider's key from standard input, store it and offer the provider"),
        ("credits", _run_provider_credits, "ask the provider for the balance with the stored key, for free"),
    ):
        verb = provider.add_parser(action, help=effect)
        verb.add_argument("provider")
        verb.set_defaults(run=run)
    job = things.add_parser("job", help="cancel, retry or recover one job").add_subparsers(
        required=True, metavar="cancel|retry|recover"
    )
    for action, effect in (
        ("cancel", "stop a job; what it bought is kept"),
        ("retry", "do a failed or cancelled job again, as a new job"),
        ("recover", "fetch what a failed or cancelled job paid for, as a new job that buys nothing"),
    ):
        verb = job.add_parser(action, help=effect)
        verb.add_argument("job")
        verb.set_defaults(run=_run_job, action=action)
        if action == "retry":
            verb.add_argument("--buy-again", action="store_true", help="even if the job was or may have been charged")
        if action == "recover":
            verb.add_argument("--provider-job-id", help="the id that you found in the provider's account")
    return parser


def _run_tenant_create(admin: Admin, args: argparse.Namespace) -> None:
    admin.create_tenant(args.tenant)
    print(f"tenant {args.tenant} created")


def _run_tenant_allow(admin: Admin, args: argparse.Namespace) -> None:
    if bool(args.providers) is args.all:
        raise AdminError("name the providers that the tenant may use, or send --all")
    admin.allow_providers(args.tenant, None if args.all else args.providers)
    print(f"tenant {args.tenant} may use {'every provider' if args.all else ', '.join(args.providers)}")


def _run_key_create(admin: Admin, args: argparse.Namespace) -> None:
    print(admin.create_key(args.tenant, args.mode))


def _run_provider_set(admin: Admin, args: argparse.Namespace) -> None:
    secret = None
    if needs_secret(args.provider):
        asked = sys.stdin.isatty()
        secret = (getpass.getpass(f"Key of {args.provider}: ") if asked else sys.stdin.read()).strip()
    admin.set_provider(args.provider, secret)
    print(f"{args.provider} is configured")


def _run_job(admin: Admin, args: argparse.Namespace) -> None:
    jobs = admin.jobs()
    if args.action == "cancel":
        job = jobs.cancel(args.job)
    elif args.action == "retry":
        job = jobs.retry(args.job, buy_again=args.buy_again)
    else:
        job = jobs.recover(args.job, args.provider_job_id)
    print(json.dumps(printed(job), indent=2))


def _run_provider_credits(admin: Admin, args: argparse.Namespace) -> None:
    print(f"{args.provider} has {admin.credits(args.provider):.12g} credits left")
