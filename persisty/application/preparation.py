"""Prepare the engines before the first use: create tables and indexes, and compare the declarations with the schemas that were applied last."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from ..deferred import deferred
from ..errors import Fault, SchemaMismatch
from ..model.meta import StoreMeta
from ..model.stored_names import stored_names_of
from ..store.backend import AbsentNulls, Engine
from ..store.index_completeness import IndexCompleteness, Indexes
from ..store.schema_records import AppliedSchema
from ..store.store import Store
from .engines import Engines

if TYPE_CHECKING:
    from ..store.applied_schemas import AppliedSchemas

UNREAD = (
    "Stored items have values under {name}, and this declaration reads them under {stored}. If code has moved the values to {name}, remove the former name, "
    "stop older code and run `persisty migrate`. If they are left by a former attribute, abandon them with "
    'App(abandoned=["{store}.{name}"])'
)
"""Fault of a renamed attribute whose values an app has moved itself."""


class Preparation:
    """The preparation of one app's items. `records`: the store of applied schemas. Schemas are recorded if the items outlive the process."""

    def __init__(self, app: str, engines: Engines, records: Store[AppliedSchema]) -> None:
        self._app, self._engines, self._records = app, engines, records
        self._done: WeakSet[StoreMeta[Any]] = WeakSet()
        self._completeness = IndexCompleteness(app, records)
        engines.incomplete_indexes, engines.absent_nulls = self._incomplete, self._absent_nulls

    @cached_property
    def applied(self) -> AppliedSchemas:
        """The schemas that were applied last. A server whose tables a deployment creates never compares them at a cold start."""
        applied: AppliedSchemas = deferred("persisty.store.applied_schemas").AppliedSchemas(
            self._app, self._records, self._engine, self._engines.is_sparse
        )
        return applied

    def is_done(self, meta: StoreMeta[Any]) -> bool:
        """Return whether an item was prepared since the engines were opened."""
        return meta in self._done

    def apply(
        self,
        metas: Sequence[StoreMeta[Any]],
        declared: Collection[str],
        abandoned: Collection[str],
        *,
        again: bool = False,
    ) -> None:
        """Create the tables of these items. `SchemaMismatch` if stored items do not fit.

        `declared`: the names of all stores of the app. `abandoned`: the names of former stores and attributes whose values stay. `again`: read the
        applied schemas again.
        """
        applied: dict[str, AppliedSchema] = {}
        recorded = self._engines.outlive_the_process
        if recorded:
            applied = self.applied.all(again=again)
            self.applied.check_names(applied, metas, declared, abandoned)
            sparse = [meta for meta in metas if self._engines.is_sparse(meta.engine)]
            self.applied.check_items(applied, sparse)  # a new index would make None of what absent attributes read as
        for place in dict.fromkeys(map(self._engines.place, metas)):
            self._engines.connected(place).prepare([meta for meta in metas if self._engines.place(meta) == place])
        if recorded:
            self.applied.check_items(applied, [meta for meta in metas if not self._engines.is_sparse(meta.engine)])
            self._check_names(metas, abandoned)
            late = dict(self.applied.late_indexes(applied, metas))
            self._engines.complete_indexes((meta, late.get(meta, ())) for meta in metas)
            self.applied.record(applied, self.applied.fitting(applied, metas))
            self.applied.doubt(applied, metas)
            self._completeness.complete(metas)
        self._done.update(metas)

    def verify(
        self, metas: Sequence[StoreMeta[Any]], system_stores: Sequence[StoreMeta[Any]], abandoned: Collection[str]
    ) -> None:
        """Check that the tables of all items of the app exist and fit, and create nothing. `SchemaMismatch` lists every difference."""
        self._engines.verify(list(metas), tuple(system_stores))
        if self._engines.outlive_the_process:
            self.applied.check_recorded(metas, [meta.name for meta in metas], abandoned)
            self._check_names(metas, abandoned)

    def forget(self) -> None:
        """Reset the preparation, because the engines are closed."""
        self.__dict__.pop("applied", None)
        self._completeness.forget()
        self._done.clear()

    def _check_names(self, metas: Iterable[StoreMeta[Any]], abandoned: Collection[str]) -> None:
        """Raise `SchemaMismatch` if stored items have values under a name that is not read."""
        found = [
            (meta, name)
            for meta in metas
            for name in self._engines.named_anew(meta)
            if f"{meta.name}.{name}" not in abandoned
        ]
        if found:
            faults = [
                Fault(
                    f"/{meta.name}/{name}",
                    UNREAD.format(name=name, stored=stored_names_of(meta)[name], store=meta.name),
                )
                for meta, name in found
            ]
            raise SchemaMismatch("Stored items do not fit the declarations", faults=faults)

    def _incomplete(self, meta: StoreMeta[Any]) -> Indexes:
        """Return the indexes of a store that may miss stored items. Without records, no index is known to."""
        return self._completeness.incomplete(meta) if self._engines.outlive_the_process else ()

    def _absent_nulls(self) -> AbsentNulls | None:
        """Return what knows the attributes that are None where stored items lack them. None without records."""
        if not self._engines.outlive_the_process:
            return None
        found: AbsentNulls = deferred("persisty.store.absent_nulls").RecordedNulls(self.applied)
        return found

    def _engine(self, name: str | None) -> Engine:
        """Return the engine of a name."""
        return self._engines.connected(self._engines.place_of(name)).engine
