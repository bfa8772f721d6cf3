"""`StoredBy`: the part of an `App` that concerns its engines, their transactions and their events."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from ..deferred import deferred
from ..errors import Fault, InvalidDeclaration
from ..model.meta import StoreMeta
from ..store.backend import Engine
from ..store.change_feed import Changes, Feed, Listener, resumed
from ..store.connection import Connection
from ..store.outbox import Outbox
from ..store.trigger_registry import Triggers
from .engines import Engines

if TYPE_CHECKING:
    from .shared_changes import SharedChanges

IN_TESTS = 'Tests use app_fixture(…, url="sqlite://")'


class StoredBy:
    name: str

    def __init__(self, engines: Engines, feed: Feed, keep: timedelta | None) -> None:
        self._engines, self._feed = engines, feed
        self._shared: SharedChanges | None = None
        if keep is not None:
            module = deferred("persisty.application.shared_changes")
            self._shared = module.SharedChanges(engines, feed, lambda: self.metas, keep.total_seconds())

    @property
    def metas(self) -> Mapping[str, StoreMeta[Any]]:
        """The current items of the app by name."""
        raise NotImplementedError

    @property
    def url(self) -> str:
        return self._engines.url

    @property
    def stage(self) -> str:
        """The stage, which names DynamoDB tables and deployments: `dev`, `prod`, `feature-x`."""
        return self._engines.stage

    @stage.setter
    def stage(self, stage: str) -> None:
        self._engines.stage = stage

    @property
    def engine(self) -> Engine:
        """The app's own engine, connected at the first use."""
        return self._engines.connected().engine

    def engine_of(self, meta: StoreMeta[Any]) -> Engine:
        """Return the engine that stores the items of a store."""
        return self.engine_named(meta.engine)

    def transaction(self, engine: str | None = None) -> AbstractContextManager[None]:
        """Make one transaction of all writes of this thread to stores of one engine. An exception undoes all of them.

        `engine`: its name, None for the app's own. A transaction inside another is part of it, and can be undone separately. Listeners receive the changes
        when the outermost is committed. Raises `Unsupported` if the engine has no transactions (memory, DynamoDB): use `edit_batch(..., atomic=True)`.
        """
        if engine is not None and engine not in self._engines.names:
            raise InvalidDeclaration(f"{engine} is not an engine of {self.name}")
        return self._engines.connected(self._engines.place_of(engine)).transaction()

    def _names(self, items: Iterable[type[Any] | str]) -> list[str]:
        """Return the names of items of this app."""
        raise NotImplementedError

    def listen(
        self, items: Iterable[type[Any] | str], listener: Listener, *, before: bool = False
    ) -> Callable[[], None]:
        """Call a function with each later `Change` of these items through this app. Returns a function that unsubscribes.

        The thread that wrote calls it after the write is committed, so the listener must not block. `before`: changes contain the item
        before an update, too, which costs a read of each updated item.

        If the app shares its changes (`feed`), a thread of its own calls the listener with the changes of all processes.
        """
        names = self._names(items)
        stop = self._feed.listen(names, listener, before=before)
        if self._shared is not None:
            self._shared.start(names or self.metas)
        return stop

    def changes(self, *items: type[Any] | str, timeout: float | None = None, after: str | None = None) -> Changes:
        """Return an iterator over later changes of these items; see `Changes`. `after`: the `position` of a change, to go on after it. The changes of the moments
        before it may come again. Raises `SubscriptionOverrun` if changes after it are no longer kept."""
        if after is None:
            return Changes(partial(self.listen, items), timeout)
        if self._shared is None:
            raise InvalidDeclaration("The app keeps no changes: declare App(feed=timedelta(minutes=10))")
        return resumed(partial(self._shared.resume, self._names(items), after), timeout)

    @property
    def own_engine(self) -> Connection:
        """The connection to the app's own engine, with its transactions and its outbox."""
        return self._engines.connected()

    @property
    def records_schemas(self) -> bool:
        """Return whether the schemas that were applied last are recorded. False if no items outlive the process."""
        return self._engines.outlive_the_process

    @property
    def engine_urls(self) -> Mapping[str, str]:
        """The URLs of the engines besides the app's own, by name."""
        return self._engines.further

    def engine_named(self, name: str | None) -> Engine:
        """Return the engine of this name. None or an unknown name means the app's own engine."""
        return self._engines.connected(self._engines.place_of(name)).engine

    @property
    def triggers(self) -> Triggers:
        """The after triggers of the app. Replace them before the first write."""
        return self._feed.triggers

    @triggers.setter
    def triggers(self, triggers: Triggers) -> None:
        self._feed.triggers = triggers

    @property
    def outboxes(self) -> Mapping[str | None, Outbox]:
        """The outboxes of the engines whose items have after triggers, by the name of the engine; None for the app's own.

        Raises `InvalidDeclaration` for an engine that stores no events.
        """
        expected = f"an item in memory, SQLite or PostgreSQL; on AWS, deployed functions call its triggers. {IN_TESTS}"
        faults = [
            Fault(f"/{name}", "Its engine cannot run after triggers on this host", expected) if name else no_outbox()
            for name in self.triggers.stores
            if self._engines.connected(self._place_of_item(name)).outbox is None
        ]
        if faults:
            raise InvalidDeclaration("Triggers cannot run on this host", faults=faults)
        return self._outboxes_of_items()

    def _outboxes_of_items(self) -> dict[str | None, Outbox]:
        """Return the outboxes of the items with after triggers, without those whose engine stores no events."""
        places = {self._place_of_item(name) for name in self.triggers.stores}
        found = {place: self._engines.connected(place).outbox for place in places}
        return {place: outbox for place, outbox in found.items() if outbox is not None}

    def _place_of_item(self, name: str) -> str | None:
        meta = self.metas.get(name)
        return None if meta is None else self._engines.place(meta)


def no_outbox() -> Fault:
    """Return the fault of an app with timers, scheduled calls or queues whose own engine stores no events."""
    return Fault(
        "/url",
        "The app's engine cannot run timers, scheduled calls and queues on this host",
        f"memory, SQLite or PostgreSQL. {IN_TESTS}",
    )
