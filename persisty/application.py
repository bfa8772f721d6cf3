"""`App`: the items and actions that belong together, and the engine they are kept in. There is no global registry."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from datetime import timedelta
from functools import partial
from importlib import import_module
from types import MappingProxyType
from typing import Any, TypeVar, overload

from . import settings
from .backends import connect
from .errors import Fault, InvalidDeclaration, InvalidQuery
from .model.compilation import fault_below
from .model.meta import StoreMeta, meta_of
from .model.verbs import VERBS
from .naming import RESERVED, kebab
from .security.authenticator import Authenticator, authenticator_of
from .security.caller import Caller
from .security.policy import looks_at_caller
from .security.rule_checks import rule_faults
from .store.backend import Engine
from .store.change_feed import Changes, Feed, Listener
from .store.change_path import Connection
from .store.context import StoreContext
from .store.edits import Edit, EditResult
from .store.idempotency_records import REQUESTS, KeptRequest
from .store.multi_store_batch import edit_stores
from .store.store import Store, context_of
from .store.system_stores import SYSTEM_STORES

T = TypeVar("T")

LONGEST = timedelta(days=30)
"""Longest time for which the response of a request with an idempotency key is stored."""
Action = Callable[..., Any] | str
"""A function marked by servey's `@action`, or the name of a module full of them, imported when one is first needed."""


