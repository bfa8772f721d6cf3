"""`App`: the items and actions that belong together, and the engines that store the items. Apps are independent: no registry is global."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar, overload
from weakref import WeakSet

from .. import settings
from ..deferred import deferred
from ..errors import Fault, InvalidDeclaration, InvalidQuery
from ..model.meta import StoreMeta, meta_of
from ..model.schema import Schema
from ..model.verbs import VERBS
from ..security.authenticator import Authenticator, authenticator_of
from ..security.caller import Caller
from ..security.policy import looks_at_caller
from ..store.catalogue import Catalogue
from ..store.change_feed import Compiled, Feed
from ..store.change_path import ChangePath
from ..store.context import StoreContext
from ..store.edits import Edit, EditResult
from ..store.idempotency_records import REQUESTS, IdempotencyRecord
from ..store.multi_store_batch import edit_stores
from ..store.schema_records import APPLIED
from ..store.store import Store, context_of
from ..store.system_stores import SYSTEM_STORES
from .declaration import (
    Action,
    ItemCheck,
    are_imported,
    changed_items,
    check_arguments,
    declared,
    functions_of,
    offers_writes,
)
from .deferred_calls import DefersCalls
from .engines import Engines
from .preparation import Preparation

if TYPE_CHECKING:
    from ..store.applied_schemas import AppliedSchemas
    from ..triggers.declared import DeclaredTriggers

T = TypeVar("T")


class App(DefersCalls):
    """Items, actions, and the engines that store the items.

    `url`: the engine (see `persisty.backends`); default: `PERSISTY_URL`, else a SQLite file named after the app. `engines`: the URLs of further engines
    by name, for items that name one (`@stored(engine="cache")`). Declaring an app opens nothing. `cache`: this process caches items according to their `Cache`,
    unless `PERSISTY_CACHE` is set. `idempotency`: how long the response to a `POST` with an `Idempotency-Key` is stored; None ignores
    the header. `feed`: how long the engines keep changes for other processes, so that listeners, subscriptions and caches of all processes see every
    change; None: each process sees its own. `abandoned`: former items, and attributes such as `car.odometer`, whose stored values are no longer needed. Without them, the app does not
    start with a new item or attribute that looks like a renamed one.
    """

    def __init__(
        self,
        name: str,
        *,
        items: Iterable[type[Any] | Schema | StoreMeta[Any]],
        actions: Iterable[Action] = (),
        url: str | None = None,
        engines: Mapping[str, str] | None = None,
        stage: str | None = None,
        cache: bool = False,
        idempotency: timedelta | None = timedelta(days=1),
        abandoned: Iterable[str] = (),
        feed: timedelta | None = None,
    ) -> None:
        metas, further = [declared(item) for item in items], dict(engines or {})
        check_arguments(name, metas, further, idempotency, feed)
        self.name, self.idempotency = name, idempotency
        self._actions = tuple(actions)
        configured, changes = settings.load(), Feed()
        self._before_triggers = configured.before_triggers != "off"
        super().__init__(
            Engines(
                name,
                url or configured.url or f"sqlite:///{name}.db",
                further,
                stage or configured.stage,
                changes,
                cached=cache if configured.cache is None else configured.cache == "on",
            ),
            changes,
            feed,
        )
        self._authenticator: Authenticator | None = None
        self._handed_out: WeakSet[StoreContext[Any]] = WeakSet()
        self._changed: set[str] = set()
        self._changing = threading.Lock()
        self._checks: dict[ItemCheck, None] = {}
        self._catalogue = Catalogue()
        self.abandoned = frozenset(abandoned)
        self.requests: Store[IdempotencyRecord] = self.system_store(REQUESTS)
        self._preparation = Preparation(name, self._engines, self.system_store(APPLIED))
        if self._actions:
            self.check_changes_with(self._check_triggers)
        self._take({meta.name: meta for meta in metas})

    @property
    def catalogue(self) -> Catalogue:
        """The current items of the app. A change replaces the catalogue by another one with a higher `revision`."""
        return self._catalogue

    @property
    def metas(self) -> Mapping[str, StoreMeta[Any]]:
        """The current items of the app by name."""
        return self._catalogue.metas

    def add(self, *items: type[Any] | Schema | StoreMeta[Any]) -> int:
        """Add items while the app runs and return the new revision; see `revise`."""
        return self.revise(add=items)

    def replace(self, *items: type[Any] | Schema | StoreMeta[Any]) -> int:
        """Replace items of the same names while the app runs, and return the new revision; see `revise`."""
        return self.revise(replace=items)

    def remove(self, *items: type[Any] | str) -> int:
        """Remove items while the app runs, by class or name, and return the new revision; see `revise`. The stored items are not deleted."""
        return self.revise(remove=items)

    def revise(
        self,
        *,
        add: Iterable[type[Any] | Schema | StoreMeta[Any]] = (),
        replace: Iterable[type[Any] | Schema | StoreMeta[Any]] = (),
        remove: Iterable[type[Any] | str] = (),
    ) -> int:
        """Add, replace and remove items in one step while the app runs, and return the new revision.

        `InvalidDeclaration` lists every mistake with its path, and then nothing is changed: a name that is taken or missing, a link to a removed
        item, a rule that no longer fits. Requests in progress end on their old stores; `store` returns the new ones.
        No table is created: call `prepare` with the new items.
        """
        added, replaced = [declared(item) for item in add], [declared(item) for item in replace]
        removed = [item if isinstance(item, str) else meta_of(item).name for item in remove]
        with self._changing:
            items = changed_items(self.metas, added, replaced, removed, self._engines.names, self._checks)
            self._take(items)
            self.abandoned |= frozenset(removed)
            return self._catalogue.revision

    def check_changes_with(self, check: ItemCheck) -> None:
        """Reject later changes of the items for which the check returns faults."""
        self._checks[check] = None

    def _take(self, items: Mapping[str, StoreMeta[Any]]) -> None:
        """Make the catalogue of these items the current one. Readers see either catalogue, so they need no lock."""
        before, now = self._catalogue, self._catalogue.revised(items, self._open)
        for name, store in now.stores.items():
            if before.stores.get(name) is not store:
                self._handed_out.add(context_of(store))
        self._changed |= {
            name for name, one in before.metas.items() if name in now.metas and now.metas[name] is not one
        }
        self._catalogue = now
        if self._actions:
            self._feed.compile_with(self._compiled_triggers, at_first_change=self._before_triggers)
        if self._shared is not None:
            self._feed.shared = now.metas
        self._engines.forget(one for name, one in before.metas.items() if now.metas.get(name) is not one)

    def _open(self, meta: StoreMeta[T]) -> ChangePath[T]:
        """Open a store in its engine."""
        place = self._engines.place(meta)
        connection = self._engines.connected(place)
        if (
            connection.embedded
            and self.metas.get(meta.name) is meta
            and not self._preparation.is_done(meta)
            and (self.records_schemas or meta.name in self._changed)
        ):
            self._preparation.apply([meta], self.metas.keys(), self.abandoned)
        if self._shared is not None and meta.name in self.metas:
            self._shared.follow(meta.name)
        return connection.open(meta)

    def system_store(self, meta: StoreMeta[T]) -> Store[T]:
        """Return a system store in the app's own engine. It is opened at the first use, and its table must exist."""
        context = StoreContext(meta, lambda: self._open(meta))
        self._handed_out.add(context)
        return Store(context)

    def edit_batch(
        self, batch: Iterable[Edit], *, atomic: bool = False, caller: Caller | None = None
    ) -> list[EditResult[Any]]:
        """Perform up to 100 edits of several stores in order. Each has its own result in its position.

        Edits name their store: `Update(key, {...}, store=User)`. A `Create` of an instance needs no name. Invalid input in any of them raises
        `InvalidInput` with every fault, before anything is written. `atomic`: all edits are done or none is, in one transaction of the
        engine. Raises `BatchTooLarge` if the engine accepts fewer writes, `Unsupported` if the stores are in several engines. `caller`: the caller
        whose access rules apply; None for trusted code.
        """

        def context(item: type[Any] | str) -> StoreContext[Any]:
            store = self.store(item)
            return context_of(store if caller is None else store.on_behalf_of(caller))

        return edit_stores(context, list(batch), atomic=atomic)

    def _names(self, items: Iterable[type[Any] | str]) -> list[str]:
        return [self.store(item).meta.name for item in items]

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
    def has_actions(self) -> bool:
        """Return whether the app declares custom actions. Imports none of their modules."""
        return bool(self._actions)

    @property
    def actions(self) -> tuple[Callable[..., Any], ...]:
        """The functions marked by servey's `@action`. Imports the modules that the declaration names."""
        return tuple(function for action in self._actions for function in functions_of(action, self.name))

    @property
    def declared_triggers(self) -> DeclaredTriggers:
        """The triggers of the actions, and what runs them. Imports the modules that the declaration names."""
        found: DeclaredTriggers = deferred("persisty.triggers.declared").declared_triggers(self.actions)
        return found

    def _compiled_triggers(self) -> Compiled:
        """Return the triggers of changes for the current items. `InvalidDeclaration` lists every fault."""
        final = are_imported(self._actions, self.name)
        triggers = deferred("persisty.triggers.registry").compiled(
            self.declared_triggers, self.metas, lambda name: context_of(self.store(name))
        )
        if triggers.before_stores and not self._before_triggers:
            raise InvalidDeclaration("PERSISTY_BEFORE_TRIGGERS is off, and the app has before triggers")
        return Compiled(triggers, triggers, final)

    def _check_triggers(self, items: Mapping[str, StoreMeta[Any]], _: Collection[str]) -> Iterable[Fault]:
        """Return the faults of triggers of changes for other items."""
        found: list[Fault] = deferred("persisty.triggers.registry").trigger_faults(self.declared_triggers, items)
        return found

    @overload
    def store(self, item: type[T]) -> Store[T]: ...
    @overload
    def store(self, item: str) -> Store[Any]: ...
    def store(self, item: type[Any] | str) -> Store[Any]:
        """Return the store of an item, by its class or its name. Raises `InvalidDeclaration` for an item of another app."""
        name = item if isinstance(item, str) else meta_of(item).name
        store = self._catalogue.stores.get(name)
        if store is None or (not isinstance(item, str) and store.meta.item is not item):
            raise InvalidDeclaration(f"{name} is not an item of {self.name}")
        return store

    def use(self, url: str) -> None:
        """Store all items in the engine at this URL from now on, even those that name an engine. Existing `Store` objects use it, too."""
        self.close()
        self._engines.url, self._engines.further = url, {}

    @property
    def stores_responses(self) -> bool:
        """Return whether the app has operations that write, and stores responses by `Idempotency-Key`."""
        return self.idempotency is not None and (self.has_actions or offers_writes(self.metas.values()))

    @property
    def deployed_system_stores(self) -> tuple[StoreMeta[Any], ...]:
        """The system stores that deployed functions use."""
        return tuple(one.meta for one in SYSTEM_STORES if one.deployed and one.needed(self))

    @property
    def system_stores(self) -> tuple[StoreMeta[Any], ...]:
        """The system stores that this app needs, in the app's own engine."""
        return tuple(one.meta for one in SYSTEM_STORES if one.needed(self))

    @property
    def applied(self) -> AppliedSchemas:
        """The schemas of this app's stores that were applied last."""
        return self._preparation.applied

    def prepare(self, *items: type[Any] | str) -> None:
        """Create the missing tables and indexes of these items, or of all items if none is given."""
        prepared = [self.store(item).meta for item in items] or list(self.metas.values())
        if self.system_stores:
            self._engines.connected().prepare(self.system_stores)
        for outbox in self._outboxes_of_items().values():
            outbox.prepare()
        self._preparation.apply(prepared, self.metas.keys(), self.abandoned, again=True)

    def verify(self) -> None:
        """Check that the tables exist and match the declarations and the schemas that were applied last. `SchemaMismatch` lists every difference.

        On DynamoDB, whose tables a deployment creates, this creates nothing. On other engines, it does the same as `prepare`.
        """
        if self._engines.deployed:
            self._preparation.verify(list(self.metas.values()), self.deployed_system_stores, self.abandoned)
        else:
            self.prepare()

    def close(self) -> None:
        """Close the engines. The next call opens them again."""
        self._preparation.forget()
        if self._shared is not None:
            self._shared.stop()
        with self._changing:
            for context in self._handed_out:
                context.disconnect()
        self._engines.close()

    def can(self, caller: Caller, verb: str, item: Any) -> bool:
        """Return whether the caller may do this with an item, or, given a class, with any possible item.

        For an update, it checks only the item before the change. The update itself also checks the item after it.
        """
        if verb not in VERBS:
            raise InvalidQuery(
                faults=[Fault("/verb", "Unknown verb", "one of " + ", ".join(sorted(VERBS)), str(verb)[:32])]
            )
        meta = meta_of(item if isinstance(item, type) else type(item))
        guard = context_of(self.store(meta.name).on_behalf_of(caller)).guard
        return guard.allows(verb) if isinstance(item, type) else guard.allows_with(verb, item)
