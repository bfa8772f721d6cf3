"""The alarms of a deployment, in one table: the metric of a resource, and its threshold.

Sources: the pages on metrics of the developer guides of AWS Lambda, Amazon API Gateway, AWS AppSync and Amazon SQS.
"""

from __future__ import annotations

from msgspec import Struct

PERIOD = 300
"""Seconds of a period. A resource without requests has no values and raises no alarm."""
FUNCTION, STREAM, QUEUE, HTTP, GRAPHQL = "function", "stream", "queue", "http", "graphql"


class Resource(Struct, frozen=True):
    """CloudWatch's namespace of the metrics of a resource, and the dimension that names it."""

    namespace: str
    dimension: str


class Alarm(Struct, frozen=True):
    """An alarm once the statistic of a metric has reached the threshold in as many periods in a row."""

    metric: str
    statistic: str
    threshold: float
    periods: int
    description: str


RESOURCES: dict[str, Resource] = {
    FUNCTION: Resource("AWS/Lambda", "FunctionName"),
    STREAM: Resource("AWS/Lambda", "FunctionName"),
    QUEUE: Resource("AWS/SQS", "QueueName"),
    HTTP: Resource("AWS/ApiGateway", "ApiId"),
    GRAPHQL: Resource("AWS/AppSync", "GraphQLAPIId"),
}
ALARMS: dict[str, tuple[Alarm, ...]] = {
    FUNCTION: (
        Alarm("Errors", "Sum", 1, 1, "A function crashed or timed out"),
        Alarm("Throttles", "Sum", 1, 1, "Lambda refused invocations: the concurrency is used up"),
    ),
    STREAM: (
        Alarm("IteratorAge", "Maximum", 300_000, 1, "Changes of a stream are handled more than five minutes late"),
    ),
    QUEUE: (
        Alarm(
            "ApproximateNumberOfMessagesVisible",
            "Maximum",
            1,
            1,
            "Changes could not be published, or events could not be handled",
        ),
    ),
    HTTP: (
        Alarm("5xx", "Sum", 5, 1, "The HTTP API answered with server errors"),
        Alarm("Latency", "p99", 3_000, 3, "One of a hundred requests took more than three seconds"),
    ),
    GRAPHQL: (
        Alarm("5XXError", "Sum", 5, 1, "AppSync answered with server errors"),
        Alarm("Latency", "p99", 3_000, 3, "One of a hundred requests took more than three seconds"),
    ),
}
"""Kind of resource → its alarms."""
GRAPHS: dict[str, tuple[tuple[str, str], ...]] = {
    FUNCTION: (("Invocations", "Sum"), ("Errors", "Sum"), ("Throttles", "Sum"), ("Duration", "p99")),
    STREAM: (("IteratorAge", "Maximum"),),
    QUEUE: (("ApproximateNumberOfMessagesVisible", "Maximum"),),
    HTTP: (("Count", "Sum"), ("4xx", "Sum"), ("5xx", "Sum"), ("Latency", "p99")),
    GRAPHQL: (("Requests", "Sum"), ("4XXError", "Sum"), ("5XXError", "Sum"), ("Latency", "p99")),
}
"""Kind of resource → the metrics with their statistics that the dashboards show. The stack of the streams is made later, and has a dashboard of its own if the app has after
triggers."""
