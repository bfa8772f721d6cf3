"""The registry of after triggers, as the change path and the workers see it: which actions a change concerns, and the function of each."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any, Protocol

from msgspec import Struct


class AfterTrigger(Struct, frozen=True):
    """An action that wants changes of one kind. `wants`: (item before, item after) → whether the action wants the change; None stands for no item.
    `needs_before`: it needs the item before an update, which costs a read."""

    action: str
    wants: Callable[[Any, Any], bool] = lambda before, after: True
    needs_before: bool = True


class Handler(Struct, frozen=True):
    """The function that handles the events of an action. `timeout`: seconds that one call may take. `attempts`: the most calls for one event. `pause`:
    the n-th retry waits a random time up to `pause` · 2ⁿ⁻¹ seconds, at most an hour (full jitter)."""

    call: Callable[[Any], Any]
    timeout: float = 60.0
    attempts: int = 12
    pause: float = 1.0


class UnfitEvent(Exception):
    """The handler cannot handle an event, because it does not fit the declaration of this process."""


class Triggers(Protocol):
    """The after triggers of an app. `stores`: the names of stores with at least one."""

    @property
    def stores(self) -> Collection[str]: ...

    def after(self, store: str, kind: str) -> Sequence[AfterTrigger]:
        """Return the triggers for changes of a kind: `created`, `updated` or `deleted`."""
        ...

    def handler(self, action: str) -> Handler | None:
        """Return the handler of an action. None if the app no longer has the action."""
        ...


class NoTriggers:
    """The registry of an app without triggers."""

    stores: Collection[str] = frozenset()

    def after(self, store: str, kind: str) -> Sequence[AfterTrigger]:
        return ()

    def handler(self, action: str) -> Handler | None:
        return None
