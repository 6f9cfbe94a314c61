"""What must outlive a deployment: pictures, the table, the vendors' keys."""

from __future__ import annotations

from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from fitting_room.providers import catalogue
from infra.acknowledged import acknowledge
from infra.config import StageConfig


class StorageStack(cdk.Stack):
    """The buckets, table and secrets of a stage. `provider_secrets`: provider id to secret.

    Other stacks use names and ARNs, exported for good. If an export came and went with its use,
    CloudFormation would refuse the update that drops the use.
    """

    def __init__(self, scope: Construct, construct_id: str, config: StageConfig) -> None:
        super().__init__(scope, construct_id, termination_protection=config.stage == "prod")
        self._removal = cdk.RemovalPolicy.RETAIN if config.retain else cdk.RemovalPolicy.DESTROY
        self._key = self._own_key() if config.customer_key else None
        inbox = self._bucket(
            "Inbox",
            {"uploads/": config.deployment.upload_days, "drop/": config.deployment.upload_days},
            s3.HttpMethods.POST,
            config,
        )
        media = self._bucket(
            "Media",
            {"staging/": config.deployment.staging_days, "results/": config.deployment.result_days},
            s3.HttpMethods.GET,
            config,
        )
        self._send_events(inbox)
        if config.deployment.sagemaker:  # endpoints write their answers there
            self._send_events(media)
        table = self._table(config)
        secrets = {entry.id: self._secret(entry.id) for entry in catalogue.entries() if entry.secret}

        self.table_name, self.table_arn = self.export_value(table.table_name), self.export_value(table.table_arn)
        self.inbox_name, self.inbox_arn = self.export_value(inbox.bucket_name), self.export_value(inbox.bucket_arn)
        self.media_name, self.media_arn = self.export_value(media.bucket_name), self.export_value(media.bucket_arn)
        self.provider_secrets = {provider: self.export_value(secret.attr_id) for provider, secret in secrets.items()}
        self.key_arn = self.export_value(self._key.key_arn) if self._key else None

    def encryption_key(self, stack: cdk.Stack) -> kms.IKey | None:
        """Return the stage's own key, for another stack to use; None: AWS's own keys encrypt."""
        if self.key_arn is None:
            return None
        return kms.Key.from_key_arn(stack, "EncryptionKey", self.key_arn)

    def _own_key(self) -> kms.Key:
        key = kms.Key(
            self, "EncryptionKey", enable_key_rotation=True, removal_policy=self._removal, description="Fitting Room"
        )

        def let(service: str, actions: list[str], conditions: dict[str, Any] | None = None) -> None:
            principals = [iam.ServicePrincipal(service)]
            key.add_to_resource_policy(
                iam.PolicyStatement(actions=actions, resources=["*"], principals=principals, conditions=conditions)
            )

        let(
            f"logs.{self.region}.amazonaws.com",
            ["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*"],
            {"ArnLike": {"kms:EncryptionContext:aws:logs:arn": self.format_arn(service="logs", resource="*")}},
        )
        for sender in ("events.amazonaws.com", "cloudwatch.amazonaws.com"):  # to the queues, and to the alarms' topic
            let(sender, ["kms:Decrypt", "kms:GenerateDataKey"])
        return key

    def _bucket(self, name: str, days: dict[str, int], method: s3.HttpMethods, config: StageConfig) -> s3.Bucket:
        cors = s3.CorsRule(
            allowed_methods=[method],
            allowed_origins=list(config.deployment.cors_origins),
            allowed_headers=["*"],
            max_age=3600,
        )
        bucket = s3.Bucket(
            self,
            name,
            removal_policy=self._removal,
            encryption=s3.BucketEncryption.KMS if self._key else s3.BucketEncryption.S3_MANAGED,
            encryption_key=self._key,
            bucket_key_enabled=True if self._key else None,
            enforce_ssl=True,
            minimum_tls_version=1.2,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            cors=[cors] if config.deployment.cors_origins else None,
            lifecycle_rules=[
                s3.LifecycleRule(
                    prefix=prefix,
                    expiration=cdk.Duration.days(age),
                    abort_incomplete_multipart_upload_after=cdk.Duration.days(1),
                )
                for prefix, age in days.items()
            ],
        )
        acknowledge(bucket, "S1")
        return bucket

    def _send_events(self, bucket: s3.Bucket) -> None:
        # A property of the bucket: CDK's own switch would add a Lambda that may change any bucket's notifications.
        resource = bucket.node.default_child
        assert isinstance(resource, s3.CfnBucket)
        resource.notification_configuration = s3.CfnBucket.NotificationConfigurationProperty(
            event_bridge_configuration=s3.CfnBucket.EventBridgeConfigurationProperty(event_bridge_enabled=True)
        )

    def _table(self, config: StageConfig) -> dynamodb.Table:
        def text(name: str) -> dynamodb.Attribute:
            return dynamodb.Attribute(name=name, type=dynamodb.AttributeType.STRING)

        table = dynamodb.Table(
            self,
            "Table",
            partition_key=text("pk"),
            sort_key=text("sk"),
            time_to_live_attribute="ttl",
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
            removal_policy=self._removal,
            encryption_key=self._key,
            deletion_protection=config.retain,
            point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=config.retain
            ),
        )
        table.add_global_secondary_index(
            index_name="due",
            partition_key=text("due_shard"),
            sort_key=text("due_at"),
            projection_type=dynamodb.ProjectionType.KEYS_ONLY,
        )
        table.add_global_secondary_index(
            index_name="listed",
            partition_key=text("listed"),
            sort_key=text("id"),
            projection_type=dynamodb.ProjectionType.INCLUDE,
            non_key_attributes=["task", "owner", "reference", "batch"],
        )
        if not config.retain:
            acknowledge(table, "DDB3")
        return table

    def _secret(self, provider: str) -> secretsmanager.CfnSecret:
        # L1 and without a value: the L2 would fill in a random password, which reads like a key that is configured.
        secret = secretsmanager.CfnSecret(
            self,
            f"Key-{provider}",
            description=f"API key of {provider} for Fitting Room",
            kms_key_id=self._key and self._key.key_arn,
        )
        secret.apply_removal_policy(self._removal)
        acknowledge(secret, "SMG4")
        return secret
