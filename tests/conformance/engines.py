"""The engines of this project, by the names that the suite uses."""

from __future__ import annotations

ENGINES: dict[str, tuple[str | None, str]] = {
    "memory": (None, "memory://"),
    "sqlite": ("sqlite_folder", "sqlite:///{place}/{stage}.db"),
    "postgresql": ("postgres_url", "{place}&schema=persisty-test-{process}-{stage}"),
    "dynamodb-moto": (
        "moto_endpoint",
        "dynamodb://us-east-1?endpoint={place}&partiql=0",
    ),  # moto supports almost no PartiQL
    "dynamodb-local": ("local_endpoint", "dynamodb://us-east-1?endpoint={place}&index_attributes=2"),
    "dynamodb-boto3": ("moto_endpoint", "dynamodb://us-east-1?endpoint={place}&transport=boto3"),
}
"""Name → the fixture of the server that it needs, and the URL of its own database there."""


def engine_of(nodeid: str) -> str | None:
    """Return the engine of a test of the suite, by the first parameter of the test. None for any other test."""
    parameters = nodeid.partition("[")[2]
    return next((name for name in ENGINES if parameters.startswith((f"{name}-", f"{name}]"))), None)
