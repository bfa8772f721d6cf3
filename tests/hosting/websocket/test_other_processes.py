"""Subscribers of a server hear of the writes of other processes, if the app shares its changes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from persisty import App
from persisty.application.shared_changes import SharedChanges
from persisty.hosting.server import Server
from tests.parity.hosts import SECRET, fill
from tests.shop import Article, app

from .clients import STAFF, client, create, following, running


@pytest.fixture(params=["sqlite", "postgresql"])
def other(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[App]:
    """Yield the app as another process has it. Both share their changes."""
    monkeypatch.setenv("PERSISTY_TOKEN_SECRET", SECRET)
    monkeypatch.setattr(app, "_authenticator", None)
    url = f"sqlite:///{tmp_path}/shop.db"
    if request.param == "postgresql":
        url = f"{request.getfixturevalue('postgres_url')}&schema=other_processes"
    app.use(url)
    app.prepare()
    fill()
    monkeypatch.setattr(app, "_shared", SharedChanges(app._engines, app._feed, lambda: app.metas, 600.0))
    monkeypatch.setattr(app._feed, "shared", frozenset(app.metas))
    made = App(app.name, items=list(app.metas.values()), url=url, feed=timedelta(minutes=10))
    yield made
    made.close()
    app.close()


def test_subscribers_hear_of_the_writes_of_all_processes_in_the_order_of_an_item(other: App) -> None:
    with running(Server(app)) as place, client(place, STAFF) as staff:
        for kind in ("Created", "Updated", "Deleted"):
            staff.begin(kind, f"subscription {{ article{kind} {{ code stock }} }}")
        articles = other.store(Article)
        made = articles.create({"code": "other", "price": "2"})
        assert staff.hear() == following("Created", articleCreated={"code": "other", "stock": made.stock})
        app.store(Article).update(made.id, {"stock": 4})
        assert staff.hear() == following("Updated", articleUpdated={"code": "other", "stock": 4})
        articles.delete(made.id)
        assert staff.hear() == following("Deleted", articleDeleted={"code": "other", "stock": 4})
        create(place, "here")
        assert staff.hear()["payload"]["data"]["articleCreated"]["code"] == "here"
