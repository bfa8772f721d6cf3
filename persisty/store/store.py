"""`Store`: the eight verbs, each read top to bottom: validate, generate, one conditional backend call, answer.

A verb is one round trip. Whatever a write depends on travels with it, so nothing can happen in between.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Generic, TypeVar

from msgspec import Struct

from ..errors import (
    Aborted,
    BatchTooLarge,
    Conflict,
    Fault,
    InvalidInput,
    InvalidQuery,
    NotFound,
    PersistyError,
    PreconditionFailed,
)
from ..model.expressions import NOTHING, Filter
from ..model.keys import KeyValues
from ..model.meta import StoreMeta
from ..model.validation import changes_of, key_values, new_item, pointer
from ..query.cursor import decode_cursor, encode_cursor
from ..query.resolve import Order, resolve_filter, resolve_order
from . import edits
from .backend import Backend, Delete, Outcome, Patch, Put, Write, WriteResult

T = TypeVar("T")

DEFAULT_LIMIT = 25
MAX_LIMIT = 1_000
"""Items a page may hold."""
MAX_BATCH = 100
"""Keys or edits a batch may hold."""


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
        """Store a new item and return it complete. `Conflict` if its key is taken, `InvalidInput` if it is not valid."""
        new = new_item(self.meta, item)
        [result] = self.backend.write((Put(new),), atomic=False)
        return self._settled(result)

    def read(self, key: Any) -> T | None:
        """The item, or None."""
        values = self._key(key)
        return None if values is None else self.backend.read((values,))[0]

    def update(self, key: Any, changes: Mapping[str, Any], *, when: Filter | bool | None = None) -> T | None:
        """Change some attributes of an item and return it as it is now; None if it is missing.

        `when` false raises `PreconditionFailed`, which carries the current item.
        """
        valid = changes_of(self.meta, changes)
        condition = self._where(when, "/when")
        values = self._key(key)
        if values is None:
            return None
        [result] = self.backend.write((Patch(values, valid, condition),), atomic=False)
        return None if result.outcome is Outcome.MISSING else self._settled(result)

    def delete(self, key: Any, *, when: Filter | bool | None = None) -> bool:
        """Delete an item: True if it was there. `when` false raises `PreconditionFailed`."""
        condition = self._where(when, "/when")
        values = self._key(key)
        if values is None:
            return False
        [result] = self.backend.write((Delete(values, condition),), atomic=False)
        if result.outcome is Outcome.MISSING:
            return False
        self._settled(result)
        return True

    def search(
        self,
        where: Filter | bool | None = None,
        *,
        order: Order = None,
        limit: int = DEFAULT_LIMIT,
        cursor: str | None = None,
    ) -> ResultPage[T]:
        """The first `limit` items that match, in the order; short only when there are no more.

        `order`: attributes, `.asc()` or `.desc()`, or text such as `"-created_at"`; ties end on the key. None takes the
        engine's own stable order. `cursor`: from the page before, of the same query.
        """
        resolved = self._where(where)
        total = resolve_order(self.meta, order)
        check_limit(limit)
        after = None if cursor is None else decode_cursor(self.meta, resolved, total, cursor)
        if resolved == NOTHING:
            return ResultPage([])
        page = self.backend.query(resolved, total, after, limit)
        if page.position is None:
            return ResultPage(page.items)
        return ResultPage(page.items, encode_cursor(self.meta, resolved, total, page.position))

    def search_all(self, where: Filter | bool | None = None, *, order: Order = None) -> Iterator[T]:
        """Every item that matches, a page at a time in memory."""
        resolved, total = self._where(where), resolve_order(self.meta, order)
        after: Mapping[str, Any] | None = None
        while resolved != NOTHING:
            page = self.backend.query(resolved, total, after, MAX_LIMIT)
            yield from page.items
            if page.position is None:
                return
            after = page.position

    def count(self, where: Filter | bool | None = None) -> int:
        """How many items match."""
        resolved = self._where(where)
        return 0 if resolved == NOTHING else self.backend.count(resolved)

    def read_batch(self, keys: Iterable[Any]) -> list[T | None]:
        """The items of up to 100 keys, in their positions, None where there is none."""
        given = list(keys)
        check_batch(given)
        values = [self._key(key, pointer("keys", position)) for position, key in enumerate(given)]
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
        writes = self._writes(given)
        present = [one for one in writes if one is not None]
        if atomic:
            self._check_distinct(writes)
        if atomic and len(present) < len(writes):
            return [_edit_result(None if one is None else WriteResult(Outcome.ABORTED)) for one in writes]
        done = iter(self.backend.write(present, atomic=atomic) if present else ())
        return [_edit_result(None if one is None else next(done)) for one in writes]

    def _where(self, where: Filter | bool | None, path: str = "/where") -> Filter:
        # to a type checker `Message.author_id == me` is a bool; at run time only a Filter passes resolve_filter
        return resolve_filter(self.meta, where, path)  # type: ignore[arg-type]

    def _key(self, key: Any, path: str = "/key") -> KeyValues | None:
        """The typed key values; None where no item can have that key."""
        if not isinstance(key, str):
            return key_values(self.meta, key if isinstance(key, tuple) else (key,), path)
        return self.meta.key_codec.parse(key)

    def _writes(self, batch: Sequence[edits.Edit]) -> list[Write | None]:
        """The port's writes for the edits, None for a key that no item can have; every fault of every edit at once."""
        writes: list[Write | None] = []
        faults: list[Fault] = []
        for position, edit in enumerate(batch):
            path = pointer("edits", position)
            try:
                writes.append(self._write(edit, path))
            except (InvalidInput, InvalidQuery) as error:
                faults.extend(error.faults)
        if faults:
            raise InvalidInput(faults=faults)
        return writes

    def _write(self, edit: edits.Edit, path: str) -> Write | None:
        match edit:
            case edits.Create(item):
                return Put(new_item(self.meta, item, path + "/item"))
            case edits.Update(key, changes, when):
                valid = changes_of(self.meta, changes, path + "/changes")
                condition = self._where(when, path + "/when")
                values = self._key(key, path + "/key")
                return None if values is None else Patch(values, valid, condition)
            case edits.Delete(key, when):
                condition = self._where(when, path + "/when")
                values = self._key(key, path + "/key")
                return None if values is None else Delete(values, condition)
        raise InvalidInput(faults=[Fault(path, "Not an edit", "Create, Update or Delete", type(edit).__name__)])

    def _check_distinct(self, writes: Sequence[Write | None]) -> None:
        """One item is written once in an atomic batch: no engine orders two writes of it, and DynamoDB takes none."""
        seen: set[KeyValues] = set()
        faults: list[Fault] = []
        for position, write in enumerate(writes):
            if write is not None:
                key = self.meta.key_values(write.item) if isinstance(write, Put) else write.key
                if key in seen:
                    faults.append(Fault(pointer("edits", position), "The same item twice in an atomic batch"))
                seen.add(key)
        if faults:
            raise InvalidInput(faults=faults)

    def _settled(self, result: WriteResult) -> T:
        """The item of a write that is done; the error of one that is not."""
        if result.outcome is Outcome.DONE:
            item: T = result.item
            return item
        raise _error(result)


