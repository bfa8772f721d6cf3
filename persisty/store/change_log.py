"""The change log: the changes that processes share. The engine stores each of them in the transaction of the change, for a bounded time.

```
change path   writes the item, and appends the change to the log        one transaction
reader        reads on in the log, in each process                      every committed change, in the order of each item
```

The log is another table of the engine of the outbox. A change has a position like an event. A reader finds changes that are committed late by `Cursors`.
"""

from __future__ import annotations

from typing import Protocol

from msgspec import Struct

from .positions import Fetched


class NewChange(Struct, frozen=True):
    """A change to append. `payload`: the JSON of an `outbox.Payload`."""

    store: str
    kind: str
    key: str
    payload: str


class LoggedChange(Struct, frozen=True):
    """A stored change. `at`: the time at which it was stored, in seconds since 1970. `lane`: all changes are in one lane of their reader."""

    position: int
    at: float
    store: str
    kind: str
    key: str
    payload: str
    lane: int = 0


class ChangeLog(Protocol):
    """The change log of one engine. Safe to share between threads."""

    def read(self, after: int, limit: int) -> Fetched[LoggedChange]:
        """Return the changes after a position, in order, and the transactions that run; see `Fetched`."""
        ...

    def note(self) -> None:
        """Write something, so that later reads list all transactions that run now; see `triggers.cursors`."""
        ...

    def before(self, seconds: float) -> int:
        """Return the last position that is older than some seconds, 0 if there is none."""
        ...

    def first(self) -> int:
        """Return the first position in the log, 0 if it is empty."""
        ...

    def now(self) -> float:
        """Return the engine's time in seconds since 1970."""
        ...

    def purge(self, seconds: float) -> None:
        """Delete some of the changes that are older than some seconds."""
        ...
