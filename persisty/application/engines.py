"""The engines of an app. Each is connected at the first use of one of its stores."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ..backends import connect
from ..errors import Fault, InvalidDeclaration
from ..model.indexes import Index
from ..model.meta import StoreMeta
from ..naming import STAGE
from ..store.backend import AbsentNulls, Engine, SparselyIndexing, StoringFirstNames
from ..store.change_feed import Feed
from ..store.connection import Connection
from ..store.index_completeness import IncompleteIndexes

Place = str | None
"""The name of an engine, None for the app's own."""


class Engines:
    """The engines of the app `name`: its own at `url`, and `further` ones by name. `cached`: this process caches items."""

    def __init__(
        self, name: str, url: str, further: Mapping[str, str], stage: str, feed: Feed, *, cached: bool
    ) -> None:
        self._name, self._feed, self.cached = name, feed, cached
        self.url, self.further = url, further
        self.names = frozenset(further)
        """The names of engines that items may declare, even while `App.use` stores all items in one."""
        self.stage = stage
        self.connections: dict[Place, Connection] = {}
        self._connecting = threading.Lock()
        self.connect: Callable[..., Engine] = connect
        self.incomplete_indexes: IncompleteIndexes = lambda meta: ()
        self.absent_nulls: Callable[[], AbsentNulls | None] = lambda: None
        """Returns the indexes of a store that may miss stored items."""

    @property
    def stage(self) -> str:
        return self._stage

    @stage.setter
    def stage(self, stage: str) -> None:
        if not STAGE.fullmatch(stage):
            expected = "lower-case letters, digits and single hyphens between them"
            raise InvalidDeclaration(
                "The stage cannot be part of names", faults=[Fault("/stage", "Not a stage", expected, stage)]
            )
        self._stage = stage

    @property
    def outlive_the_process(self) -> bool:
        """Return whether the items of the app's own engine still exist after the process has ended."""
        return not self.url.startswith(("memory:", "sqlite://?")) and self.url != "sqlite://"

    def place(self, meta: StoreMeta[Any]) -> Place:
        """Return the place of a store."""
        return self.place_of(meta.engine)

    def place_of(self, name: str | None) -> Place:
        """Return the place of this name. An unknown name means the app's own engine."""
        return name if name in self.further else None

    def connected(self, place: Place = None) -> Connection:
        """Return the connection, which all threads share."""
        connection = self.connections.get(place)
        if connection is None:
            with self._connecting:
                connection = self.connections.get(place)
                if connection is None:
                    url = self.url if place is None else self.further[place]
                    engine = self.connect(url, app=self._name, stage=self.stage)
                    if isinstance(engine, SparselyIndexing):
                        engine.check_indexes_with(self.incomplete_indexes, self.absent_nulls)
                    connection = self.connections[place] = Connection(engine, self._feed, cached=self.cached)
        return connection

    @property
    def deployed(self) -> frozenset[Place]:
        """The places of engines whose tables a deployment creates."""
        return frozenset(place for place in (None, *self.further) if self.connected(place).engine.deployed)

    def verify(self, metas: Sequence[StoreMeta[Any]], system: Sequence[StoreMeta[Any]]) -> None:
        """Check the tables of these items, and of the system stores in the app's own engine. Engines that are not deployed create theirs."""
        deployed = self.deployed
        for place in dict.fromkeys((None, *map(self.place, metas))):
            connection = self.connected(place)
            placed = [*(meta for meta in metas if self.place(meta) == place), *(system if place is None else ())]
            (connection.verify if place in deployed else connection.prepare)(placed)

    def is_sparse(self, name: str | None) -> bool:
        """Return whether the indexes of an engine contain only items that have all of their attributes."""
        return isinstance(self.connected(self.place_of(name)).engine, SparselyIndexing)

    def complete_indexes(self, late: Iterable[tuple[StoreMeta[Any], Sequence[Index]]]) -> None:
        """Complete these indexes, and others that miss items, in the engines whose indexes may miss some."""
        for meta, indexes in late:
            engine = self.connected(self.place(meta)).engine
            if isinstance(engine, SparselyIndexing):
                engine.complete_indexes(meta, indexes)

    def named_anew(self, meta: StoreMeta[Any]) -> Sequence[str]:
        """Return the renamed attributes that stored items have under their new names, if the engine reads them under their first ones."""
        engine = self.connected(self.place(meta)).engine
        return engine.named_anew(meta) if isinstance(engine, StoringFirstNames) else ()

    def forget(self, metas: Iterable[StoreMeta[Any]]) -> None:
        """Drop the change paths and caches of items that the app no longer has."""
        removed = list(metas)
        for connection in self.connections.values():
            connection.forget(removed)

    def close(self) -> None:
        """Close every connection. The next call connects again."""
        connections, self.connections = self.connections, {}
        for one in connections.values():
            one.close()
