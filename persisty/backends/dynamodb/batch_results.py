"""The results of a batch, as they come in. What goes wrong with one write does not hide what became of the others.

```
nothing was done, nothing is in doubt      the error is raised
else                                       each write has its result; that of one that went wrong is its ERROR
the engine failed after all its retries    it is asked for nothing more: the rest are ERRORs too
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
    """`told`: the result of each write so far; each is one thread's. `failure`: the engine's error."""

    def __init__(self, count: int) -> None:
        self.told = [WAITING] * count
        self.failure: PersistyError | None = None

    def tell(self, position: int, write: Callable[[], WriteResult], *, doubt: bool = False) -> None:
        """Record the result of a write, or its failure. `doubt`: it may have been carried out already."""
        try:
            if self.failure is not None:
                raise type(self.failure)(self.failure.message)  # without its doubt: this one was not tried
            self.told[position] = write()
        except PersistyError as error:
            self.fail((position,), error)
            if doubt:
                self.told[position] = WriteResult(Outcome.IN_DOUBT)

    def fail(self, positions: Iterable[int], error: PersistyError) -> None:
        """These went wrong."""
        if self.failure is None and not isinstance(error, InvalidInput):
            self.failure = error
        for position in positions:
            self.told[position] = WriteResult(Outcome.ERROR, error=error)

    def all(self) -> list[WriteResult]:
        """The results; raises if all writes went wrong and none may have been carried out."""
        errors = [one.error for one in self.told if one.error is not None and "in_doubt" not in one.error.details]
        if self.told and len(errors) == len(self.told):
            first = errors[0]
            first.faults = tuple(structs.replace(fault, path=pointer(0) + fault.path) for fault in first.faults)
            raise first
        return self.told
