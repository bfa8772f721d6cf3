"""Fixtures of the tests of idempotency keys: an app, a clock and a client."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from persisty import (
    App,
)
from persisty.api.rest.endpoint import Rest

from .items import CALLED, RAISED, Client, Clock, made


@pytest.fixture
def app() -> Iterator[App]:
    CALLED.clear()
    RAISED.clear()
    found = made()
    yield found
    found.close()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def post(app: App, clock: Clock) -> Client:
    return Client(Rest(app, clock=clock))


@pytest.fixture(scope="session")
def sqlite_folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tmp_path_factory.mktemp("sqlite"))
