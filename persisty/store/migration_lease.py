"""The lease of a migration: of several migrations of one app at a time, one runs.

The lease is a record in the app's own engine. It is taken by a create, or by an update on the condition that the former holder's time is over, so the
engine decides between two that want it. A holder that was killed loses it after `DURATION`.

```
A  create(holder A, until 12:01)      DONE
B  create                             Conflict → update if until < now: PreconditionFailed → "A migration of shop is running"
A  killed
B  update if until < now (12:02)      DONE: B plans again, from what A has left
```
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from ..errors import BackendUnavailable, Conflict, PreconditionFailed, SchemaMismatch
from ..model.attribute_declaration import Attr
from ..model.meta import StoreMeta, meta_of
from ..model.stored import stored
from ..naming import RESERVED
from .store import Store

DURATION = timedelta(seconds=60)
"""Time after which a lease that is not renewed ends."""
RENEWAL = 15.0
"""Seconds between two renewals."""


@stored(name=f"{RESERVED}migration", key="app")
class MigrationLease:
    """The migration of an app that runs, or ran last. `unfinished`: what it was doing when it failed, None if it has succeeded."""

    app: Attr[str]
    holder: Attr[str]
    until: Attr[datetime]
    unfinished: Attr[str | None] = Attr(default=None)


LEASES: StoreMeta[MigrationLease] = meta_of(MigrationLease)


class Lease:
    """The lease of one app, held by this object or not."""

    def __init__(self, app: str, leases: Store[MigrationLease]) -> None:
        self._app, self._leases, self._holder = app, leases, str(uuid4())
        self.lost = threading.Event()
        """Set when the lease was given to another migration: the holder has to stop."""

    @contextmanager
    def held(self, *, renewed: bool) -> Iterator[str | None]:
        """Hold the lease within the context, which gets what the last migration left unfinished. `Conflict` if another migration runs.

        `renewed`: another thread renews it meanwhile. An engine that lets one writer in at a time needs no renewal.
        """
        unfinished = self._take()
        ended = threading.Event()
        if renewed:
            threading.Thread(target=self._renew, args=(ended,), daemon=True).start()
        try:
            yield unfinished
        except BaseException as error:
            ended.set()
            refused = isinstance(error, SchemaMismatch)  # nothing has begun
            self._release(None if refused else str(error) or type(error).__name__)
            raise
        ended.set()
        self._release(None)

    def _take(self) -> str | None:
        now = datetime.now(UTC)
        mine = {"holder": self._holder, "until": now + DURATION}
        try:
            self._leases.create({"app": self._app, **mine})
        except Conflict:
            try:
                taken = self._leases.update(self._app, mine, when=MigrationLease.until < now)
            except PreconditionFailed as error:
                message = f"A migration of {self._app} is running. If it was killed, its lease ends within {DURATION.seconds} seconds"
                raise Conflict(message) from error
            return None if taken is None else taken.unfinished
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
                continue  # the next renewal may succeed, and without it the lease ends

    def _release(self, unfinished: str | None) -> None:
        changes = {"until": datetime.now(UTC) - DURATION, "unfinished": unfinished and unfinished[:500]}
        try:
            self._leases.update(self._app, changes, when=MigrationLease.holder == self._holder)
        except (PreconditionFailed, BackendUnavailable):
            return  # it has ended, or will
