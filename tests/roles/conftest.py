"""`open_engine`, which the suite asks for, over the engines of the conformance suite."""

from __future__ import annotations

import pytest

from persisty.testing.conformance.fixtures import OpenEngine

from ..conformance.conftest import opener, sqlite_folder
from ..conformance.engines import ENGINES

__all__ = ["sqlite_folder"]
NAMES = [name for name in ENGINES if name != "dynamodb-boto3"]
"""Not the second way to reach the same engine: rules are what it is sent."""


@pytest.fixture(scope="session", params=NAMES)
def open_engine(request: pytest.FixtureRequest) -> OpenEngine:
    return opener(request)
