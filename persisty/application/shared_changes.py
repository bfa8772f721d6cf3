"""`SharedChanges`: the readers of an app's change logs, which deliver the changes of all processes to the listeners and the caches of this one.

```
write in any process ─► change log of the engine ─► reader of each process ─► item cache forgets the key ─► listeners
```
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import Any

import msgspec
from msgspec import UNSET

from ..errors import Fault, InvalidDeclaration, Unsupported
from ..model.meta import StoreMeta
from ..model.unreadable_items import FAULTS
from ..store.change_feed import Change, Feed, Listener
from ..store.change_log import LoggedChange
from ..store.event_images import image_of
from ..store.outbox import NONE, Payload
from ..triggers.change_reader import ChangeReader
from .engines import Engines, Place

log = logging.getLogger("persisty")
_PAYLOADS = msgspec.json.Decoder(Payload)
Metas = Callable[[], Mapping[str, StoreMeta[Any]]]


class SharedChanges:
    """`keep`: the seconds for which changes are kept."""

    def __init__(self, engines: Engines, feed: Feed, metas: Metas, keep: float) -> None:
        self._engines, self._feed, self._metas, self._keep = engines, feed, metas, keep
        self._readers: dict[Place, ChangeReader | None] = {}
        self._starting = threading.Lock()

    def start(self, stores: Collection[str]) -> None:
        """Deliver the changes of the engines of these stores from now on. Raises `InvalidDeclaration` if an engine cannot share them."""
        for name in stores:
            place = self._engines.place(self._metas()[name])
            self._check(place)
            self._begin(place)

    def follow(self, store: str) -> None:
        """Forget cached items of a store that other processes write. Do nothing if its engine cannot share changes."""
        place = self._engines.place(self._metas()[store])
        if place not in self._readers and self._engines.connected(place).outbox is not None:
            self._begin(place)

    def resume(
        self, stores: Collection[str], after: str, lost: Callable[[], None], listener: Listener
    ) -> Callable[[], None]:
        """Call a listener with the changes of these stores after a position. Returns a function that ends it. `lost`: called if changes were deleted before they
        were read."""
        places = {self._engines.place(self._metas()[name]) for name in stores}
        if len(places) != 1:
            raise Unsupported("A position is one in the change log of one engine: name items of one engine")
        [place] = places
        self._check(place)
        names = frozenset(stores)

        def deliver(logged: LoggedChange, token: str) -> None:
            change = self._change(logged, token) if logged.store in names else None
            if change is not None:
                listener(change)

        reader = self._reader(place, deliver, after, lost)
        return reader.stop if reader is not None else lambda: None

    def stop(self) -> None:
        """End all readers. The next `start` begins anew."""
        with self._starting:
            readers, self._readers = self._readers, {}
        for one in readers.values():
            if one is not None:
                one.stop()

    def _begin(self, place: Place) -> None:
        if place not in self._readers:
            with self._starting:
                if place not in self._readers:
                    self._readers[place] = self._reader(
                        place, partial(self._deliver, place), None, partial(self._lost, place)
                    )

    def _check(self, place: Place) -> None:
        if self._engines.connected(place).outbox is None:
            expected = "memory, SQLite or PostgreSQL"
            fault = Fault(
                "/feed", "An engine cannot share its changes between processes", expected, place or "the app's own"
            )
            raise InvalidDeclaration("Changes cannot be shared", faults=[fault])

    def _reader(
        self, place: Place, deliver: Callable[[LoggedChange, str], None], after: str | None, lost: Callable[[], None]
    ) -> ChangeReader | None:
        outbox = self._engines.connected(place).outbox
        if outbox is None or outbox.log is None:
            return None
        outbox.prepare()
        reader = ChangeReader(outbox, self._keep, deliver, after, lost)
        reader.start()
        return reader

    def _lost(self, place: Place) -> None:
        log.error("This process was paused for longer than changes are kept: its listeners may have missed some")
        self._engines.connected(place).forget_items()

    def _deliver(self, place: Place, logged: LoggedChange, token: str) -> None:
        self._engines.connected(place).forget_item(logged.store, logged.key)
        if self._feed.has_listeners(logged.store):
            change = self._change(logged, token)
            if change is not None:
                self._feed.deliver([change])

    def _change(self, logged: LoggedChange, token: str) -> Change | None:
        """Return the change of a row. None, and a line in the log, if this process cannot read it: its code is of another version."""
        meta = self._metas().get(logged.store)
        if meta is None:
            return None
        try:
            payload = _PAYLOADS.decode(logged.payload)
            before = None if payload.before == NONE else image_of(meta, payload.before)
            after = None if payload.after == NONE else image_of(meta, payload.after)
        except (*FAULTS, msgspec.MsgspecError) as error:
            log.error(
                "A change of %s does not fit its declaration, so listeners do not get it: %s", logged.store, error
            )
            return None
        if logged.kind == "updated" and before is None:
            before = UNSET
        return Change(logged.store, logged.kind, logged.key, before, after, payload.caller, payload.at, position=token)
