"""The engines on which stored items outlive a change of their declaration."""

from __future__ import annotations

from pathlib import Path

import pytest

from ...postgres import schema_in

ENGINES = ["memory", "sqlite", "postgresql", "dynamodb-local", "dynamodb-moto", "dynamodb-boto3"]


@pytest.fixture(params=ENGINES)
def engine_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database of each engine."""
    match request.param:
        case "memory":
            return "memory://"
        case "sqlite":
            return f"sqlite:///{tmp_path}/dresses.db"
        case "postgresql":
            return schema_in(request.getfixturevalue("postgres_url"))
        case "dynamodb-local":
            return f"dynamodb://us-east-1?endpoint={request.getfixturevalue('local_endpoint')}&index_attributes=2"
        case other:
            url = f"dynamodb://us-east-1?endpoint={request.getfixturevalue('moto_endpoint')}&partiql=0"
            return url + "&transport=boto3" if other.endswith("boto3") else url
