"""Functions for the classes of a description. Each is made once, also for a class that contains itself."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Generic, TypeVar

F = TypeVar("F", bound=Callable[..., Any])


class PerClass(Generic[F]):
    """The functions by the names of their classes. `make` returns the function of a class, None if it needs none. `later` returns the function of a class
    whose own function is not made yet; it gets a function that returns that one."""

    def __init__(self, make: Callable[[str], F | None], later: Callable[[Callable[[], F | None]], F]) -> None:
        self._make, self._later = make, later
        self._made: dict[str, F | None] = {}

    def of(self, name: str) -> F | None:
        """Return the function of a class."""
        if name not in self._made:
            self._made[name] = self._later(partial(self._made.get, name))  # where the class contains itself
            self._made[name] = self._make(name)
        return self._made[name]
