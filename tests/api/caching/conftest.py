"""Fixtures of the tests of caching: an app over a memory engine, and a client of its REST surface."""

from collections.abc import Callable
from typing import Any

import pytest

from persisty import (
    App,
)
from persisty.api.rest.endpoint import Rest

from .items import ITEMS, Client, bare, hashed, own, stamped, timed


@pytest.fixture
def app() -> App:
    return App("cached", items=ITEMS, actions=[bare, hashed, timed, stamped, own], url="memory://")


@pytest.fixture
def ask(app: App) -> Client:
    return Client(Rest(app))


@pytest.fixture
def etag(app: App, ask: Client) -> Callable[[type[Any]], str]:
    """Return a function that creates an item and returns its ETag."""

    def of(item: type[Any]) -> str:
        app.store(item).create({"id": "1", "text": "first"})
        return ask("GET", f"/api/{item.__name__.lower()}/1").headers["etag"]

    return of
