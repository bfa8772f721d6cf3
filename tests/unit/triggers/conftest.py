"""Fixtures of the tests of after triggers: the app on each engine that stores events."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from persisty import App

from . import mailing
from .orders import Registry, app_at

ENGINES = ("memory", "sqlite", "postgresql")
_numbers = itertools.count(1)


@pytest.fixture(params=ENGINES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "memory":
        return "memory://"
    return _stored_at(request, request.param, tmp_path)


@pytest.fixture(params=ENGINES[1:])
def shared_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the URL of an engine that several processes share."""
    return _stored_at(request, request.param, tmp_path)


@pytest.fixture
def app(url: str) -> Iterator[App]:
    """The app of `mailing`, on each engine."""
    made = mailing.app_at(url)
    yield made
    made.close()


@pytest.fixture
def transactional(shared_url: str) -> Iterator[App]:
    """The same on engines with transactions."""
    made = mailing.app_at(shared_url)
    yield made
    made.close()


@pytest.fixture
def postgres_schema(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return _stored_at(request, "postgresql", tmp_path)


def _stored_at(request: pytest.FixtureRequest, engine: str, folder: Path) -> str:
    if engine == "sqlite":
        return f"sqlite:///{folder}/shop.db"
    return f"{request.getfixturevalue('postgres_url')}&schema=triggers_{next(_numbers)}"


@pytest.fixture
def shop(url: str) -> Iterator[tuple[App, Registry]]:
    app, registry = app_at(url)
    yield app, registry
    app.close()


@pytest.fixture
def shared(shared_url: str) -> Iterator[tuple[App, Registry]]:
    app, registry = app_at(shared_url)
    yield app, registry
    app.close()
