"""The fixture `open_engine` of the suite.

An engine that cannot be opened fails all of its tests.
"""

from __future__ import annotations

import itertools
import os

import pytest

from persisty.backends import connect
from persisty.store.backend import Engine
from persisty.testing.conformance.fixtures import OpenEngine

from .engines import ENGINES

_stages = (f"s{number}" for number in itertools.count())


@pytest.fixture(scope="session")
def sqlite_folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tmp_path_factory.mktemp("sqlite"))


@pytest.fixture(scope="session", params=ENGINES)
def open_engine(request: pytest.FixtureRequest) -> OpenEngine:
    return opener(request)


def opener(request: pytest.FixtureRequest, engine: str | None = None) -> OpenEngine:
    """Return a function that opens an engine, by default that of the request's parameter, each time over its own empty database."""
    server, url = ENGINES[engine or request.param]
    place = server and request.getfixturevalue(server)

    def opened() -> Engine:
        stage = next(_stages)
        return connect(url.format(place=place, stage=stage, process=os.getpid()), app="conformance", stage=stage)

    return opened
