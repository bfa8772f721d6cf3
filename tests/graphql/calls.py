"""Counts the calls of the town's backends."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from persisty.store.store import context_of

from . import town


class Calls:
    """Counts the calls of the backends, by item and method."""

    METHODS = ("read", "query", "query_each", "count", "aggregate", "write")

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.counted: Counter[str] = Counter()
        for name in town.app.metas:
            backend = context_of(town.app.store(name)).backend
            for method in self.METHODS:
                monkeypatch.setattr(
                    backend, method, self._counting(f"{name} {method}", getattr(backend, method)), raising=False
                )

    def _counting(self, what: str, call: Any) -> Any:
        def counted(*arguments: Any, **options: Any) -> Any:
            self.counted[what] += 1
            return call(*arguments, **options)

        return counted
