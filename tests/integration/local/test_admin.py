"""The operator's tool against moto's table and secrets."""

from __future__ import annotations

import hashlib
import io
import json
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from admin import operator as admin


class Stacks:
    """CloudFormation with one deployed stack."""

    def __init__(self, outputs: dict[str, str]) -> None:
        self.outputs = [{"OutputKey": key, "OutputValue": value} for key, value in outputs.items()]

    def describe_stacks(self, StackName: str) -> dict[str, Any]:  # noqa: N803
        if StackName != "FittingRoom-dev-Service":
            error: Any = {"Code": "ValidationError", "Message": f"Stack with id {StackName} does not exist"}
            raise ClientError({"Error": error}, "DescribeStacks")
        return {"Stacks": [{"Outputs": self.outputs}]}


class Vendor(BaseHTTPRequestHandler):
    """TryItOn's `GET /credits`, for one key."""

    def do_GET(self) -> None:
        known = (self.path, self.headers["Authorization"]) == ("/api/v1/credits", "Bearer the-vendors-key")
        self.send_response(200 if known else 401)
        self.end_headers()
        self.wfile.write(b'{"ok": true, "credits": {"on_demand": 1234567, "subscription": 0}}' if known else b"{}")

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def vendor() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Vendor)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/api/v1"
    server.shutdown()
    server.server_close()


@pytest.fixture(autouse=True)
def account(monkeypatch: pytest.MonkeyPatch, vendor: str) -> Iterator[None]:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "k")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        boto3.client("dynamodb").create_table(
            TableName="jobs",
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")],
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        )
        secret = boto3.client("secretsmanager").create_secret(Name="tryiton", SecretString="unset")["ARN"]
        stacks = Stacks(
            {
                "TableName": "jobs",
                "ApiFunction": "api",
                "ProviderSecrets": json.dumps({"tryiton": secret}),
                "ProviderEndpoints": json.dumps({"tryiton": vendor}),
            }
        )
        made = boto3.Session.client
        monkeypatch.setattr(
            boto3.Session, "client", lambda *a, **k: stacks if a[1] == "cloudformation" else made(*a, **k)
        )
        yield


def run(monkeypatch: pytest.MonkeyPatch, *words: str, stdin: str = "") -> None:
    monkeypatch.setattr(sys, "argv", ["admin", *words])
    monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
    admin.main()


def items() -> list[dict[str, Any]]:
    return list(boto3.resource("dynamodb").Table("jobs").scan()["Items"])


@pytest.mark.parametrize("mode", ["live", "test"])
def test_a_key_is_shown_once_and_stored_as_a_hash(
    mode: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run(monkeypatch, "tenant", "create", "demo")
    capsys.readouterr()
    run(monkeypatch, "key", "create", "--tenant", "demo", "--mode", mode)
    key = capsys.readouterr().out.strip()
    assert len(key) == len(f"fr_{mode}_") + 32
    assert key.startswith(f"fr_{mode}_")
    [stored] = [item for item in items() if item["sk"] == "KEY"]
    assert stored["pk"] == "KEY#" + hashlib.sha256(key.encode()).hexdigest()
    assert (stored["tenant"], stored["mode"]) == ("demo", mode)
    assert key not in json.dumps(items())


def test_a_tenant_is_created_once(monkeypatch: pytest.MonkeyPatch) -> None:
    run(monkeypatch, "tenant", "create", "demo")
    with pytest.raises(SystemExit, match="`demo` already exists"):
        run(monkeypatch, "tenant", "create", "demo")


@pytest.mark.parametrize("name", ["", "Demo", "a/b", "-a", "../x", "a" * 64, "a\n"])
def test_a_tenant_is_a_safe_folder_name(name: str) -> None:
    with pytest.raises(admin.AdminError, match="lower-case letters"):
        admin.Admin(boto3.Session()).create_tenant(name)


def test_a_tenant_s_providers_are_named_and_set_free_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run(monkeypatch, "tenant", "create", "demo")
    run(monkeypatch, "tenant", "allow", "demo", "tryiton", "fashn")
    assert items()[0]["providers"] == ["tryiton", "fashn"]
    assert "tryiton, fashn" in capsys.readouterr().out
    run(monkeypatch, "tenant", "allow", "demo", "--all")
    assert "providers" not in items()[0]
    assert "every provider" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["demo"], "name the providers .*--all"),
        (["demo", "tryiton", "--all"], "name the providers .*--all"),
        (["demo", "tryion"], "no provider `tryion`: use one of .*tryiton"),
        (["nobody", "tryiton"], "no tenant `nobody`.*tenant create nobody"),
    ],
)
def test_a_slip_in_what_a_tenant_may_use_changes_nothing(
    monkeypatch: pytest.MonkeyPatch, words: list[str], says: str
) -> None:
    run(monkeypatch, "tenant", "create", "demo")
    before = items()
    with pytest.raises(SystemExit, match=says):
        run(monkeypatch, "tenant", "allow", *words)
    assert items() == before


def test_a_key_needs_its_tenant(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SystemExit, match="tenant create nobody"):
        run(monkeypatch, "key", "create", "--tenant", "nobody", "--mode", "live")
    assert not items()


def test_a_providers_key_goes_to_its_secret_only(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run(monkeypatch, "provider", "set", "tryiton", stdin="the-vendors-key\n")
    [secret] = boto3.client("secretsmanager").list_secrets()["SecretList"]
    assert boto3.client("secretsmanager").get_secret_value(SecretId=secret["ARN"])["SecretString"] == "the-vendors-key"
    [item] = items()
    assert (item["pk"], item["sk"], item["configured"]) == ("PROVIDERS", "tryiton", True)
    assert "the-vendors-key" not in json.dumps(items()) + capsys.readouterr().out


def test_a_provider_is_not_offered_without_its_key(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SystemExit, match="tryiton needs a key"):
        run(monkeypatch, "provider", "set", "tryiton", stdin="\n")
    assert not items()


def test_a_provider_without_a_key_reads_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    run(monkeypatch, "provider", "set", "nova_canvas", stdin="not for you")
    assert [item["sk"] for item in items()] == ["nova_canvas"]


def test_a_balance_proves_the_key(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    run(monkeypatch, "provider", "set", "tryiton", stdin="the-vendors-key\n")
    capsys.readouterr()
    run(monkeypatch, "provider", "credits", "tryiton")
    assert capsys.readouterr().out == "tryiton has 1234567 credits left\n"
    run(monkeypatch, "provider", "set", "tryiton", stdin="another-key\n")
    with pytest.raises(SystemExit, match="TryItOn does not accept the key") as caught:
        run(monkeypatch, "provider", "credits", "tryiton")
    assert "another-key" not in str(caught.value)


@pytest.mark.parametrize(
    ("provider", "words"),
    [
        ("tryiton", "store one with `provider set tryiton`"),
        ("nova_canvas", "billed by AWS"),
        ("nova", "no provider `nova`"),
    ],
)
def test_no_balance_where_nothing_can_be_asked(provider: str, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SystemExit, match=words):
        run(monkeypatch, "provider", "credits", provider)


def test_an_unknown_provider_is_named_with_those_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SystemExit, match=r"no provider `nova`: use one of nova_canvas, stability, fashn"):
        run(monkeypatch, "provider", "set", "nova")


def test_a_stage_that_was_not_deployed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SystemExit, match="no stack FittingRoom-prod-Service"):
        run(monkeypatch, "--stage", "prod", "tenant", "create", "demo")
