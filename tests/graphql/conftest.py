"""The gallery and the town on new engines, with clients of both: hosted, and through AppSync."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from persisty import App
from persisty.api.graphql.appsync.function import AppSync
from persisty.api.graphql.hosted.endpoint import GraphqlEndpoint
from persisty.api.graphql.hosted.schema import GraphqlSchema

from . import gallery, town
from .asking import Hosted, StandIn
from .calls import Calls


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


# the town

ENGINES = ["memory://", "sqlite:///{path}"]


@pytest.fixture(params=ENGINES, ids=["memory", "sqlite"])
def filled(request: pytest.FixtureRequest, tmp_path: Any) -> Iterator[None]:
    town.fill(url=request.param.format(path=tmp_path / "town.db"))
    yield
    town.app.close()


@pytest.fixture(scope="session")
def town_schema() -> GraphqlSchema:
    return GraphqlSchema(town.app)


@pytest.fixture
def calls(filled: None, monkeypatch: pytest.MonkeyPatch) -> Calls:
    return Calls(monkeypatch)


@pytest.fixture
def asked(filled: None) -> Hosted:
    return Hosted(GraphqlEndpoint(town.app))


@pytest.fixture
def appsync_asked(filled: None) -> StandIn:
    return StandIn(AppSync(town.app), town.app)
