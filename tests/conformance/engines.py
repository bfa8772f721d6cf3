"""The engines of this project, each by the name under which the suite runs over it."""

from __future__ import annotations

ENGINES: dict[str, tuple[str | None, str]] = {
    "memory": (None, "memory://"),
    "sqlite": ("sqlite_folder", "sqlite:///{place}/{stage}.db"),
    "postgresql": ("postgres_url", "{place}&schema=persisty-test-{process}-{stage}"),
    "dynamodb-moto": (
        "moto_endpoint",
        "dynamodb://us-east-1?endpoint={place}&partiql=0",
    ),  # moto has no PartiQL to speak of
    "dynamodb-local": ("local_endpoint", "dynamodb://us-east-1?endpoint={place}&index_attributes=2"),
    "dynamodb-boto3": ("moto_endpoint", "dynamodb://us-east-1?endpoint={place}&transport=boto3"),
}
"""Name → the fixture of the server it needs, and the URL of a place of its own there."""


def engine_of(nodeid: str) -> str | None:
    """The engine that a test of the suite is for, by the first of its parameters."""
    parameters = nodeid.partition("[")[2]
    return next((name for name in ENGINES if parameters.startswith((f"{name}-", f"{name}]"))), None)
