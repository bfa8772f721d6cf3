"""Abilities that an engine may have for writes whose changes are observed. Without them, the change path makes the same calls one by one."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol, runtime_checkable

from ..model.keys import KeyValues
from .backend import Put, Write, WriteResult


@runtime_checkable
class LockingReads(Protocol):
    """A backend that runs several transactions at a time."""

    def read_locked(self, keys: Sequence[KeyValues]) -> list[Any]:
        """Return the items like `Backend.read`. No other transaction changes them until that of this thread ends."""
        ...


@runtime_checkable
class WritingWithBefore(Protocol):
    """A backend that reads the item before a write, locks it, and writes, in one call."""

    def write_with_before(self, write: Write) -> tuple[Any, WriteResult]:
        """Perform a write in a brief transaction, see `BriefTransactions`. Returns the item before it, if it is done, and the result."""
        ...


@runtime_checkable
class CreatingWithEvents(Protocol):
    """A backend that creates an item and appends its events in one call."""

    def create_with_events(self, put: Put, events: Sequence[Any], outbox: Any) -> WriteResult | None:
        """Create the item like `Backend.write`, and append the events if it is done. Returns None, without an effect, for a create that takes a transaction."""
        ...


@runtime_checkable
class BriefTransactions(Protocol):
    """An engine with a cheaper transaction for one write."""

    def brief_transaction(self) -> AbstractContextManager[None]:
        """Begin a transaction for reads and one `Backend.write` of one write. If the write is refused, nothing else may follow."""
        ...
