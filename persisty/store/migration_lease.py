"""The lease of a migration, so that only one migration of an app runs at a time.

The lease is a record in the app's own engine. It is taken by a create, or by an update on the condition that the former lease has expired, so the
engine decides between competing migrations. The lease of a process that was killed expires after `DURATION`.

```
A  create(holder A, until 12:01)      DONE
B  create                             Conflict → update if until < now: PreconditionFailed → "A migration of shop is running"
A  killed
B  update if until < now (12:02)      DONE: B plans again and does the remaining steps
```

It also records the positions of long steps, so that B continues where A was. A position is written on the condition that its migration still owns the lease.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from time import monotonic
from uuid import uuid4

import msgspec
from msgspec import Struct

from ..errors import BackendUnavailable, Conflict, PreconditionFailed, SchemaMismatch
from ..model.attribute_declaration import Attr
from ..model.meta import StoreMeta, meta_of
from ..model.stored import stored
from ..model.unfinished_changes import Begun, Stored
from ..naming import RESERVED
from .migration import Reached
from .store import Store

DURATION = timedelta(seconds=60)
"""Time after which a lease that is not renewed expires."""
RENEWAL = 15.0
"""Seconds between two renewals."""
RECORDED = 2.0
"""Seconds between two records of a position."""
TRUSTED = timedelta(days=1)
"""Age after which positions are ignored: a step that was killed longer ago starts again."""


@stored(name=f"{RESERVED}migration", key="app")
class MigrationLease:
    """The current or last migration of an app. `unfinished`: the error of a failed migration, None if it succeeded. `positions`: the positions of its
    long steps as JSON."""

    app: Attr[str]
    holder: Attr[str]
    until: Attr[datetime]
    unfinished: Attr[str | None] = Attr(default=None)
    positions: Attr[str | None] = Attr(default=None)


class Positions(Struct):
    """Positions of the long steps of a migration, by their identifiers. `at`: the time when they were recorded. `begun`: store → the attributes
    whose values are rewritten, see `model.unfinished_changes`; until a migration of the store has succeeded."""

    at: datetime
    steps: dict[str, Reached] = {}
    begun: dict[str, dict[str, Stored]] = {}


LEASES: StoreMeta[MigrationLease] = meta_of(MigrationLease)


class Lease:
    """The lease of one app."""

    def __init__(self, app: str, leases: Store[MigrationLease]) -> None:
        self._app, self._leases, self._holder = app, leases, str(uuid4())
        self.lost = threading.Event()
        """Set when another migration has taken the lease: the holder must stop."""
        self._positions: dict[str, Reached] = {}
        self._begun: dict[str, dict[str, Stored]] = {}
        self._recorded = 0.0

    @contextmanager
    def acquired(self, *, renewed: bool) -> Iterator[str | None]:
        """Acquire the lease for the block. Yield the `unfinished` of the last migration. Raises `Conflict` if another migration runs.

        `renewed`: another thread renews it during the block. An engine with one writer at a time needs no renewal.
        """
        unfinished = self._take()
        ended = threading.Event()
        if renewed:
            threading.Thread(target=self._renew, args=(ended,), daemon=True).start()
        try:
            yield unfinished
        except BaseException as error:
            ended.set()
            refused = isinstance(error, SchemaMismatch)  # no step has begun
            self._release(None if refused else str(error) or type(error).__name__, finished=False)
            raise
        ended.set()
        self._release(None, finished=True)

    def position(self, step: str) -> Reached | None:
        """Return how far a step was when the last migration stopped, None if it has not begun."""
        return self._positions.get(step)

    def record(self, step: str, reached: Reached | None) -> None:
        """Record how far a step is, None when it is complete. Writes at most every few seconds, except what is recorded at once."""
        if reached is None:
            if self._positions.pop(step, None) is None:
                return
        else:
            self._positions[step] = reached
            if monotonic() < self._recorded + RECORDED and not reached.at_once:
                return
        try:
            self._write_positions()
        except BackendUnavailable:
            if reached is not None and reached.at_once:
                raise
            return  # without it, the next migration repeats more

    def begin(self, store: str, rewritten: Begun) -> None:
        """Record that values of a store are rewritten from now on. What an interrupted migration has begun before stays."""
        begun = {**rewritten, **self._begun.get(store, {})}
        if begun != self._begun.get(store, {}):
            self._begun[store] = begun
            self._write_positions()

    def settle(self, stores: Iterable[str]) -> None:
        """Note that the values of these stores are rewritten. It is recorded when the lease is released."""
        for one in stores:
            self._begun.pop(one, None)

    def _write_positions(self) -> None:
        self._recorded = monotonic()
        changes = {"positions": self._positions_text()}
        try:
            self._leases.update(self._app, changes, when=MigrationLease.holder == self._holder)
        except PreconditionFailed:
            self.lost.set()

    def _positions_text(self) -> str | None:
        if not self._positions and not self._begun:
            return None
        return msgspec.json.encode(Positions(datetime.now(UTC), self._positions, self._begun)).decode()

    def _take(self) -> str | None:
        now = datetime.now(UTC)
        claim = {"holder": self._holder, "until": now + DURATION}
        try:
            self._leases.create({"app": self._app, **claim})
        except Conflict:
            try:
                taken = self._leases.update(self._app, claim, when=MigrationLease.until < now)
            except PreconditionFailed as error:
                message = f"A migration of {self._app} is running. If it was killed, its lease expires within {DURATION.seconds} seconds"
                raise Conflict(message) from error
            if taken is None:
                return None
            self._positions = _trusted(taken.positions)
            self._begun = {store: {**one} for store, one in begun_by(taken).items()}
            return taken.unfinished
        return None

    def _renew(self, ended: threading.Event) -> None:
        while not ended.wait(RENEWAL):
            try:
                until = {"until": datetime.now(UTC) + DURATION}
                self._leases.update(self._app, until, when=MigrationLease.holder == self._holder)
            except PreconditionFailed:
                self.lost.set()
                return
            except BackendUnavailable:
                continue  # the next renewal may succeed; otherwise the lease expires

    def _release(self, unfinished: str | None, *, finished: bool) -> None:
        if finished:
            self._positions = {}
        changes = {
            "until": datetime.now(UTC) - DURATION,
            "unfinished": unfinished and unfinished[:500],
            "positions": self._positions_text(),
        }
        try:
            self._leases.update(self._app, changes, when=MigrationLease.holder == self._holder)
        except (PreconditionFailed, BackendUnavailable):
            return  # it has expired, or will expire


def begun_by(lease: MigrationLease | None) -> Mapping[str, Begun]:
    """Return the values that the last migration has begun to rewrite, by store. Empty if it has finished."""
    if lease is None or lease.positions is None:
        return {}
    return msgspec.json.decode(lease.positions, type=Positions).begun


def _trusted(text: str | None) -> dict[str, Reached]:
    """Return the positions that the last migration recorded. Returns none if they are too old."""
    if text is None:
        return {}
    found = msgspec.json.decode(text, type=Positions)
    return found.steps if found.at > datetime.now(UTC) - TRUSTED else {}
