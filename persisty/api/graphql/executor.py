"""The execution of a compiled plan: its nodes convert whole lists of values to the response, one field after the other.

A node converts a column: one value for each object that has the field. A field costs a loop in C instead of a resolver call for each object. A
link is one call of its store for all objects of the response. Rows are msgspec Structs, which are encoded as JSON objects.

Errors follow the GraphQL specification. Each field that fails has one error. A null in a non-null place makes the place around it null, up to the
first nullable one. This module uses no GraphQL library: `compiler.py` makes plans, and `hosted/schema.py` and `appsync/function.py` run them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import accumulate, chain
from typing import Any

import msgspec
from msgspec import UNSET, Struct

from ...errors import AnswerTooLarge, Forbidden, PersistyError, UnreadableItem, Unsupported
from ...model.meta import StoreMeta
from ...model.pages import ResultPage
from ...model.set_order import ordered
from ...security.caller import Caller
from ...store.store import Store
from .selection import Selected

ROW_TYPES = 2_000
"""The most cached types of rows. Callers choose the keys."""

TEXTS = frozenset({str, bytes})
"""Types of values in a response that may be long. Lists and objects consist of others."""
LISTS = frozenset({list, tuple})
ABSENT = frozenset({type(None), type(UNSET)})

Path = tuple[str | int, ...]
Trace = Callable[[int], Path]
"""Position in a column → its path in the response. Called only for an error."""


class Failure(Struct, frozen=True):
    """An error of one field."""

    path: Path
    error: PersistyError
    selected: Selected


class _Failed:
    """Placeholder in a column for a value that failed in a non-null place: the place around it becomes null."""


FAILED: Any = _Failed()


class Run:
    """One execution: the caller's stores, the variables, the failures so far, and the number of items that links have loaded."""

    def __init__(
        self,
        store: Callable[[StoreMeta[Any]], Store[Any]],
        variables: Any,
        known: Callable[[Exception], PersistyError],
        limit: int | None = None,
    ) -> None:
        """`limit`: the most characters of all texts of the response together."""
        self.store, self.variables, self.limit = store, variables, limit
        self.size = 0
        self.failures: list[Failure] = []
        self.rejected: dict[str, PersistyError] = {}
        """Key of a root field → the error of its operation. A field that failed only below its root has none."""
        self.failed, self.linked_items = 0, 0
        self.known = known
        """Converts an exception to the `PersistyError` that callers may see."""

    def fail(self, error: PersistyError, path: Path, selected: Selected, *, nullable: bool) -> Any:
        """Record an error. Return the value of its place: null, or a failure for the place around it."""
        self.failures.append(Failure(path, error, selected))
        return None if nullable else self.failed_place(nullable=False)

    def measure(self, answers: list[Any]) -> None:
        """Count the characters of a column. Raises `AnswerTooLarge` beyond the limit, because an item that many links reach is repeated."""
        try:
            self.size += sum(map(len, answers))
        except TypeError:  # not all of them are texts
            self.size += sum([len(one) for one in answers if type(one) in TEXTS])
        if self.limit is not None and self.size > self.limit:
            raise AnswerTooLarge(f"The texts of a response have at most {self.limit} characters", limit=self.limit)

    def failed_place(self, *, nullable: bool) -> Any:
        """Return the value of a place in which a recorded failure occurred: null, or a failure for the place around it."""
        if nullable:
            return None
        self.failed += 1
        return FAILED

    def drop_failures(self, path: Path) -> None:
        """Remove the failures below a path. A sequential execution would not have reached it."""
        self.failures = [one for one in self.failures if one.path[: len(path)] != path]


def stores_for(stores: Mapping[str, Store[Any]], caller: Caller) -> Callable[[StoreMeta[Any]], Store[Any]]:
    """Return a function from an item to its store on behalf of a caller. Each store is made once. `stores`: the app's stores, by name."""
    known: dict[StoreMeta[Any], Store[Any]] = {}

    def store(meta: StoreMeta[Any]) -> Store[Any]:
        found = known.get(meta)
        if found is None:
            found = known[meta] = stores[meta.name].on_behalf_of(caller)
        return found

    return store


