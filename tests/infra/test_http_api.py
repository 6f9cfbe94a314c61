"""The gateway only passes on: what it would answer or log itself is not ours to word."""

from __future__ import annotations

import json

from tests.infra.synthesized import Synthesized


def test_every_request_reaches_the_api_function(stage: Synthesized) -> None:
    api, settings = stage.service.one("AWS::ApiGatewayV2::Api")
    integration, passes_on = stage.service.one("AWS::ApiGatewayV2::Integration")
    _, route = stage.service.one("AWS::ApiGatewayV2::Route")
    (function,) = (name for name in stage.service.of("AWS::Lambda::Function") if name[:-8] == "Api")
    assert settings["ProtocolType"] == "HTTP"
    assert "CorsConfiguration" not in settings, "preflight is the function's to answer"
    assert (passes_on["IntegrationType"], passes_on["PayloadFormatVersion"]) == ("AWS_PROXY", "2.0")
    assert passes_on["IntegrationUri"] == f"${{{function}.Arn}}"
    assert (route["RouteKey"], route["Target"]) == ("$default", f"integrations/${{{integration}}}")
    assert (route["ApiId"], passes_on["ApiId"]) == (f"${{{api}}}",) * 2


def test_no_authorizer_whose_cached_answer_outlives_a_revoked_key(stage: Synthesized) -> None:
    _, route = stage.service.one("AWS::ApiGatewayV2::Route")
    assert route.get("AuthorizationType", "NONE") == "NONE"
    assert not stage.service.of("AWS::ApiGatewayV2::Authorizer")


def test_the_stage_is_explicit_and_throttled(stage: Synthesized) -> None:
    _, settings = stage.service.one("AWS::ApiGatewayV2::Stage")
    assert (settings["StageName"], settings["AutoDeploy"]) == ("$default", True)
    assert settings["DefaultRouteSettings"] == {"ThrottlingRateLimit": 100, "ThrottlingBurstLimit": 200}


def test_access_logs_name_the_route_and_neither_path_nor_caller(stage: Synthesized) -> None:
    _, settings = stage.service.one("AWS::ApiGatewayV2::Stage")
    logged = set(json.loads(settings["AccessLogSettings"]["Format"]).values())
    assert "$context.routeKey" in logged
    assert not [value for value in logged if any(word in value for word in ("path", "sourceIp", "userAgent", "authorizer"))]
    group, _ = stage.service.one("AWS::Logs::LogGroup", "HttpApi")
    assert settings["AccessLogSettings"]["DestinationArn"] == f"${{{group}.Arn}}"


def test_the_function_ends_before_the_gateway_gives_up_on_it(stage: Synthesized) -> None:
    assert stage.functions()["Api"]["Timeout"] < 30
