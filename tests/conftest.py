"""Fixtures of every theme."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from examples.messenger import seeds
from examples.messenger.app import app
from persisty import App


@pytest.fixture
def messenger() -> Iterator[App]:
    """The example, seeded, in memory: the very object that its actions use."""
    kept = app.url
    app.use("memory://")
    seeds.seed(app)
    yield app
    app.use(kept)
