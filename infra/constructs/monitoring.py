"""The few alarms that mean a person must look, sent to one address."""

from __future__ import annotations

from collections.abc import Mapping

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from constructs import Construct

NOTICE_DAYS = 90


class Monitoring(Construct):
    """`zeros` maps a sentence to the metric that must stay at zero, `lives` to the days that must not fall below the notice."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        email: str,
        zeros: Mapping[str, cloudwatch.IMetric],
        lives: Mapping[str, cloudwatch.IMetric],
    ) -> None:
        super().__init__(scope, construct_id)
        topic = sns.Topic(self, "Topic", enforce_ssl=True)
        topic.add_subscription(subscriptions.EmailSubscription(email))
        # A topic with a policy of its own no longer lets the account's alarms in by default.
        topic.add_to_resource_policy(
            iam.PolicyStatement(
                actions=["sns:Publish"],
                resources=[topic.topic_arn],
                principals=[iam.ServicePrincipal("cloudwatch.amazonaws.com")],
                conditions={"StringEquals": {"aws:SourceAccount": cdk.Stack.of(self).account}},
            )
        )
        for number, (sentence, metric) in enumerate(zeros.items()):
            cloudwatch.Alarm(
                self,
                f"Alarm{number}",
                metric=metric,
                alarm_description=sentence,
                threshold=0,
                evaluation_periods=1,
                comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
                treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
            ).add_alarm_action(actions.SnsAction(topic))
        for number, (sentence, metric) in enumerate(lives.items()):
            cloudwatch.Alarm(
                self,
                f"Life{number}",
                metric=metric,
                alarm_description=sentence,
                threshold=NOTICE_DAYS,
                evaluation_periods=1,
                comparison_operator=cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD,
                # a day on which nobody could ask says nothing new
                treat_missing_data=cloudwatch.TreatMissingData.IGNORE,
            ).add_alarm_action(actions.SnsAction(topic))
