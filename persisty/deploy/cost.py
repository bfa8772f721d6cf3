"""The cost of a deployment in a month, from its plan, a load and a table of prices: a line for each resource. Pure data.

DynamoDB bills a write by KB, a consistent read by 4 KB, an index read at half of it, and a transactional write twice. An index is written with each write of
its table. A unique index is a guard row, written in one transaction with the item. Source: "Pricing for On-Demand Capacity" of Amazon DynamoDB.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from math import ceil

from msgspec import Struct

from ..application import App
from ..model.meta import StoreMeta
from ..triggers.schedules import Schedule
from .alarms import ALARMS, FUNCTION, GRAPHQL, HTTP, QUEUE, STREAM
from .events import events_of
from .expected_load import Load, StoreLoad
from .options import Options
from .prices import AS_OF, Price
from .resources import Plan

KB, GB = 1024, 1024**3
READ_KB = 4
TRANSACTION = 2
"""Factor of the cost of a transactional write."""
HTTP_BYTES = 512 * KB
MESSAGE_BYTES = 5 * KB
INDEX_OVERHEAD = 100
"""Bytes that DynamoDB adds to each item, and to each of its entries in an index."""
ACCESS_LOG_BYTES = 300
"""Bytes of an HTTP API's access log for one request, with the 26 that CloudWatch adds to each line."""
MONTH = timedelta(days=30)
HOURS = 730
"""Hours of a month."""


class CostLine(Struct, frozen=True):
    """A number of units of one resource in a month, and their cost in dollars."""

    resource: str
    unit: str
    units: float
    usd: float


def cost_of(app: App, plan: Plan, options: Options, load: Load, prices: Mapping[str, Price]) -> list[CostLine]:
    """Return the lines of a deployment. An unused resource has no line."""

    def line(resource: str, price: str, units: float) -> CostLine:
        unit_price = prices[price]
        return CostLine(resource, unit_price.unit, units, units * unit_price.usd / unit_price.per)

    found = [
        line(resource, price, units)
        for name, of_store in load.stores.items()
        for resource, price, units in _table(app.metas[name], of_store, options)
    ]
    fires = _fires(app)
    found += [line(resource, price, units) for resource, price, units in _apis(plan, options, load, fires)]
    found.append(line("timers", "schedule", fires))
    return [one for one in found if one.units]


def _table(meta: StoreMeta[object], load: StoreLoad, options: Options) -> Iterator[tuple[str, str, float]]:
    name = f"table {meta.name}"
    indexes, uniques = sum(not one.unique for one in meta.indexes), len(meta.uniques)
    units = ceil(load.bytes / KB) or 1
    once = TRANSACTION if uniques else 1
    of_item = once * units + indexes * units
    guards = TRANSACTION * uniques
    writes = load.creates * (of_item + guards) + load.updates * (units + indexes * units)
    writes += load.deletes * (of_item + guards)
    yield name, "dynamodb_write", writes
    by_key = ceil(load.bytes / (READ_KB * KB)) or 1
    page = ceil(load.page * load.bytes / (READ_KB * KB)) or 1
    yield name, "dynamodb_read", load.reads * by_key + load.searches * page * (0.5 if indexes else 1)
    stored = load.items * (load.bytes + INDEX_OVERHEAD) * (1 + indexes) / GB
    yield name, "dynamodb_storage", stored
    if options.recovery_days:
        yield name, "dynamodb_recovery", load.items * (load.bytes + INDEX_OVERHEAD) / GB


def _apis(plan: Plan, options: Options, load: Load, fires: int) -> Iterator[tuple[str, str, float]]:
    requests = load.requests
    http = requests.rest + requests.graphql
    parts = max(1, ceil(requests.bytes / HTTP_BYTES))
    yield "HTTP API", "http_request", http * parts
    yield "AppSync", "appsync_operation", requests.appsync
    yield "AppSync", "appsync_update", requests.updates * max(1, ceil(requests.bytes / MESSAGE_BYTES))
    yield "AppSync", "appsync_minute", requests.connection_minutes
    if plan.sdl and any(field.caching is not None for field in plan.fields):
        yield "AppSync", "appsync_cache_hour", HOURS
    published = sum(of.creates + of.updates + of.deletes for of in load.stores.values()) if plan.publishers else 0
    delivered = published + _triggered(plan, load) + fires
    invocations = http + requests.appsync * requests.fields
    seconds = invocations * requests.milliseconds / 1000
    yield "functions", "lambda_request", invocations + delivered
    architecture = "x86_64" if options.target.startswith("x86_64") else "arm64"
    yield (
        "functions",
        f"lambda_{architecture}",
        (seconds + delivered * requests.milliseconds / 1000) * options.memory / 1024,
    )
    yield "AppSync", "appsync_operation", published  # each change is published by a mutation
    logged = http * ACCESS_LOG_BYTES if options.access_logs else 0
    yield "logs", "log_gb", ((invocations + delivered) * requests.log_bytes + logged) / GB
    yield "responses", "transfer_gb", (http + requests.appsync + requests.updates) * requests.bytes / GB
    if options.alarms:
        yield "alarms", "alarm", sum(len(ALARMS[kind]) * count for kind, count in _watched(plan).items())
    if plan.secret is not None:
        yield "token secret", "secret", 1


def _fires(app: App) -> int:
    """Return how often the timers of an app fire in a month of 30 days."""
    first = datetime(AS_OF.year, AS_OF.month, AS_OF.day, tzinfo=UTC)
    return sum(_between(one.schedule, first, first + MONTH) for one in app.detached.timed) if app.has_actions else 0


def _between(schedule: Schedule, at: datetime, until: datetime) -> int:
    found = 0
    while (following := schedule.following(at)) is not None and following <= until:
        at = following
        found += 1
    return found


def _triggered(plan: Plan, load: Load) -> int:
    """Return how many changes have a kind that an after trigger of their store wants. Each is counted as an invocation; batches and filters save some."""
    found = 0
    for one in plan.after:
        of = load.stores.get(one.store, StoreLoad())
        changes = {"created": of.creates, "updated": of.updates, "deleted": of.deletes}
        found += sum(changes[kind] for kind in one.kinds)
    return found


def _watched(plan: Plan) -> dict[str, int]:
    """Return how many resources of each kind have alarms."""
    events = events_of(plan)
    functions, streams = (0, 0) if events is None else (len(events.functions), len(events.readers))
    queues = 0 if events is None else events.queues
    return {
        FUNCTION: len(plan.functions) + functions,
        STREAM: streams,
        QUEUE: queues,
        HTTP: 1,
        GRAPHQL: int(bool(plan.sdl)),
    }
