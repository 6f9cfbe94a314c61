"""What tells an operator how a stage does: alarms with the topic they are sent to, a dashboard, and named log queries."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from constructs import Construct

from infra.alarms import Watch
from infra.queries import Query


class Monitoring(Construct):
    """`email`: where the alarms go; None: to what is subscribed to `topic`. `rows`: of the dashboard."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        name: str,
        email: str | None,
        watches: Iterable[Watch],
        rows: Sequence[Sequence[cloudwatch.IWidget]],
        queries: Mapping[str, Query],
        encryption_key: kms.IKey | None,
    ) -> None:
        super().__init__(scope, construct_id)
        self.topic = self._topic(email, encryption_key)
        action = actions.SnsAction(self.topic)
        self.alarms = [self._alarm(watch) for watch in watches]
        for alarm in self.alarms:
            alarm.add_alarm_action(action)
            alarm.add_ok_action(action)
        states = cloudwatch.AlarmStatusWidget(title="Alarms", alarms=self.alarms, width=24, height=4)
        cloudwatch.Dashboard(
            self, "Dashboard", dashboard_name=name, widgets=[[states], *map(list, rows)], default_interval=_DAY
        )
        for number, (title, query) in enumerate(queries.items()):
            logs.QueryDefinition(
                self,
                f"Query{number}",
                query_definition_name=f"{name}/{title}",
                query_string=logs.QueryString(**query.parts),
                log_groups=list(query.groups),
            )

    def _topic(self, email: str | None, encryption_key: kms.IKey | None) -> sns.Topic:
        topic = sns.Topic(self, "Topic", enforce_ssl=True, master_key=encryption_key)
        if email:
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
        return topic

    def _alarm(self, watch: Watch) -> cloudwatch.Alarm:
        operators = cloudwatch.ComparisonOperator
        return cloudwatch.Alarm(
            self,
            watch.name,
            metric=watch.metric,
            alarm_description=f"Fitting Room: {watch.sentence} See {watch.name} in docs/operations.md.",
            threshold=watch.limit,
            datapoints_to_alarm=watch.low,
            evaluation_periods=watch.of,
            comparison_operator=operators.LESS_THAN_THRESHOLD if watch.below else operators.GREATER_THAN_THRESHOLD,
            treat_missing_data=watch.absent,
        )


_DAY = cdk.Duration.days(1)
