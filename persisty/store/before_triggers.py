"""The registry of before triggers, as the change path sees it: which actions run before a change, and what they need of other stores."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Protocol

from msgspec import Struct

from ..model.expressions import Filter
from ..model.meta import StoreMeta
from .backend import Requirement


class BeforeTrigger(Struct, frozen=True):
    """An action that runs before changes of one kind. `wants`: (item before, item after) → whether it runs; None stands for no item.

    `call`: (`Change` that is about to be made, number of this attempt) → None, the item to store, or changes of it. An error refuses the write.
    """

    action: str
    wants: Callable[[Any, Any], bool]
    call: Callable[[Any, int], Any]


class BeforeTriggers(Protocol):
    """The before triggers of an app. `before_stores`: the names of stores with at least one."""

    @property
    def before_stores(self) -> Collection[str]: ...

    def before(self, store: str, kind: str) -> Sequence[BeforeTrigger]:
        """Return the triggers for changes of a kind, in the order in which they run: `created`, `updated` or `deleted`."""
        ...

    def is_met(self, meta: StoreMeta[Any], where: Filter, item: Any) -> bool:
        """Return whether an item meets the condition of a write, which may follow links."""
        ...

    def requirements(self, meta: StoreMeta[Any], values: Mapping[str, Any]) -> Sequence[Requirement]:
        """Return the items that must exist for these values to be written. Raises `InvalidInput` for a missing item of another engine."""
        ...


class NoBeforeTriggers:
    """The registry of an app without before triggers."""

    before_stores: Collection[str] = frozenset()

    def before(self, store: str, kind: str) -> Sequence[BeforeTrigger]:
        return ()

    def is_met(self, meta: StoreMeta[Any], where: Filter, item: Any) -> bool:
        raise NotImplementedError

    def requirements(self, meta: StoreMeta[Any], values: Mapping[str, Any]) -> Sequence[Requirement]:
        raise NotImplementedError
