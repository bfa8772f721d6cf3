"""The targets of the rows that have one. A row is a work and a peer; `""` is the target for every other peer of a work."""

from __future__ import annotations

from types import MappingProxyType

CORE, BOTO3, LITESTAR = "SQLAlchemy Core", "boto3", "Litestar + msgspec + Core"
UPSERT, BATCH_WRITE = "SQLAlchemy Core, one upsert for all", "BatchWriteItem, no conditions"
CLIENT = ", client CPU"

AT_MOST = MappingProxyType(
    {
        **{
            (f"DynamoDB {work}{CLIENT}", ""): 0.12
            for work in ("create", "read", "delete", "search, a page of 100", "read_batch of 100", "full scan of 1,000")
        },
        (f"DynamoDB update{CLIENT}", BOTO3): 0.10,
        (f"DynamoDB update{CLIENT}", ""): 0.12,
        (f"DynamoDB search, a page of 25{CLIENT}", BOTO3): 0.10,
        (f"DynamoDB search, a page of 25{CLIENT}", ""): 0.12,
        (f"DynamoDB edit_batch of 100 creates{CLIENT}", BATCH_WRITE): 0.2,
        (f"DynamoDB edit_batch of 100 updates{CLIENT}", BATCH_WRITE): 0.2,
        ("SQLite create, CPU", ""): 0.35,
        ("SQLite delete, CPU", ""): 0.35,
        ("SQLite read, CPU", ""): 0.5,
        ("SQLite update, CPU", ""): 0.5,
        ("SQLite search, a page of 25, CPU", ""): 0.6,
        ("SQLite search, a page of 100, CPU", ""): 0.6,
        ("SQLite read_batch of 100, CPU", CORE): 0.4,
        ("SQLite edit_batch of 100 creates, CPU", CORE): 0.8,
        ("SQLite edit_batch of 100 updates, CPU", UPSERT): 0.8,
        ("SQLite edit_batch of 100 updates, clock", UPSERT): 0.8,
        ("SQLite search of 25 under an owner rule", ""): 1.05,
        ("REST handler, process start to first answer", ""): 0.6,
        ("AppSync handler, process start to first answer", ""): 0.6,
        ("SQLite create with an event, clock, synchronous=full", ""): 1.3,
        ("PostgreSQL, write to handler, p95", ""): 1,
        ("synthesis of 27 items, CPU", ""): 1.1,
        ("synthesis of 27 items, clock", ""): 1.1,
        ("memory after 100 items were added to 1,000 and removed", ""): 0.01,
    }
)
"""Work and peer → the largest ratio."""

AT_LEAST = MappingProxyType(
    {
        ("import of 20,000 rows of CSV, rows/s", ""): 1.2,
        ("PostgreSQL creates of 8 writers with an event, creates/s", ""): 0.85,
        ("PostgreSQL events a second and worker, in order per key", ""): 1,
        ("PostgreSQL events a second and worker, in order per key, with an old snapshot open", ""): 0.9,
        ("REST GET by key, req/s", "FastAPI + SQLModel"): 8,
        ("REST search page of 25, req/s", "FastAPI + SQLModel"): 8,
        ("REST POST, req/s", "FastAPI + SQLModel"): 8,
        ("REST GET by key, req/s", LITESTAR): 2,
        ("REST search page of 25, req/s", LITESTAR): 2.5,
        ("REST POST, req/s", LITESTAR): 1.5,
        ("REST GET by key, req/s", "bare ASGI function"): 0.55,
        ("REST search page of 25, req/s", "bare ASGI function"): 0.55,
        ("REST POST, req/s", "bare ASGI function"): 0.55,
        ("GraphQL list of 50 with two nested links, req/s", ""): 10,
    }
)
"""Work and peer → the smallest ratio."""
