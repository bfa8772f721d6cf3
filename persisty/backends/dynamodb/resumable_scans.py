"""Scans of all items of a table, which a step of a migration makes page by page.

The position of a scan is recorded after each page, when all of its items are done, and at once when the scan is complete: the next scan may change
items so that this one would find them again. A step that was killed continues with that page, and may repeat
a part of it. That does no harm, because every write has a condition.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from ...store.migration import Report
from .wire_kinds import Wire

Call = Callable[[str, dict[str, Any]], dict[str, Any]]
"""Sends an operation with its payload."""
MOST = 1_000
"""Items of a page if the rate is limited."""


class ResumableScans:
    """The scans of one step, in the order in which they are begun. Those that the last migration has completed yield nothing. `note`: returns JSON
    values that belong to the position, `noted` has those of the last migration."""

    def __init__(self, call: Call, report: Report, note: Callable[[], Any] = lambda: None) -> None:
        self._call, self._report, self._note = call, report, note
        number, key, noted = report.position or (0, None, None)
        self._resumed: int = number
        self._start: Wire | None = key
        self.noted: Any = noted
        self._next, self._done = 0, report.done

    def skip(self) -> None:
        """Count a scan that is not needed, so that the others keep their numbers."""
        self._next += 1

    def pages(self, scan: Mapping[str, Any]) -> Iterator[Sequence[Wire]]:
        """Yield the items of each page of a scan. A page counts as done when the next one is requested."""
        number = self._next
        self._next += 1
        if number < self._resumed:
            return
        key = self._start if number == self._resumed else None
        limit = {} if self._report.rate is None else {"Limit": self._report.batch(MOST)}
        while True:
            page = self._call("Scan", {**scan, **limit, **({"ExclusiveStartKey": key} if key else {})})
            yield page["Items"]
            self._done += page["ScannedCount"]
            key = page.get("LastEvaluatedKey")
            position = [number, key, self._note()] if key else [number + 1, None, self._note()]
            self._report.reached(self._done, position, at_once=not key)
            if not key:
                return
