"""A Lambda function with a log group and a role of its own, which may write that log and nothing else yet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from infra.acknowledged import acknowledge_wildcard
from infra.config import StageConfig
from infra.constructs.bundle import function_code


class ServiceFunction(lambda_.Function):
    """`folder` below `lambdas/functions`; memory in MB, timeout in seconds."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        config: StageConfig,
        *,
        folder: str,
        memory: int,
        timeout: int,
        environment: Mapping[str, str],
        encryption_key: kms.IKey | None,
    ) -> None:
        log_group = logs.LogGroup(
            scope,
            f"{construct_id}Log",
            retention=config.log_retention,
            removal_policy=cdk.RemovalPolicy.DESTROY,
            encryption_key=encryption_key,
        )
        role = iam.Role(scope, f"{construct_id}Role", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
        super().__init__(
            scope,
            construct_id,
            code=function_code(cdk.Stack.of(scope), folder, config.wheels),
            handler="handler.handler",
            runtime=lambda_.Runtime.PYTHON_3_14,
            architecture=lambda_.Architecture.ARM_64,
            memory_size=memory,
            timeout=cdk.Duration.seconds(timeout),
            reserved_concurrent_executions=config.reserved(construct_id),
            environment=dict(environment),
            environment_encryption=encryption_key,
            role=role,
            log_group=log_group,
            tracing=lambda_.Tracing.ACTIVE,
        )
        self.seconds, self.own_role = timeout, role
        self.allow(["logs:CreateLogStream", "logs:PutLogEvents"], [log_group.log_group_arn])
        acknowledge_wildcard(role, "*", "X-Ray has no resource to name.")

    def allow(self, actions: Sequence[str], resources: Sequence[str], wildcard: str = "") -> None:
        """Allow the actions on the resources. `wildcard`: why the resources end in one."""
        self.add_to_role_policy(iam.PolicyStatement(actions=list(actions), resources=list(resources)))
        if wildcard:
            for resource in resources:
                acknowledge_wildcard(self.own_role, resource, wildcard)
