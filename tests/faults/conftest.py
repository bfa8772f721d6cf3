"""The engines, a proxy before each, and no time lost between attempts."""

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
    """Grows instead of waiting."""
    slept: list[float] = []
    for module in (retries, keyed, transactions, writes):
        monkeypatch.setattr(module, "sleep", slept.append)
    return slept


@pytest.fixture
def proxy(local_endpoint: str) -> Iterator[FaultProxy]:
    """Before DynamoDB Local."""
    with fault_proxy(local_endpoint) as made:
        yield made


@pytest.fixture(scope="session")
def near(local_endpoint: str) -> Iterator[App]:
    """Return the stored items."""
    with prepared_at(local_endpoint) as app:
        yield app


@pytest.fixture(params=["direct", "boto3"])
def kind(request: pytest.FixtureRequest) -> str:
    """The transport."""
    return cast(str, request.param)


@pytest.fixture
def far(proxy: FaultProxy, near: App, kind: str, waits: list[float]) -> Iterator[App]:
    """The same as seen through the proxy."""
    app = app_at(proxy.endpoint, kind, near.stage)
    yield app
    app.close()
