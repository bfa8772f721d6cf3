"""Positions: the numbers that an engine gives to stored events and changes, each in its own order. Reads go on after a position; see `triggers.cursors`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, Protocol, TypeVar

from msgspec import Struct


class Placed(Protocol):
    """A stored event or change."""

    @property
    def position(self) -> int: ...

    @property
    def lane(self) -> int: ...


P = TypeVar("P", bound=Placed)


class Fetched(Struct, Generic[P], frozen=True):
    """Ready events in the order of their positions, or changes of the change log. `running`: the transactions that may still commit events with lower positions than those of
    this answer; see `triggers.cursors`. `below`: every transaction with a lower number has ended, unless it is in `running`. An engine with one writer at a time has none."""

    events: Sequence[P]
    running: frozenset[int] = frozenset()
    next_transaction: int = 0
