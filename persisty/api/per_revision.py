"""Parts of surfaces that are built from an app's items. They are built once, and again when the app's catalogue has changed.

Each request compares the catalogue by identity and takes no lock. A running request continues with the part that it obtained at its start.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from ..application import App
from ..store.catalogue import Catalogue

T = TypeVar("T")


class PerRevision(Generic[T]):
    """The result of `build` for the current catalogue. `build` also gets its last result, None at first, to reuse parts of it."""

    def __init__(self, app: App, build: Callable[[Catalogue, T | None], T]) -> None:
        self._app, self._build, self._lock = app, build, threading.Lock()
        self._catalogue, self._built = self._current(None)

    def __call__(self) -> T:
        """Return the result. Build it again first if the app's items have changed; an error of `build` is raised."""
        if self._app.catalogue is not self._catalogue:
            self._renew()
        return self._built

    def _renew(self) -> None:
        with self._lock:
            if self._app.catalogue is not self._catalogue:
                catalogue, self._built = self._current(self._built)
                self._catalogue = catalogue  # last, so that a thread that sees the new catalogue also sees its result

    def _current(self, before: T | None) -> tuple[Catalogue, T]:
        """Build until the catalogue has not changed meanwhile."""
        while True:
            catalogue = self._app.catalogue
            built = self._build(catalogue, before)
            if self._app.catalogue is catalogue:
                return catalogue, built
