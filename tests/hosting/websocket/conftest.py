"""Fixtures of the tests of subscriptions over WebSockets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from persisty.hosting.server import Server
from tests.parity.hosts import SECRET, fill
from tests.shop import app

from .clients import Place, running


@pytest.fixture(params=["memory", "sqlite", "threads"])
def place(request: pytest.FixtureRequest, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """Yield a server: with engines that it calls in the event loop, and with one that it calls in threads."""
    monkeypatch.setenv("PERSISTY_TOKEN_SECRET", SECRET)
    monkeypatch.setattr(app, "_authenticator", None)
    app.use("memory://" if request.param == "memory" else f"sqlite:///{tmp_path}/shop.db")
    app.prepare()
    fill()
    with running(Server(app)) as found:
        if request.param == "threads":
            monkeypatch.setattr(app.engine, "embedded", False)
        yield found
    app.close()


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Yield the app, for tests that make their own server."""
    monkeypatch.setenv("PERSISTY_TOKEN_SECRET", SECRET)
    monkeypatch.setattr(app, "_authenticator", None)
    app.use("memory://")
    fill()
    yield
    app.close()
