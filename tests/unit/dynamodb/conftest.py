"""moto's tables, and fake credentials."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .parcels import Pair, pairs_at


@pytest.fixture(scope="session")
def pairs(moto_endpoint: str) -> Iterator[dict[str, Pair]]:
    """Return item → the same items in DynamoDB and in memory."""
    found = pairs_at(moto_endpoint)
    yield found
    for pair in found.values():
        pair.engine.close()


@pytest.fixture(autouse=True)
def aws_variables(credentials: None) -> None:
    """Use fake credentials in every test."""