class App:
    """Items, the actions beside them, and the engine underneath.

    `url` is where items are kept (see `persisty.backends`); without it `PERSISTY_URL`, and without that a SQLite file
    named after the app in the working directory. `engines`: the URLs of further engines by name, for items that name one
    (`@stored(engine="cache")`). Opening is lazy: declaring an app touches nothing. `cache`: this process keeps
    items as their `Cache` says, unless `PERSISTY_CACHE` says otherwise. `idempotency`: how long the answer to a `POST` that has an
    `Idempotency-Key` is kept; None keeps none, and the header counts for nothing.
    """

    def __init__(
        self,
        name: str,
        *,
        items: Iterable[type[Any]],
        actions: Iterable[Action] = (),
        url: str | None = None,
        engines: Mapping[str, str] | None = None,
        stage: str | None = None,
        cache: bool = False,
        idempotency: timedelta | None = timedelta(days=1),
    ) -> None:
        metas = [meta_of(item) for item in items]
        faults = [] if name and kebab(name) == name else [Fault("/name", "Not in kebab case", "my-app", name)]
        names = [meta.name for meta in metas]
        faults += [
            Fault("/items", f"Two items are named {twice}") for twice in {n for n in names if names.count(n) > 1}
        ]
        faults += [
            Fault("/items", f"{one} is a name that persisty keeps for itself")
            for one in names
            if one.startswith(RESERVED)
        ]
        further = dict(engines or {})
        faults += [
            Fault(f"/items/{meta.name}", f"Its engine {meta.engine} is unknown", _one_of(further), meta.engine)
            for meta in metas
            if meta.engine is not None and meta.engine not in further
        ]
        if idempotency is not None and not timedelta(0) < idempotency <= LONGEST:
            faults.append(Fault("/idempotency", "Not a time to keep answers for", f"up to {LONGEST.days} days"))
        if faults:
            raise InvalidDeclaration("The app contradicts itself", faults=faults)
        self.name, self.idempotency = name, idempotency
        self.metas: Mapping[str, StoreMeta[Any]] = MappingProxyType({meta.name: meta for meta in metas})
        self._actions = tuple(actions)
        configured = settings.load()
        self.stage = stage or configured.stage
        self._url = url or configured.url or f"sqlite:///{name}.db"
        self._engines = further
        self._cache = cache if configured.cache is None else configured.cache == "on"
        self._connections: dict[str | None, Connection] = {}
        self._authenticator: Authenticator | None = None
        self._connecting = threading.Lock()
        self._feed = Feed()
        self._contexts: dict[str, StoreContext[Any]] = {}
        self._contexts |= {name: self._context(meta) for name, meta in self.metas.items()}
        self._stores = {name: Store(context) for name, context in self._contexts.items()}
        self.requests: Store[KeptRequest] = Store(self._context(REQUESTS))
        self._bind()

    @property
    def url(self) -> str:
        return self._url

    @property
    def engine(self) -> Engine:
        """The app's own engine, connected when it is first needed: once, whichever thread needs it first."""
        return self._connected().engine

    def engine_of(self, meta: StoreMeta[Any]) -> Engine:
        """The engine that the items of a store are in."""
        return self._connected(self._place(meta)).engine

    def _place(self, meta: StoreMeta[Any]) -> str | None:
        """The name of the engine of a store, None for the app's own."""
        return meta.engine if meta.engine in self._engines else None

    def _connected(self, name: str | None = None) -> Connection:
        connection = self._connections.get(name)
        if connection is None:
            with self._connecting:
                connection = self._connections.get(name)
                if connection is None:
                    connection = Connection(self._connect(name), self._feed, cached=self._cache)
                    self._connections[name] = connection
        return connection

    def edit_batch(
        self, batch: Iterable[Edit], *, atomic: bool = False, caller: Caller | None = None
    ) -> list[EditResult[Any]]:
        """Do up to 100 edits of several stores in order; each has its own result in its position.

        Edits name their store: `Update(key, {...}, store=User)`; a `Create` of an instance needs no name. Invalid input in any of them raises
        `InvalidInput` for all, with every fault, before anything is written. `atomic`: all are done or none is, in one transaction of the
        engine; `BatchTooLarge` where it takes fewer writes, `Unsupported` where the stores are in several engines. `caller`: on whose behalf,
        under the access rules; None for trusted code.
        """

        def context(item: type[Any] | str) -> StoreContext[Any]:
            store = self.store(item)
            return context_of(store if caller is None else store.on_behalf_of(caller))

        return edit_stores(context, list(batch), atomic=atomic)

    def _connect(self, name: str | None = None) -> Engine:
        return connect(self._url if name is None else self._engines[name], app=self.name, stage=self.stage)

    def transaction(self, engine: str | None = None) -> AbstractContextManager[None]:
        """Make one transaction of what this thread does within, in any store of one engine: an exception undoes all of it.

        `engine`: its name, None for the app's own. Writes to stores of other engines are not part of the transaction.

        One inside another is a part of it, undone by itself. Listeners hear of the changes when the outermost is committed. `Unsupported`
        where the engine has no transactions (memory, DynamoDB): there `edit_batch(..., atomic=True)` writes several items at once.
        """
        if engine is not None and engine not in self._engines:
            raise InvalidDeclaration(f"{engine} is not an engine of {self.name}")
        return self._connected(engine).transaction()

    def listen(
        self, items: Iterable[type[Any] | str], listener: Listener, *, before: bool = False
    ) -> Callable[[], None]:
        """Call a function with each `Change` of these items that is written through this app from now on. Returns a function that ends it.

        The thread that wrote calls it, after the write is committed, so the listener must not block. `before`: changes carry the item
        before an update, too, which costs a read of each item that is updated.
        """
        return self._feed.listen([self.store(item).meta.name for item in items], listener, before=before)

    def changes(self, *items: type[Any] | str, timeout: float | None = None) -> Changes:
        """The changes of these items from now on, to iterate over; see `Changes`."""
        return Changes(partial(self.listen, items), timeout)

    @property
    def looks_at_callers(self) -> bool:
        """Return whether access rules depend on the caller."""
        return any(map(looks_at_caller, self.metas.values()))

    @property
    def authenticator(self) -> Authenticator:
        """Return the authenticator of the settings. Raise `InvalidDeclaration` if none is configured and the rules need one."""
        if self._authenticator is None:
            secret, needed = settings.token_secret(), self.looks_at_callers
            self._authenticator = authenticator_of(settings.load(), self.stage, secret, needed=needed)
        return self._authenticator

    @authenticator.setter
    def authenticator(self, authenticator: Authenticator) -> None:
        self._authenticator = authenticator

    @property
    def actions(self) -> tuple[Callable[..., Any], ...]:
        """The functions marked by servey's `@action`; modules named in the declaration are imported now."""
        return tuple(function for action in self._actions for function in _functions(action))

    @overload
    def store(self, item: type[T]) -> Store[T]: ...
    @overload
    def store(self, item: str) -> Store[Any]: ...
    def store(self, item: type[Any] | str) -> Store[Any]:
        """The store of an item, by its class or its name. `InvalidDeclaration` if it is not one of the app's."""
        name = item if isinstance(item, str) else meta_of(item).name
        store = self._stores.get(name)
        if store is None or (not isinstance(item, str) and store.meta.item is not item):
            raise InvalidDeclaration(f"{name} is not an item of {self.name}")
        return store

    def use(self, url: str) -> None:
        """Store all items in the engine at this URL from now on, those too that name an engine. Stores that were handed out follow."""
        self.close()
        self._url, self._engines = url, {}

    @property
    def keeps_requests(self) -> bool:
        """Return whether the app has `POST` operations and stores responses by `Idempotency-Key`."""
        rules = [one.access for one in self.metas.values() if one.access is not None]
        posts = bool(self._actions) or any(
            rule.allows(name) for rule in rules for name, verb in VERBS.items() if not verb.repeatable
        )
        return self.idempotency is not None and posts

    @property
    def system_stores(self) -> tuple[StoreMeta[Any], ...]:
        """The stores that persisty needs for itself in this app, in the app's own engine."""
        return tuple(one.meta for one in SYSTEM_STORES if one.needed(self))

    def prepare(self) -> None:
        """Create the tables and indexes that the engines lack."""
        for place in dict.fromkeys([None, *map(self._place, self.metas.values())]):
            metas = [meta for meta in self.metas.values() if self._place(meta) == place]
            self._connected(place).prepare((*metas, *(self.system_stores if place is None else ())))

    def close(self) -> None:
        """Close the engines; the next call opens them anew."""
        for store in (self.requests, *self._stores.values()):
            context_of(store).disconnect()
        connections, self._connections = self._connections, {}
        for one in connections.values():
            one.close()

    def can(self, caller: Caller, verb: str, item: Any) -> bool:
        """Return whether the caller may do this with an item, or, given a class, with any possible item.

        For an update, it checks the item before the change only. The update itself checks the item after it too.
        """
        if verb not in VERBS:
            raise InvalidQuery(
                faults=[Fault("/verb", "Unknown verb", "one of " + ", ".join(sorted(VERBS)), str(verb)[:32])]
            )
        meta = meta_of(item if isinstance(item, type) else type(item))
        guard = context_of(self.store(meta.name).on_behalf_of(caller)).guard
        return guard.may(verb) if isinstance(item, type) else guard.does(verb, item)

    def _bind(self) -> None:
        """Look up the ends of all links and check all access rules. `InvalidDeclaration` lists every mistake."""
        faults: list[Fault] = []
        for meta in self.metas.values():
            for link in meta.links.values():
                try:
                    link.bind(self.metas)
                    if self.metas.get(link.ends.target.name) is not link.ends.target:
                        raise InvalidDeclaration(
                            faults=[Fault(f"/{link.name}", "leads out of the app", "an item of the app")]
                        )
                except InvalidDeclaration as error:
                    faults += [fault_below(meta.name, fault) for fault in error.faults]
        faults += [fault for meta in self.metas.values() for fault in rule_faults(meta)]
        if faults:
            raise InvalidDeclaration("The links or access rules of the app are not valid", faults=faults)

    def _context(self, meta: StoreMeta[T]) -> StoreContext[T]:
        return StoreContext(meta, lambda: self._connected(self._place(meta)).open(meta), self._contexts)


