"""The seconds of each phase of a start and of an update, which `persisty local --verbose` prints. Phases overlap."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Phases:
    """`log` prints a line for each phase when it ends; without it nothing is printed."""

    def __init__(self, log: Callable[[str], None] | None = None) -> None:
        self._log = log

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Measure the body of the context."""
        begun = time.monotonic()
        yield
        if self._log is not None:
            self._log(f"  {name}: {time.monotonic() - begun:.1f} s")