class Node:
    """Converts the values of one field, or the members of a list, to those of the response."""

    def __init__(self, selected: Selected, nullable: bool, owner: str) -> None:
        self.selected, self.nullable, self._owner = selected, nullable, owner

    def complete(self, run: Run, values: list[Any], trace: Trace) -> list[Any]:
        """Return the response's values for a column, in their positions."""
        raise NotImplementedError

    def weight(self, variables: Any, many: int) -> int:
        """Return the most values in the response below this node. `many`: the most members of a list whose length the arguments limit."""
        return 1

    def absent(self, run: Run, value: Any, path: Path) -> Any:
        """Return the response's value for a null, and record an error if the place is non-null. UNSET is a value that the caller may not read."""
        if self.nullable:
            return None
        name = f"{self._owner}.{self.selected.name}"
        error = Forbidden(f"Not allowed: reading {name}") if value is UNSET else None
        return run.fail(
            error or Unsupported(f"Cannot return null for non-nullable field {name}."),
            path,
            self.selected,
            nullable=False,
        )


Whole = Callable[[list[Any]], "list[Any] | None"]
"""Converts a column of attributes whose types are known. Returns None if the values have to be converted one by one."""


class Value(Node):
    """A scalar or an enum: converted as a column, or one by one if a value of the column needs it."""

    def __init__(
        self, selected: Selected, nullable: bool, owner: str, spell: Callable[[Any], Any], whole: Whole | None = None
    ) -> None:
        super().__init__(selected, nullable, owner)
        self._spell, self._whole = spell, whole

    def complete(self, run: Run, values: list[Any], trace: Trace) -> list[Any]:
        found = None if self._whole is None else self._whole(values)
        return [self._one(run, value, i, trace) for i, value in enumerate(values)] if found is None else found

    def _one(self, run: Run, value: Any, position: int, trace: Trace) -> Any:
        if value is None or value is UNSET:
            return self.absent(run, value, trace(position))
        try:
            found = self._spell(value)
        except Exception as error:  # a value of the wrong type is an error of only this field
            return run.fail(run.known(error), trace(position), self.selected, nullable=self.nullable)
        return self.absent(run, None, trace(position)) if found is None else found


class Items(Node):
    """A list: the members of all lists are one column."""

    def __init__(self, selected: Selected, nullable: bool, owner: str, item: Node) -> None:
        super().__init__(selected, nullable, owner)
        self._item, self._measured = item, isinstance(item, Value)

    def weight(self, variables: Any, many: int) -> int:
        return 1 + many * self._item.weight(variables, 1)

    def complete(self, run: Run, values: list[Any], trace: Trace) -> list[Any]:
        if LISTS.issuperset(map(type, values)):
            members, ends = list(chain.from_iterable(values)), list(accumulate(map(len, values)))
            answers: list[Any] = [UNSET] * len(values)
        else:
            members, ends, answers = self._members(run, values, trace)

        def inside(member: int) -> Path:
            position = next(at for at, end in enumerate(ends) if member < end)
            return (*trace(position), member - (ends[position - 1] if position else 0))

        before = run.failed
        found = self._item.complete(run, members, inside)
        if self._measured and run.limit is not None:
            run.measure(found)
        broken = run.failed > before
        start = 0
        for position, end in enumerate(ends):
            if answers[position] is UNSET:
                part = found[start:end]
                answers[position] = self._checked(run, part, trace(position)) if broken else part
            start = end
        return answers

    def _members(self, run: Run, values: list[Any], trace: Trace) -> tuple[list[Any], list[int], list[Any]]:
        """Return the members of all lists, where those of each list end, and for each value UNSET, or the response's value of one that is no list."""
        members: list[Any] = []
        ends: list[int] = []
        answers: list[Any] = []
        for position, value in enumerate(values):
            if value is None or value is UNSET:
                answers.append(self.absent(run, value, trace(position)))
            else:
                try:
                    members.extend(ordered(value))
                    answers.append(UNSET)
                except Exception as error:  # not a list, or an iterator that raises
                    del members[ends[-1] if ends else 0 :]
                    answers.append(run.fail(run.known(error), trace(position), self.selected, nullable=self.nullable))
            ends.append(len(members))
        return members, ends, answers

    def _checked(self, run: Run, members: list[Any], path: Path) -> Any:
        """Return the list, or the value of its place if a member has failed. Failures of later members are removed."""
        first = first_failed(members)
        if first is None:
            return members
        for later in range(first + 1, len(members)):
            run.drop_failures((*path, later))
        return run.failed_place(nullable=self.nullable)


