"""Metrics of a function: one line of the log for each event, in CloudWatch's embedded metric format, which CloudWatch reads as metrics.

Powertools' Metrics adds no import to those of its Logger. Its Tracer is not used: it imports botocore and the X-Ray SDK, which takes six times as
long. `persisty.aws.xray` sends the same subsegments.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from aws_lambda_powertools import Metrics

from persisty.settings import Settings

NAMESPACE = "persisty"
COUNT, MILLISECONDS = "Count", "Milliseconds"

Handler = Callable[[Any, Any], Any]


def measured(function: str, app: str, configured: Settings) -> Callable[[Handler], Handler]:
    """Return a decorator of a handler that counts events, faults and time. It changes nothing if `PERSISTY_METRICS` is off.

    `function`: the value of the dimension `function`. The dimension `service` is the app with its stage.
    """
    if configured.metrics != "on":
        return lambda handler: handler
    metrics = Metrics(namespace=NAMESPACE, service=f"{app}-{configured.stage}")
    metrics.set_default_dimensions(function=function)

    def decorate(handler: Handler) -> Handler:
        def run(event: Any, context: Any) -> Any:
            started = time.perf_counter()
            result = handler(event, context)
            metrics.add_metric("Latency", MILLISECONDS, (time.perf_counter() - started) * 1000)
            for name, value in counts(result).items():
                metrics.add_metric(name, COUNT, value)
            return result

        logged: Handler = metrics.log_metrics(run, capture_cold_start_metric=True)
        return logged

    return decorate


def counts(result: Any) -> dict[str, int]:
    """Return the counts of a result: of an HTTP API by its status, of AppSync by its errors, of a stream by the records that failed."""
    answers = result if isinstance(result, list) else [result]
    statuses = [one.get("statusCode", 200) for one in answers]
    return {
        "Requests": len(answers),
        "ClientErrors": sum(400 <= status < 500 for status in statuses),
        "ServerErrors": sum(status >= 500 for status in statuses),
        "FieldErrors": sum("error" in one for one in answers),
        "FailedRecords": sum(len(one.get("batchItemFailures", ())) for one in answers),
    }
