"""One `engine` for each engine there is, and stores of fresh, empty tables on it.

Nothing here skips: an engine that cannot be opened fails every test of its own.
"""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server

from persisty import App, Store

from ..postgres import postgres_server
from .dirty import rows
from .items import Cell, Note, Reading, Specimen

ENGINES = ("memory", "sqlite", "postgresql", "dynamodb-direct", "dynamodb-boto3")
_stages = (f"s{number}" for number in itertools.count())

OpenStore = Callable[[type[Any]], Store[Any]]


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


@pytest.fixture(scope="session", params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="session")
def url(engine: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Where the engine keeps its items. A SQLite file is made for each app, see `opened`."""
    if engine.startswith("dynamodb-"):
        endpoint = request.getfixturevalue("moto_endpoint")
        return f"dynamodb://us-east-1?endpoint={endpoint}&transport={engine.removeprefix('dynamodb-')}"
    if engine == "postgresql":
        return str(request.getfixturevalue("postgres_url"))
    if engine == "sqlite":
        return f"sqlite:///{tmp_path_factory.mktemp('sqlite')}"
    return "memory://"


def opened(url: str, *items: type[Any]) -> App:
    """An app over empty tables: a file or a stage of its own."""
    stage = next(_stages)
    if url.startswith("sqlite:"):
        url = f"{url}/{stage}.db"
    if url.startswith("postgresql:"):
        url = f"{url}&schema=conformance-{os.getpid()}-{stage}"
    app = App("conformance", items=items, url=url, stage=stage)
    app.prepare()
    return app


@pytest.fixture
def open_store(url: str) -> Iterator[OpenStore]:
    """Item → its store, empty."""
    apps: list[App] = []

    def open_one(item: type[Any]) -> Store[Any]:
        apps.append(opened(url, item))
        return apps[-1].store(item)

    yield open_one
    for app in apps:
        app.close()


@pytest.fixture
def notes(open_store: OpenStore) -> Store[Note]:
    return open_store(Note)


@pytest.fixture
def specimens(open_store: OpenStore) -> Store[Specimen]:
    return open_store(Specimen)


@pytest.fixture
def readings(open_store: OpenStore) -> Store[Reading]:
    return open_store(Reading)


@pytest.fixture
def cells(open_store: OpenStore) -> Store[Cell]:
    return open_store(Cell)


@pytest.fixture(scope="session")
def shelf(url: str) -> Iterator[Store[Specimen]]:
    """A store that tests share: each puts its own keys into it."""
    app = opened(url, Specimen)
    yield app.store(Specimen)
    app.close()


@pytest.fixture(scope="session")
def dirty(url: str) -> Iterator[Store[Specimen]]:
    """The dirty rows, stored. Tests only read them."""
    app = opened(url, Specimen)
    store = app.store(Specimen)
    for row in rows():
        store.create(row)
    yield store
    app.close()