def _error(result: WriteResult) -> PersistyError:
    if result.outcome is Outcome.FAILED:
        return PreconditionFailed(item=result.item)
    return ERRORS[result.outcome]()


ERRORS: dict[Outcome, type[PersistyError]] = {
    Outcome.EXISTS: Conflict,
    Outcome.MISSING: NotFound,
    Outcome.ABORTED: Aborted,
}


def _edit_result(result: WriteResult | None) -> edits.EditResult[Any]:
    if result is None:
        return edits.EditResult(error=NotFound())
    if result.outcome is Outcome.DONE:
        return edits.EditResult(result.item)
    return edits.EditResult(error=_error(result))


def check_limit(limit: Any) -> None:
    """`InvalidQuery` for what is not a number of items a page may hold."""
    if isinstance(limit, bool) or not isinstance(limit, int) or not 1 <= limit <= MAX_LIMIT:
        fault = Fault("/limit", f"Expected 1 to {MAX_LIMIT}", f"1 to {MAX_LIMIT}", str(limit)[:32])
        raise InvalidQuery(faults=[fault])


def check_batch(batch: Sequence[Any]) -> None:
    """`BatchTooLarge` for more than a batch holds."""
    if len(batch) > MAX_BATCH:
        raise BatchTooLarge(f"A batch holds at most {MAX_BATCH}", limit=MAX_BATCH, found=len(batch))
