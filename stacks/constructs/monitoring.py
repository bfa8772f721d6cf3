"""Alarms and the dashboard of a deployment: the rows of `persisty.deploy.alarms` for its resources."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_sns as sns
from constructs import Construct
from msgspec import Struct

from persisty.deploy.alarms import ALARMS, FUNCTION, GRAPHS, PERIOD, RESOURCES

WIDTH = 12
"""Columns of a graph: half of a dashboard."""


class Watched(Struct, frozen=True):
    """A resource with metrics. `kind`: its rows in the table of alarms; `id`: the value of its dimension."""

    kind: str
    name: str
    id: str


def watched_functions(functions: Mapping[str, Any]) -> list[Watched]:
    """Return the functions of a part as resources with metrics."""
    return [Watched(FUNCTION, name, function.function_name) for name, function in functions.items()]


def new_topic(scope: Construct) -> sns.Topic:
    """Return a new topic for alarms. It has no key: CloudWatch cannot publish to a topic with the key that AWS manages."""
    return sns.Topic(scope, "Alarms", enforce_ssl=True)


def add_alarms(scope: Construct, resources: Sequence[Watched], topic: sns.ITopic) -> None:
    """Add the alarms of resources. Each publishes to the topic when it begins and when it ends."""
    action = actions.SnsAction(topic)
    for resource in resources:
        for row in ALARMS[resource.kind]:
            alarm = _metric(resource, row.metric, row.statistic).create_alarm(
                scope,
                f"{resource.name}-{row.metric}-Alarm",
                alarm_description=f"{row.description} ({resource.name})",
                threshold=row.threshold,
                evaluation_periods=row.periods,
                comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
                treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
            )
            alarm.add_alarm_action(action)
            alarm.add_ok_action(action)


def add_dashboard(scope: Construct, name: str, resources: Sequence[Watched]) -> cloudwatch.Dashboard:
    """Add a dashboard with a graph for each metric. Resources of a kind share their graphs."""
    dashboard = cloudwatch.Dashboard(scope, "Dashboard", dashboard_name=name)
    widgets = []
    for kind, group in groupby(sorted(resources, key=lambda one: list(GRAPHS).index(one.kind)), lambda one: one.kind):
        members = list(group)
        widgets += [
            cloudwatch.GraphWidget(
                title=f"{metric} ({kind})",
                width=WIDTH,
                left=[_metric(one, metric, statistic, label=one.name) for one in members],
            )
            for metric, statistic in GRAPHS[kind]
        ]
    dashboard.add_widgets(*widgets)
    return dashboard


def _metric(resource: Watched, metric: str, statistic: str, label: str | None = None) -> cloudwatch.Metric:
    of = RESOURCES[resource.kind]
    return cloudwatch.Metric(
        namespace=of.namespace,
        metric_name=metric,
        dimensions_map={of.dimension: resource.id},
        statistic=statistic,
        period=cdk.Duration.seconds(PERIOD),
        label=label,
    )
