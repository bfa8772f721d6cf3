"""The gallery on a fresh engine, and the ways to ask it: hosted, and as AppSync does."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from persisty import App
from persisty.api.graphql.appsync import AppSync
from persisty.api.graphql.endpoint import GraphqlEndpoint

from . import gallery
from .asking import Hosted, StandIn


@pytest.fixture
def app() -> Iterator[App]:
    gallery.app.use("memory://")
    yield gallery.app
    gallery.app.close()


@pytest.fixture(scope="session")
def endpoint() -> GraphqlEndpoint:
    return GraphqlEndpoint(gallery.app)


@pytest.fixture
def hosted(app: App, endpoint: GraphqlEndpoint) -> Hosted:
    return Hosted(endpoint)


@pytest.fixture(scope="session")
def appsync() -> AppSync:
    return AppSync(gallery.app)


@pytest.fixture(scope="session")
def stand_in(appsync: AppSync) -> StandIn:
    return StandIn(appsync, gallery.app)
