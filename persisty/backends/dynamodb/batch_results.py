"""Collect the results of a batch as they arrive. The failure of one write does not hide the results of the others.

```
no write was done, none is in doubt        the error is raised
otherwise                                  each write has its result; a failed one has an ERROR
the engine failed after all retries        no more requests are sent: the remaining writes are ERRORs too
```
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from msgspec import structs

from ...errors import InvalidInput, PersistyError
from ...model.msgspec_faults import pointer
from ...store.backend import Outcome, WriteResult

WAITING = WriteResult(Outcome.ABORTED)


class Results:
    """`by_position`: the result of each write so far, set by one thread each. `failure`: the engine's error."""

    def __init__(self, count: int) -> None:
        self.by_position = [WAITING] * count
        self.failure: PersistyError | None = None

    def record(self, position: int, write: Callable[[], WriteResult], *, in_doubt: bool = False) -> None:
        """Record the result of a write, or its failure. `in_doubt`: an earlier attempt may have been carried out."""
        try:
            if self.failure is not None:
                raise type(self.failure)(self.failure.message)  # not in doubt: this one was not sent
            self.by_position[position] = write()
        except PersistyError as error:
            self.fail((position,), error)
            if in_doubt:
                self.by_position[position] = WriteResult(Outcome.IN_DOUBT)

    def fail(self, positions: Iterable[int], error: PersistyError) -> None:
        """Record a failure for these writes."""
        if self.failure is None and not isinstance(error, InvalidInput):
            self.failure = error
        for position in positions:
            self.by_position[position] = WriteResult(Outcome.ERROR, error=error)

    def all(self) -> list[WriteResult]:
        """Return the results. Raise the error if all writes failed and none may have been carried out."""
        errors = [
            one.error for one in self.by_position if one.error is not None and "in_doubt" not in one.error.details
        ]
        if self.by_position and len(errors) == len(self.by_position):
            first = errors[0]
            first.faults = tuple(structs.replace(fault, path=pointer(0) + fault.path) for fault in first.faults)
            raise first
        return self.by_position
