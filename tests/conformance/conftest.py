"""The engines of this project, each by a name under which the suite runs over it.

One that cannot be opened fails every test of its own.
"""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server

from persisty.backends import connect
from persisty.store.backend import Engine
from persisty.testing.conformance.fixtures import OpenEngine

from ..postgres import postgres_server

_stages = (f"s{number}" for number in itertools.count())


@pytest.fixture(scope="session")
def moto_endpoint() -> Iterator[str]:
    """A moto server of this process, and credentials that nobody owns."""
    moto, turn = DomainDispatcherApplication(create_backend_app), threading.Lock()

    def one_at_a_time(environ: Any, start_response: Any) -> list[bytes]:
        """DynamoDB decides each request atomically; moto checks a condition and then writes."""
        with turn:
            return list(moto(environ, start_response))

    server = make_server("127.0.0.1", 0, one_at_a_time, threaded=True, request_handler=MotoRequestHandler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            patch.delenv(name)
        patch.setenv("AWS_ACCESS_KEY_ID", "testing")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A PostgreSQL server of this process."""
    with postgres_server() as url:
        yield url


@pytest.fixture(scope="session")
def sqlite_folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tmp_path_factory.mktemp("sqlite"))


ENGINES: dict[str, tuple[str | None, str]] = {
    "memory": (None, "memory://"),
    "sqlite": ("sqlite_folder", "sqlite:///{place}/{stage}.db"),
    "postgresql": ("postgres_url", "{place}&schema=conformance-{process}-{stage}"),
    "dynamodb-moto": ("moto_endpoint", "dynamodb://us-east-1?endpoint={place}"),
    "dynamodb-boto3": ("moto_endpoint", "dynamodb://us-east-1?endpoint={place}&transport=boto3"),
}
"""Name → the fixture of the server it needs, and the URL of a place of its own there."""


@pytest.fixture(scope="session", params=ENGINES)
def open_engine(request: pytest.FixtureRequest) -> OpenEngine:
    server, url = ENGINES[request.param]
    place = server and request.getfixturevalue(server)

    def opened() -> Engine:
        stage = next(_stages)
        return connect(url.format(place=place, stage=stage, process=os.getpid()), app="conformance", stage=stage)

    return opened
