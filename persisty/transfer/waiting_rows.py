"""Rows of an import that wait for a later row of the file: children that come before their parents in a file of a tree."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from ..errors import InvalidInput, PersistyError
from ..model.meta import StoreMeta
from ..model.msgspec_faults import pointer
from .rows import Row

MAX_WAITING = 64 << 20
"""The most bytes of the rows that wait, as JSON. Further rows are rejected at once."""


class WaitingRows:
    """The rows that wait. `rows`: each with the error of its last attempt, in the order of the file."""

    def __init__(self, meta: StoreMeta[Any]) -> None:
        self.rows: list[tuple[Row, PersistyError]] = []
        self._paths = frozenset(
            pointer(one.ends.local)
            for one in meta.links.values()
            if one.kind == "belongs_to" and one.on_delete != "ignore" and one.ends.target.name == meta.name
        )
        self._bytes = 0

    def take(self, refused: Iterable[tuple[Row, PersistyError]]) -> list[tuple[Row, PersistyError]]:
        """Add the rows that only lack an item of their own store. Return the others."""
        if not self._paths:
            return [*refused]
        return [(row, error) for row, error in refused if not self._taken(row, error)]

    def _taken(self, row: Row, error: PersistyError) -> bool:
        if not isinstance(error, InvalidInput) or not self._paths.issuperset(fault.path for fault in error.faults):
            return False
        self._bytes += len(msgspec.json.encode(row.given))
        if self._bytes > MAX_WAITING:
            return False
        self.rows.append((row, error))
        return True
