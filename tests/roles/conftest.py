"""The fixture `open_engine` of the suite, over the engines of the conformance suite."""

from __future__ import annotations

import pytest

from persisty.testing.conformance.fixtures import OpenEngine

from ..conformance.conftest import opener, sqlite_folder
from ..conformance.engines import ENGINES

__all__ = ["sqlite_folder"]
NAMES = [name for name in ENGINES if name != "dynamodb-boto3"]
"""Engines without the second transport of the same engine, because rules do not depend on it."""


@pytest.fixture(scope="session", params=NAMES)
def open_engine(request: pytest.FixtureRequest) -> OpenEngine:
    return opener(request)
