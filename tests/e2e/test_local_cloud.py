"""The launcher's promises, on the running emulator."""

from __future__ import annotations

import httpx
import pytest

from local import cloud as local_cloud

from .conftest import Cloud


@pytest.mark.parametrize("headers", [{"Host": "evil.example"}, {"Origin": "http://evil.example"}])
def test_no_web_page_drives_the_emulator(cloud: Cloud, headers: dict[str, str]) -> None:
    aws = cloud.api.split("/_aws/")[0]
    assert httpx.get(f"{aws}/_ministack/health", timeout=60).status_code == 200
    assert httpx.get(f"{aws}/_ministack/health", headers=headers, timeout=60).status_code == 403
    assert httpx.post(f"{aws}/_ministack/reset", headers=headers, timeout=60).status_code == 403


def test_a_preflight_reaches_our_function(cloud: Cloud) -> None:
    answer = httpx.options(f"{cloud.api}/v1/jobs", headers={"Origin": "https://shop.example"}, timeout=60)
    assert answer.status_code == 204
    assert "POST" in answer.headers["allow"]


def test_a_stranger_reads_no_picture(cloud: Cloud) -> None:
    cloud.aws("s3").put_object(Bucket=cloud.media, Key="results/demo/secret.png", Body=b"1")
    aws = cloud.api.split("/_aws/")[0]
    assert httpx.get(f"{aws}/{cloud.media}/results/demo/secret.png", timeout=60).status_code == 403


def test_a_roles_policy_binds(cloud: Cloud) -> None:
    """The settle function may not read the inbox: with its own credentials it is refused."""
    policies = cloud.aws("iam").simulate_principal_policy(
        PolicySourceArn=cloud.aws("lambda").get_function(FunctionName=cloud.function("Settle"))["Configuration"][
            "Role"
        ],
        ActionNames=["s3:GetObject"],
        ResourceArns=[f"arn:aws:s3:::{cloud.inbox}/uploads/demo/x"],
    )
    assert policies["EvaluationResults"][0]["EvalDecision"] != "allowed"


def test_a_second_up_deploys_nothing(cloud: Cloud, capsys: pytest.CaptureFixture[str]) -> None:
    assert local_cloud.up().api == cloud.api
    told = capsys.readouterr().out
    assert "started" not in told and "deployed" not in told
