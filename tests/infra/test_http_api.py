"""The gateway only passes on: what it would answer or log itself is not ours to word."""

from __future__ import annotations

import json

import pytest

from tests.infra.synthesized import Synthesized


@pytest.mark.parametrize(
    ("key", "function"), [("$default", "Api"), ("POST /v1/callbacks/{provider}/{token}", "Callback")]
)
def test_vendors_callbacks_have_their_own_function_and_every_other_request_reaches_the_api_s(
    stage: Synthesized, key: str, function: str
) -> None:
    api, settings = stage.service.one("AWS::ApiGatewayV2::Api")
    (route,) = (route for route in stage.service.of("AWS::ApiGatewayV2::Route").values() if route["RouteKey"] == key)
    passes_on = stage.service.of("AWS::ApiGatewayV2::Integration")[route["Target"].removeprefix("integrations/${")[:-1]]
    (called,) = (name for name in stage.service.of("AWS::Lambda::Function") if name[:-8] == function)
    assert settings["ProtocolType"] == "HTTP"
    assert "CorsConfiguration" not in settings, "preflight is the function's to answer"
    assert (passes_on["IntegrationType"], passes_on["PayloadFormatVersion"]) == ("AWS_PROXY", "2.0")
    assert passes_on["IntegrationUri"] == f"${{{called}.Arn}}"
    assert (route["ApiId"], passes_on["ApiId"]) == (f"${{{api}}}",) * 2


def test_there_are_no_other_routes(stage: Synthesized) -> None:
    assert len(stage.service.of("AWS::ApiGatewayV2::Route")) == 2


def test_no_authorizer_whose_cached_answer_outlives_a_revoked_key(stage: Synthesized) -> None:
    for route in stage.service.of("AWS::ApiGatewayV2::Route").values():
        assert route.get("AuthorizationType", "NONE") == "NONE"
    assert not stage.service.of("AWS::ApiGatewayV2::Authorizer")


def test_the_stage_is_explicit_and_throttled(stage: Synthesized) -> None:
    _, settings = stage.service.one("AWS::ApiGatewayV2::Stage")
    assert (settings["StageName"], settings["AutoDeploy"]) == ("$default", True)
    assert settings["DefaultRouteSettings"].keys() == {"ThrottlingRateLimit", "ThrottlingBurstLimit"}


def test_access_logs_name_the_route_and_neither_path_nor_caller(stage: Synthesized) -> None:
    _, settings = stage.service.one("AWS::ApiGatewayV2::Stage")
    logged = set(json.loads(settings["AccessLogSettings"]["Format"]).values())
    assert "$context.routeKey" in logged
    assert not [
        value for value in logged if any(word in value for word in ("path", "sourceIp", "userAgent", "authorizer"))
    ]
    group, _ = stage.service.one("AWS::Logs::LogGroup", "HttpApi")
    assert settings["AccessLogSettings"]["DestinationArn"] == f"${{{group}.Arn}}"


def test_the_function_ends_before_the_gateway_gives_up_on_it(stage: Synthesized) -> None:
    assert max(stage.functions()[name]["Timeout"] for name in ("Api", "Callback")) < 30


def test_a_stage_s_own_domain_leads_to_the_api_and_providers_and_clients_are_told_it(every: Synthesized) -> None:
    domain, settings = every.service.one("AWS::ApiGatewayV2::DomainName")
    (facts,) = settings["DomainNameConfigurations"]
    assert (settings["DomainName"], facts["SecurityPolicy"]) == ("api.shop.example", "TLS_1_2")
    assert facts["CertificateArn"] == "arn:aws:acm:us-east-1:123456789012:certificate/0a1b"
    _, mapping = every.service.one("AWS::ApiGatewayV2::ApiMapping")
    api, _ = every.service.one("AWS::ApiGatewayV2::Api")
    assert (mapping["ApiId"], mapping["DomainName"]) == (f"${{{api}}}", f"${{{domain}}}")
    for name in ("StartHttp", "Api"):
        told = every.functions()[name]["Environment"]["Variables"]
        assert told["API_URL"] == "https://api.shop.example", name
