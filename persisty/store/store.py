"""`Store`: the verbs, each read top to bottom: validate, generate, one conditional backend call, answer.

A verb is one round trip, and one more where a sequence has to be asked. Whatever a write depends on travels with it, so
nothing can happen in between.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Generic, TypeVar

from msgspec import Struct

from ..errors import Fault, InvalidInput, InvalidQuery
from ..model.changes import bounds_of
from ..model.expressions import COUNT, NOTHING, Aggregate, And, AttributeExpression, Filter, Text
from ..model.keys import KeyValues
from ..model.meta import StoreMeta
from ..model.validation import changes_of, key_values, new_item
from ..query.aggregate import Group, check_groups, finished, measures_of, resolve_aggregates, sort_groups
from ..query.algebra import combine
from ..query.cursor import decode_cursor, encode_cursor
from ..query.explain import Explanation
from ..query.order import Order, resolve_attributes, resolve_order
from ..query.resolve import resolve_filter
from . import edits
from .backend import Backend, Delete, Outcome, Put, WriteResult
from .bulk import write_all
from .outcomes import Planned, check_distinct, edit_result, located, number, patch
from .sizes import DEFAULT_LIMIT, MAX_LIMIT, check_batch, check_limit

T = TypeVar("T")


class ResultPage(Struct, Generic[T], frozen=True):
    """A page of matches, iterable. `cursor` continues the same query; None when there is nothing more."""

    items: list[T]
    cursor: str | None = None

    def __iter__(self) -> Iterator[T]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)


class Store(Generic[T]):
    """The items of one declaration. Obtain it from `App.store`.

    A `key` is the item's string key, or the value (for composite keys the tuple of values) it is made of. Methods raise
    subclasses of `PersistyError` and nothing else on purpose.
    """

    def __init__(self, meta: StoreMeta[T], open_backend: Callable[[], Backend[T]]) -> None:
        self.meta = meta
        self._open = open_backend
        self._backend: Backend[T] | None = None
        self._sequences = meta.sequences

    @property
    def backend(self) -> Backend[T]:
        """The backend, opened when it is first needed."""
        if self._backend is None:
            self._backend = self._open()
        return self._backend

    def disconnect(self) -> None:
        """Forget the backend; the next verb opens it anew."""
        self._backend = None

    def create(self, item: T | Mapping[str, Any]) -> T:
        """Store a new item and return it complete. `Conflict` if its key or a unique value is taken, `InvalidInput` if it is
        not valid."""
        new = new_item(self.meta, item)
        if self._sequences:
            number(self.backend, [new])
        put = Put(new)
        [result] = self.backend.write((put,), atomic=False)
        return self._settled(Planned(put, given=item), result)

    def read(self, key: Any) -> T | None:
        """The item, or None."""
        values = self._key(key)
        return None if values is None else self.backend.read((values,))[0]

    def update(self, key: Any, changes: Mapping[str, Any], *, when: Filter | bool | None = None) -> T | None:
        """Change some attributes of an item and return it as it is now; None if it is missing.

        A change may be `add(n)` or `append(value, …)`, which the engine applies. `when` false raises `PreconditionFailed`,
        which carries the current item; a unique value that is taken, `Conflict`; a sum out of bounds, `InvalidInput`.
        """
        valid = changes_of(self.meta, changes)
        condition = self._where(when, "/when")
        values = self._key(key)
        if values is None:
            return None
        planned = patch(self.meta, values, valid, condition, changes)
        [result] = self.backend.write((planned.write,), atomic=False)
        return None if result.outcome is Outcome.MISSING else self._settled(planned, result)

    def delete(self, key: Any, *, when: Filter | bool | None = None) -> bool:
        """Delete an item: True if it was there. `when` false raises `PreconditionFailed`."""
        condition = self._where(when, "/when")
        values = self._key(key)
        if values is None:
            return False
        write = Delete(values, condition)
        [result] = self.backend.write((write,), atomic=False)
        if result.outcome is Outcome.MISSING:
            return False
        self._settled(Planned(write, condition), result)
        return True

    def search(
        self,
        where: Filter | bool | None = None,
        *,
        query: str | None = None,
        order: Order = None,
        limit: int = DEFAULT_LIMIT,
        cursor: str | None = None,
        allow_scan: bool = False,
    ) -> ResultPage[T]:
        """The first `limit` items that match, in the order; short only when there are no more.

        `query`: words, each of which must occur in some text of the item, whatever the case. `order`: attributes, `.asc()` or
        `.desc()`, or text such as `"-created_at"`; ties end on the key. None takes the engine's own stable order. `cursor`:
        from the page before, of the same query. `allow_scan`: look at every item of a large table, if it comes to that.
        """
        return self._page(self._where(where, query=query), order, limit, cursor, None, allow_scan)

    def select(
        self,
        attributes: Iterable[AttributeExpression | str] | AttributeExpression | str,
        where: Filter | bool | None = None,
        *,
        query: str | None = None,
        order: Order = None,
        limit: int = DEFAULT_LIMIT,
        cursor: str | None = None,
        allow_scan: bool = False,
    ) -> ResultPage[dict[str, Any]]:
        """Like `search`, with only these attributes of each item, as a dict: `select([Message.text], …)`."""
        names = resolve_attributes(self.meta.attributes, attributes, "/attributes")
        page = self._page(self._where(where, query=query), order, limit, cursor, names, allow_scan)
        columns = [(name, self.meta.attributes[name].get) for name in names]
        return ResultPage([{name: get(item) for name, get in columns} for item in page.items], page.cursor)

    def search_all(
        self,
        where: Filter | bool | None = None,
        *,
        query: str | None = None,
        order: Order = None,
        allow_scan: bool = False,
    ) -> Iterator[T]:
        """Every item that matches, a page at a time in memory."""
        resolved, total = self._where(where, query=query), resolve_order(self.meta, order)
        after: Mapping[str, Any] | None = None
        while resolved != NOTHING:
            page = self.backend.query(resolved, total, after, MAX_LIMIT, allow_scan=allow_scan)
            yield from page.items
            if page.position is None:
                return
            after = page.position

    def count(self, where: Filter | bool | None = None, *, query: str | None = None, allow_scan: bool = False) -> int:
        """How many items match."""
        resolved = self._where(where, query=query)
        return 0 if resolved == NOTHING else self.backend.count(resolved, allow_scan=allow_scan)

    def count_by(
        self, attribute: AttributeExpression | Any, where: Filter | bool | None = None, *, allow_scan: bool = False
    ) -> dict[Any, int]:
        """Value of the attribute → how many matches have it, in the order of the values, None last."""
        groups = self.aggregate(COUNT, where=where, by=attribute, allow_scan=allow_scan)
        return {group.by[0]: group.values[0] for group in groups}

    def aggregate(
        self,
        *asked: Aggregate,
        where: Filter | bool | None = None,
        by: Iterable[AttributeExpression | str] | AttributeExpression | str = (),
        query: str | None = None,
        allow_scan: bool = False,
    ) -> list[Group]:
        """What is asked of the matches (`COUNT`, `Item.n.max()`, `.min()`, `.sum()`, `.avg()`), in groups of equal values of
        `by`, in their order, None last; one group of all without `by`. `TooManyGroups` beyond 10,000.

        Null values count for nothing: `max` of none is None, `sum` of none is 0.
        """
        resolved = self._where(where, query=query)
        resolve_aggregates(self.meta, asked)
        names = () if isinstance(by, tuple) and not by else resolve_attributes(self.meta.attributes, by, "/by")
        check_groups(self.meta, names)
        if resolved == NOTHING and names:
            return []
        measures = measures_of(asked)
        found = self.backend.aggregate(measures, names, resolved, allow_scan=allow_scan)
        return [finished(asked, measures, group) for group in sort_groups(self.meta, names, found)]

    def update_all(
        self,
        changes: Mapping[str, Any],
        where: Filter | bool | None = None,
        *,
        limit: int | None = None,
        cursor: str | None = None,
        allow_scan: bool = False,
    ) -> edits.BulkResult:
        """Change every item that matches, each on the condition that it still matches then; bounded memory.

        `limit` ends it after about so many items, with a `cursor` to go on from. An error in between carries `cursor` and
        `changed` in its details. Items whose sums would leave the bounds of an attribute are left as they are.
        """
        valid = changes_of(self.meta, changes)
        resolved = combine(And, [self._where(where), bounds_of(self.meta, valid)])
        return write_all(self.backend, valid, resolved, limit, cursor, allow_scan)

    def delete_all(
        self,
        where: Filter | bool | None = None,
        *,
        limit: int | None = None,
        cursor: str | None = None,
        allow_scan: bool = False,
    ) -> edits.BulkResult:
        """Delete every item that matches; like `update_all`. Without a filter that is every item there is."""
        return write_all(self.backend, None, self._where(where), limit, cursor, allow_scan)

    def explain(
        self,
        where: Filter | bool | None = None,
        *,
        query: str | None = None,
        order: Order = None,
        limit: int = DEFAULT_LIMIT,
    ) -> Explanation:
        """How the engine would answer a search, what that costs, and which index would make it cheap. Reads no items."""
        check_limit(limit)
        return self.backend.explain(self._where(where, query=query), resolve_order(self.meta, order), limit)

    def read_batch(self, keys: Iterable[Any]) -> list[T | None]:
        """The items of up to 100 keys, in their positions, None where there is none."""
        given = list(keys)
        check_batch(given)
        parse = self.meta.key_codec.parse
        values = [
            parse(key) if isinstance(key, str) else self._key(key, f"/keys/{position}")
            for position, key in enumerate(given)
        ]
        asked = [one for one in values if one is not None]
        found = iter(self.backend.read(asked) if asked else ())
        return [None if one is None else next(found) for one in values]

    def edit_batch(self, batch: Iterable[edits.Edit], *, atomic: bool = False) -> list[edits.EditResult[T]]:
        """Do up to 100 edits in order; each has its own result in its position.

        Invalid input in any of them raises `InvalidInput` for all, with every fault, before anything is written.
        `atomic`: all are done or none is; then an update or delete of a missing item counts as a failure too, and no two
        edits may name the same key.
        """
        given = list(batch)
        check_batch(given)
        planned = self._planned(given)
        present = [one for one in planned if one is not None]
        if atomic:
            check_distinct(self.meta, planned)
        if self._sequences:
            number(self.backend, [one.write.item for one in present if isinstance(one.write, Put)])
        if atomic and len(present) < len(planned):
            results = iter([WriteResult(Outcome.ABORTED)] * len(present))
        else:
            results = iter(self._written(planned, atomic))
        return [
            edit_result(self.meta, one, None if one is None else next(results), f"/edits/{position}/changes")
            for position, one in enumerate(planned)
        ]

    def _where(self, where: Filter | bool | None, path: str = "/where", query: str | None = None) -> Filter:
        # to a type checker `Message.author_id == me` is a bool; at run time only a Filter passes resolve_filter
        resolved = resolve_filter(self.meta, where, path)  # type: ignore[arg-type]
        return resolved if query is None else resolve_filter(self.meta, And((resolved, Text(query))), path)

    def _page(
        self,
        where: Filter,
        order: Order,
        limit: int,
        cursor: str | None,
        select: tuple[str, ...] | None,
        allow_scan: bool,
    ) -> ResultPage[T]:
        total = resolve_order(self.meta, order)
        check_limit(limit)
        after = None if cursor is None else decode_cursor(self.meta, where, total, cursor)
        if where == NOTHING:
            return ResultPage([])
        page = self.backend.query(where, total, after, limit, select=select, allow_scan=allow_scan)
        if page.position is None:
            return ResultPage(page.items)
        return ResultPage(page.items, encode_cursor(self.meta, where, total, page.position))

    def _key(self, key: Any, path: str = "/key") -> KeyValues | None:
        """The typed key values; None where no item can have that key."""
        if not isinstance(key, str):
            return key_values(self.meta, key if isinstance(key, tuple) else (key,), path)
        return self.meta.key_codec.parse(key)

    def _planned(self, batch: Sequence[edits.Edit]) -> list[Planned | None]:
        """The port's writes for the edits, None for a key that no item can have; every fault of every edit at once."""
        planned: list[Planned | None] = []
        faults: list[Fault] = []
        for position, edit in enumerate(batch):
            path = f"/edits/{position}"
            try:
                planned.append(self._plan(edit, path))
            except (InvalidInput, InvalidQuery) as error:
                faults.extend(error.faults)
        if faults:
            raise InvalidInput(faults=faults)
        return planned

    def _plan(self, edit: edits.Edit, path: str) -> Planned | None:
        match edit:
            case edits.Create(item):
                return Planned(Put(new_item(self.meta, item, path + "/item")), given=item)
            case edits.Update(key, changes, when):
                valid = changes_of(self.meta, changes, path + "/changes")
                condition = self._where(when, path + "/when")
                values = self._key(key, path + "/key")
                return None if values is None else patch(self.meta, values, valid, condition, changes)
            case edits.Delete(key, when):
                condition = self._where(when, path + "/when")
                values = self._key(key, path + "/key")
                return None if values is None else Planned(Delete(values, condition), condition)
        raise InvalidInput(faults=[Fault(path, "Not an edit", "Create, Update or Delete", type(edit).__name__)])

    def _written(self, planned: Sequence[Planned | None], atomic: bool) -> list[WriteResult]:
        """The results of the edits that have a write."""
        writes = [one.write for one in planned if one is not None]
        try:
            return self.backend.write(writes, atomic=atomic) if writes else []
        except InvalidInput as error:
            error.faults = located(error.faults, planned)
            raise

    def _settled(self, planned: Planned, result: WriteResult) -> T:
        """The item of a write that is done; the error of one that is not is raised."""
        told = edit_result(self.meta, planned, result)
        if told.error is not None:
            raise told.error
        item: T = told.item  # type: ignore[assignment]  # there is one where there is no error
        return item
