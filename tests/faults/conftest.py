"""The engines, a proxy before each, and no time lost between attempts."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from persisty.backends.dynamodb import keyed, transactions, transport, writes

from .proxy import FaultProxy, fault_proxy

SERVERS = ("local_endpoint", "moto_endpoint")


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
