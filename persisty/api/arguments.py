"""Read the arguments of operations. The faults of all arguments are gathered, so that one response lists every fault of a call."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from ..errors import Fault, InvalidInput, InvalidQuery
from ..model.expressions import Filter
from ..query.filter_parsing import filter_of_json, filter_of_parameters
from ..store.store import Store, context_of
from .operations import Arguments

X = TypeVar("X")


class Faults(list[Fault]):
    """The faults of an input, gathered from several checks."""

    worst: type[InvalidInput | InvalidQuery] = InvalidQuery

    def gather(self, check: Callable[[], X]) -> X | None:
        """Return the check's result, or None if it found faults."""
        try:
            return check()
        except (InvalidInput, InvalidQuery) as error:
            self.extend(error.faults)
            if isinstance(error, InvalidInput):
                self.worst = InvalidInput
            return None

    def settle(self, kind: type[InvalidInput | InvalidQuery] | None = None) -> None:
        """Raise if there are faults."""
        if self:
            raise (kind or self.worst)(faults=self)


def filter_from(store: Store[Any], given: Any, path: str = "/where") -> Filter:
    """Return the filter that is given as a `Filter`, as the parameters of a URL or in its JSON form."""
    if isinstance(given, Filter):
        return given
    view = context_of(store).guard.view
    if isinstance(given, list):
        return filter_of_parameters(store.meta, given, view)
    return filter_of_json(store.meta, given, path, view)


def object_from(given: Any, path: str) -> Arguments:
    if isinstance(given, Mapping):
        return given
    raise InvalidInput(faults=[Fault(path, "Expected an object", "object", type(given).__name__)])


def array_from(given: Any, path: str) -> list[Any]:
    if isinstance(given, list):
        return given
    raise InvalidInput(faults=[Fault(path, "Expected an array", "array", type(given).__name__)])
