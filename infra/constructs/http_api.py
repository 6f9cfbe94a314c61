"""The HTTP API: one function answers everything itself behind `$default`; another one takes the vendors' callbacks."""

from __future__ import annotations

import json

import aws_cdk as cdk
from aws_cdk import aws_apigatewayv2 as apigw
from aws_cdk import aws_certificatemanager as acm
from aws_cdk import aws_kms as kms
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
    """The HTTP API of a stage: `url` is its address, without a slash at its end.

    `domain_target`: where the DNS record of the stage's own name must point; empty without one.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        config: StageConfig,
        handler: ServiceFunction,
        callback: ServiceFunction,
        encryption_key: kms.IKey | None,
    ) -> None:
        super().__init__(scope, construct_id)
        self.api = api = apigw.HttpApi(
            self,
            "Api",
            api_name=f"FittingRoom-{config.stage}",
            create_default_stage=False,
            default_integration=HttpLambdaIntegration("Function", handler),
        )
        api.add_routes(
            path="/v1/callbacks/{provider}/{token}",
            methods=[apigw.HttpMethod.POST],
            integration=HttpLambdaIntegration("Callback", callback),
        )
        self.log_group = logs.LogGroup(
            self,
            "AccessLog",
            retention=config.log_retention,
            removal_policy=cdk.RemovalPolicy.DESTROY,
            encryption_key=encryption_key,
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
            destination_arn=self.log_group.log_group_arn, format=json.dumps(_LOGGED)
        )
        acknowledge(api, "APIG4")
        self.url, self.domain_target = api.api_endpoint, ""
        if config.domain_name and config.certificate_arn:
            domain = apigw.DomainName(
                self,
                "Domain",
                domain_name=config.domain_name,
                certificate=acm.Certificate.from_certificate_arn(self, "Certificate", config.certificate_arn),
                security_policy=apigw.SecurityPolicy.TLS_1_2,
            )
            apigw.ApiMapping(self, "Mapping", api=api, domain_name=domain, stage=stage)
            self.url, self.domain_target = f"https://{config.domain_name}", domain.regional_domain_name
