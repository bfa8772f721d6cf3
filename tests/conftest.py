"""Fixtures of every theme."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

from examples.messenger import seeds
from examples.messenger.app import app
from persisty import App

from .conformance.engines import engine_of


@pytest.fixture
def messenger() -> Iterator[App]:
    """The example, seeded, in memory: the very object that its actions use."""
    kept = app.url
    app.use("memory://")
    seeds.seed(app)
    yield app
    app.use(kept)


class ByFile(LoadFileScheduling):
    """Files keep together in one process, as with `--dist loadfile`, but of the suite, one file, each engine by itself."""

    def _split_scope(self, nodeid: str) -> str:
        file: str = super()._split_scope(nodeid)
        engine = engine_of(nodeid) if file.endswith("conformance/test_suite.py") else None
        return file if engine is None else f"{file}[{engine}]"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByFile:
    return ByFile(config, log)
