"""The few alarms that mean a person must look, sent to one address."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from constructs import Construct


class Monitoring(Construct):
    """`alarms` maps a sentence to the metric that must stay at zero."""

    def __init__(self, scope: Construct, construct_id: str, email: str, alarms: dict[str, cloudwatch.IMetric]) -> None:
        super().__init__(scope, construct_id)
        topic = sns.Topic(self, "Topic", enforce_ssl=True)
        topic.add_subscription(subscriptions.EmailSubscription(email))
        # A topic with a policy of its own no longer lets the account's alarms in by default.
        topic.add_to_resource_policy(iam.PolicyStatement(
            actions=["sns:Publish"], resources=[topic.topic_arn],
            principals=[iam.ServicePrincipal("cloudwatch.amazonaws.com")],
            conditions={"StringEquals": {"aws:SourceAccount": cdk.Stack.of(self).account}}))
        for number, (sentence, metric) in enumerate(alarms.items()):
            alarm = cloudwatch.Alarm(
                self, f"Alarm{number}", metric=metric, alarm_description=sentence, threshold=0, evaluation_periods=1,
                comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
                treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING)
            alarm.add_alarm_action(actions.SnsAction(topic))
