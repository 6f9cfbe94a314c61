"""The HTTP API: one function answers everything itself behind `$default`; another one takes the vendors' callbacks."""

from __future__ import annotations

import json

import aws_cdk as cdk
from aws_cdk import aws_apigatewayv2 as apigw
from aws_cdk import aws_logs as logs
from aws_cdk.aws_apigatewayv2_integrations import HttpLambdaIntegration
from constructs import Construct

from infra.acknowledged import acknowledge
from infra.config import StageConfig
from infra.constructs.service_function import ServiceFunction

# The route key, never the path: the path of a callback holds its secret. No caller's address: it is personal data.
_LOGGED = {
    "requestId": "$context.requestId",
    "time": "$context.requestTime",
    "routeKey": "$context.routeKey",
    "status": "$context.status",
    "latency": "$context.responseLatency",
    "integrationError": "$context.integrationErrorMessage",
}


class HttpApi(Construct):
    """`url` without a slash at its end."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        config: StageConfig,
        handler: ServiceFunction,
        callback: ServiceFunction,
    ) -> None:
        super().__init__(scope, construct_id)
        api = apigw.HttpApi(
            self, "Api", create_default_stage=False, default_integration=HttpLambdaIntegration("Function", handler)
        )
        api.add_routes(
            path="/v1/callbacks/{provider}/{token}",
            methods=[apigw.HttpMethod.POST],
            integration=HttpLambdaIntegration("Callback", callback),
        )
        log_group = logs.LogGroup(
            self, "AccessLog", retention=config.log_retention, removal_policy=cdk.RemovalPolicy.DESTROY
        )
        rate, burst = config.throttle
        stage = apigw.HttpStage(
            self,
            "Stage",
            http_api=api,
            stage_name="$default",
            auto_deploy=True,
            throttle=apigw.ThrottleSettings(rate_limit=rate, burst_limit=burst),
        )
        settings = stage.node.default_child
        assert isinstance(settings, apigw.CfnStage)
        settings.access_log_settings = apigw.CfnStage.AccessLogSettingsProperty(
            destination_arn=log_group.log_group_arn, format=json.dumps(_LOGGED)
        )
        acknowledge(api, "APIG4")
        self.url = api.api_endpoint
