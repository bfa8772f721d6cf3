"""The engines, a proxy before each, and no time lost between attempts."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from moto.server import ThreadedMotoServer

from persisty.backends.dynamodb import keyed, transactions, transport, writes

from ..dynamodb_local import dynamodb_local
from .proxy import FaultProxy, fault_proxy

SERVERS = ("local_endpoint", "moto_endpoint")


@pytest.fixture(scope="session", autouse=True)
def credentials() -> Iterator[None]:
    """Credentials that nobody owns, and none of AWS's variables besides."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            patch.delenv(name)
        patch.setenv("AWS_ACCESS_KEY_ID", "testing")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        yield


@pytest.fixture(scope="session")
def local_endpoint() -> Iterator[str]:
    with dynamodb_local() as endpoint:
        yield endpoint


@pytest.fixture(scope="session")
def moto_endpoint() -> Iterator[str]:
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Grows instead of waiting."""
    slept: list[float] = []
    for module in (transport, keyed, transactions, writes):
        monkeypatch.setattr(module, "sleep", slept.append)
    return slept


@pytest.fixture
def proxy(local_endpoint: str) -> Iterator[FaultProxy]:
    """Before DynamoDB Local."""
    with fault_proxy(local_endpoint) as made:
        yield made