class Member(Struct, frozen=True):
    """A field of an object. `get` reads its value; `load` reads the values of all objects at once. `many`: the most items that a link may load.
    `measured`: its values may be long texts."""

    key: str
    node: Node | None
    get: Callable[[Any], Any] | None = None
    load: Callable[[Run, list[Any]], list[Any]] | None = None
    many: Callable[[Any], int] | None = None
    measured: bool = True


class Objects(Node):
    """Records and items."""

    def __init__(
        self,
        selected: Selected,
        nullable: bool,
        owner: str,
        members: Sequence[Member],
    ) -> None:
        super().__init__(selected, nullable, owner)
        self._members = tuple(members)
        self._row = row_type(tuple(member.key for member in members))
        self._inner = [(one.node, one.many) for one in members if isinstance(one.node, Items | Objects)]
        self._leaves = 1 + len(self._members) - len(self._inner)

    def weight(self, variables: Any, many: int) -> int:
        return self._leaves + sum(
            node.weight(variables, many if bound is None else bound(variables)) for node, bound in self._inner
        )

    def complete(self, run: Run, values: list[Any], trace: Trace) -> list[Any]:
        if ABSENT.isdisjoint(map(type, values)):
            return self._rows(run, values, trace)
        present = [value for value in values if value is not None and value is not UNSET]
        places = [position for position, value in enumerate(values) if value is not None and value is not UNSET]
        rows = iter(self._rows(run, present, lambda i: trace(places[i])))
        return [
            self.absent(run, value, trace(position)) if value is None or value is UNSET else next(rows)
            for position, value in enumerate(values)
        ]

    def _rows(self, run: Run, objects: list[Any], trace: Trace) -> list[Any]:
        if not objects:
            return []
        for position, one in enumerate(objects) if isinstance(objects[0], ResultPage) else ():
            for error in one.errors:
                run.fail(error, trace(position), self.selected, nullable=True)
        before = run.failed
        columns = [self._column(run, member, objects, trace) for member in self._members]
        rows = list(map(self._row, *columns)) if columns else [self._row() for _ in objects]
        if run.failed > before:
            for position, cells in enumerate(zip(*columns, strict=True)):
                first = first_failed(cells)
                if first is not None:
                    rows[position] = self._failed_row(run, first, trace(position))
        return rows

    def _column(self, run: Run, member: Member, objects: list[Any], trace: Trace) -> list[Any]:
        key, node = member.key, member.node

        def inside(position: int) -> Path:
            return (*trace(position), key)

        if member.get is not None:
            values = list(map(member.get, objects))
        elif member.load is not None and node is not None:
            try:
                values = member.load(run, objects)
            except UnreadableItem as error:  # only the objects in `by_position` have an error
                values = error.others
                for position, one in error.by_position.items():
                    values[position] = run.fail(one, inside(position), node.selected, nullable=node.nullable)
            except Exception as error:  # the link fails for every object
                known = run.known(error)
                return [
                    run.fail(known, inside(position), node.selected, nullable=node.nullable)
                    for position in range(len(objects))
                ]
        answers = values if node is None else node.complete(run, values, inside)
        if member.measured and run.limit is not None and len(answers) > 1:
            run.measure(answers)
        return answers

    def _failed_row(self, run: Run, first: int, path: Path) -> Any:
        """Return the value of the place of an object with a failed member. Failures of later members are removed."""
        for member in self._members[first + 1 :]:
            run.drop_failures((*path, member.key))
        return run.failed_place(nullable=self.nullable)


def first_failed(values: Iterable[Any]) -> int | None:
    """Return the position of the first value that failed, or None."""
    return next((position for position, one in enumerate(values) if one is FAILED), None)


@lru_cache(ROW_TYPES)
def row_type(keys: tuple[str, ...]) -> type[Any]:
    """Return a Struct that is encoded as an object with these keys."""
    names = [f"m{position}" for position in range(len(keys))]
    fields = [(name, Any) for name in names]
    return msgspec.defstruct("Row", fields, rename=dict(zip(names, keys, strict=True)), gc=False, frozen=True)
