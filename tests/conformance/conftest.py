"""The servers that engines need, one of each in a process, and `open_engine`, which the suite asks for.

An engine that cannot be opened fails every test of its own.
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

from ..dynamodb_local import dynamodb_local
from ..postgres import postgres_server
from .engines import ENGINES

_stages = (f"s{number}" for number in itertools.count())


@pytest.fixture(scope="session")
def credentials() -> Iterator[None]:
    """Credentials that nobody owns, and none of AWS's variables besides."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            patch.delenv(name)
        patch.setenv("AWS_ACCESS_KEY_ID", "testing")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        yield


@pytest.fixture(scope="session")
def moto_endpoint(credentials: None) -> Iterator[str]:
    """A moto server of this process."""
    moto, turn = DomainDispatcherApplication(create_backend_app), threading.Lock()

    def one_at_a_time(environ: Any, start_response: Any) -> list[bytes]:
        """DynamoDB decides each request atomically; moto checks a condition and then writes."""
        with turn:
            return list(moto(environ, start_response))

    server = make_server("127.0.0.1", 0, one_at_a_time, threaded=True, request_handler=MotoRequestHandler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()


@pytest.fixture(scope="session")
def local_endpoint(credentials: None) -> Iterator[str]:
    """A DynamoDB Local of this process."""
    with dynamodb_local() as endpoint:
        yield endpoint


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A PostgreSQL server of this process."""
    with postgres_server() as url:
        yield url


@pytest.fixture(scope="session")
def sqlite_folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tmp_path_factory.mktemp("sqlite"))


@pytest.fixture(scope="session", params=ENGINES)
def open_engine(request: pytest.FixtureRequest) -> OpenEngine:
    server, url = ENGINES[request.param]
    place = server and request.getfixturevalue(server)

    def opened() -> Engine:
        stage = next(_stages)
        return connect(url.format(place=place, stage=stage, process=os.getpid()), app="conformance", stage=stage)

    return opened
