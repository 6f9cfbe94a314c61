from __future__ import annotations

import sys
from pathlib import Path

import pytest

from local import deploy


@pytest.fixture
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(deploy, "ROOT", tmp_path)
    (tmp_path / "lambdas" / "functions").mkdir(parents=True)
    (tmp_path / "lambdas" / "functions" / "handler.py").write_text("1")
    (tmp_path / "app.py").write_text("app")
    return tmp_path


def test_the_same_sources_and_settings_need_no_deployment(sources: Path) -> None:
    before = deploy.fingerprint({"a": "1"})
    (sources / "lambdas" / "handler.pyc").write_text("compiled meanwhile")
    (sources / "README.md").write_text("not deployed")
    assert deploy.fingerprint({"a": "1"}) == before


@pytest.mark.parametrize("change", ["edit", "rename", "add", "setting"])
def test_every_change_is_deployed(sources: Path, change: str) -> None:
    before = deploy.fingerprint({"a": "1"})
    handler = sources / "lambdas" / "functions" / "handler.py"
    match change:
        case "edit":
            handler.write_text("2")
        case "rename":
            handler.rename(handler.with_name("other.py"))
        case "add":
            (handler.parent / "new.py").touch()
    assert deploy.fingerprint({"a": "2" if change == "setting" else "1"}) != before


def test_the_users_own_account_is_out_of_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "work")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "https://s3.example")
    monkeypatch.setenv("CDK_DEFAULT_ACCOUNT", "123456789012")
    environment = deploy._environment("http://127.0.0.1:1")
    ours = {key: value for key, value in environment.items() if key.startswith(("AWS_", "CDK_DEFAULT"))}
    assert ours == deploy.credentials("http://127.0.0.1:1")


def test_a_missing_cli_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(deploy, "CLI", tmp_path / "cdk")
    with pytest.raises(deploy.CloudError, match="CDK CLI is missing"):
        deploy.bootstrap("http://127.0.0.1:1")


def test_the_reason_of_a_failure_is_picked_from_the_log() -> None:
    log = "\x1b[1mT | 1/2 | CREATE_COMPLETE | AWS::S3\x1b[0m\nT | 1/2 | CREATE_FAILED | AWS::SQS::Queue | no\n ❌  T failed\n"
    assert deploy._reason(log) == "T | 1/2 | CREATE_FAILED | AWS::SQS::Queue | no"
    assert deploy._reason("Traceback\n  File x\nValueError: stage: 'x' is not a stage\n\nat jsii") == (
        "ValueError: stage: 'x' is not a stage"
    )
    bundling = (
        "BundleError: http/api does not compile: SyntaxError: x\npython3 app.py: Subprocess exited with error 1\n"
    )
    assert deploy._reason("Bundling http/api\n" + bundling) == "BundleError: http/api does not compile: SyntaxError: x"
    assert deploy._reason("just\nthis\n") == "this"
    assert deploy._reason("") == "it said nothing"


def test_the_way_of_a_deployment_is_shown_and_kept_in_the_log(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = "Bundling http/api\nnoise\n\x1b[1mFittingRoom-dev-Storage\x1b[22m: deploying... [1/2]\n"
    cli = tmp_path / "cdk"
    cli.write_text(f"#!{sys.executable}\nimport sys\nsys.stderr.write({said!r})\n")
    cli.chmod(0o755)
    monkeypatch.setattr(deploy, "CLI", cli)
    monkeypatch.setattr(deploy, "HOME", tmp_path)
    deploy.bootstrap("http://127.0.0.1:1")
    assert [line.split()[:2] for line in capsys.readouterr().out.splitlines()] == [
        ["bundling", "http/api"],
        ["storage", "deploying"],
    ]
    assert (tmp_path / "logs/cdk.log").read_text() == said
