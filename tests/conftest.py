"""Fixtures of all tests."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator

import hypothesis
import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

from examples.messenger import seeds
from examples.messenger.app import app
from persisty import App

from . import tokens
from .conformance.engines import engine_of
from .dynamodb_local import dynamodb_local
from .moto_server import moto_server
from .postgres import postgres_server

# An example of a millisecond takes a second on a machine with more processes than cores. Hypothesis' deadline of 200 ms would fail it.
hypothesis.settings.register_profile("without deadlines", parent=hypothesis.settings.default, deadline=None)
hypothesis.settings.load_profile("without deadlines")


@pytest.fixture(scope="session")
def credentials() -> Iterator[None]:
    """Set invalid credentials, and unset all other variables of AWS."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            patch.delenv(name)
        patch.setenv("AWS_ACCESS_KEY_ID", "testing")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        yield


@pytest.fixture(scope="session")
def moto_endpoint(credentials: None) -> Iterator[str]:
    with moto_server() as endpoint:
        yield endpoint


@pytest.fixture(scope="session")
def local_endpoint(credentials: None) -> Iterator[str]:
    """Run DynamoDB Local, and return its endpoint."""
    with dynamodb_local() as endpoint:
        yield endpoint


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """An empty database of a PostgreSQL server."""
    with postgres_server() as url:
        yield url


@pytest.fixture
def messenger() -> Iterator[App]:
    """Return the example app, seeded, in memory: the same object that its actions use."""
    before = app.url
    app.use("memory://")
    app.authenticator = tokens.authenticator()
    seeds.seed(app)
    yield app
    app.use(before)


class ByFile(LoadFileScheduling):
    """Run the tests of a file in one process, like `--dist loadfile`. The engines of a suite are distributed separately."""

    def _split_scope(self, nodeid: str) -> str:
        file: str = super()._split_scope(nodeid)
        engine = engine_of(nodeid) if file.endswith("/test_suite.py") else None
        return file if engine is None else f"{file}[{engine}]"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Escape halves of surrogate pairs in captured output. A test process cannot send them to the process that prints the reports, and would end."""
    report = yield
    report.sections = [(name, text.encode(errors="backslashreplace").decode()) for name, text in report.sections]
    return report


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByFile:
    return ByFile(config, log)
