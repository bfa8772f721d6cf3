"""A cache that is bounded by the cost of its values, in bytes. When it is full, the least recently used value is dropped."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock
from typing import Generic, TypeVar

V = TypeVar("V")


class BoundedCache(Generic[V]):
    """Text → value. `most`: the limit of the total cost. Thread-safe."""

    def __init__(self, most: int) -> None:
        self._most, self.cost = most, 0
        self._values: OrderedDict[str, tuple[V, int]] = OrderedDict()
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._values)

    def get(self, name: str) -> V | None:
        """Return the value, or None."""
        with self._lock:
            found = self._values.get(name)
            if found is None:
                return None
            self._values.move_to_end(name)
            return found[0]

    def put(self, name: str, value: V, cost: int) -> None:
        """Store the value, unless it costs more than a tenth of the cache: one value must not replace most others."""
        if cost > self._most // 10:
            return
        with self._lock:
            _, before = self._values.pop(name, (None, 0))
            self._values[name] = value, cost
            self.cost += cost - before
            while self.cost > self._most:
                _, (_, dropped) = self._values.popitem(last=False)
                self.cost -= dropped
