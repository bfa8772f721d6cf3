"""Apps with direct access to an engine and through a proxy, without waiting between attempts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import pytest

from persisty import App
from persisty.aws import retries
from persisty.backends.dynamodb import key_reads as keyed
from persisty.backends.dynamodb import transactions, writes

from .items import app_at, prepared_at
from .proxy import FaultProxy, fault_proxy


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return the list of the seconds that the code would have waited."""
    slept: list[float] = []
    for module in (retries, keyed, transactions, writes):
        monkeypatch.setattr(module, "sleep", slept.append)
    return slept


@pytest.fixture
def proxy(local_endpoint: str) -> Iterator[FaultProxy]:
    """Yield a proxy in front of DynamoDB Local."""
    with fault_proxy(local_endpoint) as made:
        yield made


@pytest.fixture(scope="session")
def near(local_endpoint: str) -> Iterator[App]:
    """Yield an app that reads the stored items directly."""
    with prepared_at(local_endpoint) as app:
        yield app


@pytest.fixture(params=["direct", "boto3"])
def kind(request: pytest.FixtureRequest) -> str:
    """Return the name of the transport."""
    return cast(str, request.param)


@pytest.fixture
def far(proxy: FaultProxy, near: App, kind: str, waits: list[float]) -> Iterator[App]:
    """Yield an app that uses the same tables through the proxy."""
    app = app_at(proxy.endpoint, kind, near.stage)
    yield app
    app.close()