def _one_of(engines: Mapping[str, str]) -> str:
    return "one of " + ", ".join(engines) if engines else "an app with `engines`"


def _functions(action: Action) -> list[Callable[..., Any]]:
    if isinstance(action, str):
        module = import_module(action)
        return [value for value in vars(module).values() if hasattr(value, "__servey_action__")]
    if not hasattr(action, "__servey_action__"):
        raise InvalidDeclaration(f"{action!r} is not marked by servey's @action")
    return [action]


def deployed_app(configured: settings.Settings) -> App:
    """The app that a deployment runs. Where its items are and its stage are the deployment's to say, whatever the
    declaration says for a laptop. `InvalidDeclaration` if the settings name no app or no place."""
    if not configured.app or not configured.url:
        raise InvalidDeclaration("A deployed app needs PERSISTY_APP and PERSISTY_URL")
    app = load_app(configured.app)
    app.stage = configured.stage
    app.use(configured.url)
    return app


def load_app(spec: str) -> App:
    """The app at `module:attribute` (attribute `app` unless given). The working directory counts as a place of modules."""
    app = _load(spec, "app")
    if not isinstance(app, App):
        raise InvalidDeclaration(f"{spec} is not an App")
    return app


def load_function(spec: str, default: str) -> Callable[[App], Any]:
    """Return the function at `module:attribute`, for example one that seeds an app. `default`: the attribute unless it is given."""
    function: Callable[[App], Any] | None = _load(spec, default)
    if not callable(function):
        raise InvalidDeclaration(
            f"{spec} is not a function", faults=[Fault("", "Not a function", "module:function", spec)]
        )
    return function


def _load(spec: str, default: str) -> Any:
    """Return what is at `module:attribute`, None if the module lacks it. `InvalidDeclaration` if there is no such module."""
    module_name, _, attribute = spec.partition(":")
    if "" not in sys.path:
        sys.path.insert(0, "")
    try:
        return getattr(import_module(module_name), attribute or default, None)
    except ModuleNotFoundError as error:
        if error.name and not module_name.startswith(error.name):
            raise
        raise InvalidDeclaration(f"There is no module {module_name}") from error
