"""A compiled plan: nodes that convert whole lists of values to the response, one field after the other.

Each node takes a column, one value for each object that has the field, and gives the column of the answers. So a field costs a loop
in C instead of a call of a resolver for each object, and a link is one call of its store for all objects of the response. Rows are
msgspec Structs, which an encoder writes as JSON objects as fast as it reads them.

Errors are as the specification has them: one for each field that fails, and a null that its place cannot hold makes the place around
it null, up to one that can. Knows no GraphQL library: `compiler.py` makes plans; `hosted/schema.py` and `appsync/function.py` run them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
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
"""Types of rows that are remembered; callers choose the keys."""

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
    """One execution: the stores as the caller has them, the variables, the failures met so far, and how many items links brought."""

    def __init__(
        self,
        store: Callable[[StoreMeta[Any]], Store[Any]],
        variables: Any,
        known: Callable[[Exception], PersistyError],
        limit: int | None = None,
    ) -> None:
        """`limit`: the characters that the texts of the response may have together."""
        self.store, self.variables, self.limit = store, variables, limit
        self.size = 0
        self.failures: list[Failure] = []
        self.rejected: dict[str, PersistyError] = {}
        """Key of a root field → the error with which its operation ended. A field that failed only below its root has none."""
        self.failed, self.brought = 0, 0
        self.known = known
        """Converts an exception to a `PersistyError` for the outside."""

    def fail(self, error: PersistyError, path: Path, selected: Selected, *, nullable: bool) -> Any:
        """Note an error; what stands in its place."""
        self.failures.append(Failure(path, error, selected))
        return None if nullable else self.again(nullable=False)

    def measure(self, answers: list[Any]) -> None:
        """Count the characters of a column. `AnswerTooLarge` beyond the limit: an item behind many links is in the response many times."""
        self.size += sum([len(one) for one in answers if type(one) is str])
        if self.limit is not None and self.size > self.limit:
            raise AnswerTooLarge(f"The texts of a response have at most {self.limit} characters", limit=self.limit)

    def again(self, *, nullable: bool) -> Any:
        """Return the value of a place in which a recorded failure occurred."""
        if nullable:
            return None
        self.failed += 1
        return FAILED

    def forget(self, path: Path) -> None:
        """Failures in what would not have been looked at any more."""
        self.failures = [one for one in self.failures if one.path[: len(path)] != path]


def stores_for(stores: Mapping[str, Store[Any]], caller: Caller) -> Callable[[StoreMeta[Any]], Store[Any]]:
    """Return a function from an item to its store for a caller, which makes each store once. `stores`: those for trusted code, by name."""
    known: dict[StoreMeta[Any], Store[Any]] = {}

    def store(meta: StoreMeta[Any]) -> Store[Any]:
        found = known.get(meta)
        if found is None:
            found = known[meta] = stores[meta.name].on_behalf_of(caller)
        return found

    return store


class Node:
    """Turns the values of one field, or the members of a list, into answers."""

    def __init__(self, selected: Selected, nullable: bool, owner: str) -> None:
        self.selected, self.nullable, self._owner = selected, nullable, owner

    def complete(self, run: Run, values: list[Any], trace: Trace) -> list[Any]:
        """The answers of a column of values, in their positions."""
        raise NotImplementedError

    def weight(self, variables: Any, many: int) -> int:
        """Return the most values that the answer may have. `many`: members of a list whose length the arguments bound."""
        return 1

    def absent(self, run: Run, value: Any, path: Path) -> Any:
        """Return the answer for a null. UNSET is a value that the caller may not read."""
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
"""A column of attributes, whose types are known → the answers, or None where each has to be looked at."""


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
        except Exception as error:  # whatever a value of the wrong type does: an error of this field alone
            return run.fail(run.known(error), trace(position), self.selected, nullable=self.nullable)
        return self.absent(run, None, trace(position)) if found is None else found


class Items(Node):
    """A list: the members of all lists are one column."""

    def __init__(self, selected: Selected, nullable: bool, owner: str, item: Node) -> None:
        super().__init__(selected, nullable, owner)
        self._item = item

    def weight(self, variables: Any, many: int) -> int:
        return 1 + many * self._item.weight(variables, 1)

    def complete(self, run: Run, values: list[Any], trace: Trace) -> list[Any]:
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
                except Exception as error:  # not a list at all, or one that breaks off
                    del members[ends[-1] if ends else 0 :]
                    answers.append(run.fail(run.known(error), trace(position), self.selected, nullable=self.nullable))
            ends.append(len(members))

        def inside(member: int) -> Path:
            position = next(at for at, end in enumerate(ends) if member < end)
            return (*trace(position), member - (ends[position - 1] if position else 0))

        before = run.failed
        found = self._item.complete(run, members, inside)
        if run.limit is not None:
            run.measure(found)
        broken = run.failed > before
        start = 0
        for position, end in enumerate(ends):
            if answers[position] is UNSET:
                part = found[start:end]
                answers[position] = self._mended(run, part, trace(position)) if broken else part
            start = end
        return answers

    def _mended(self, run: Run, members: list[Any], path: Path) -> Any:
        """The list, or what stands for one of which a member has failed: those after it do not matter any more."""
        first = first_failed(members)
        if first is None:
            return members
        for later in range(first + 1, len(members)):
            run.forget((*path, later))
        return run.again(nullable=self.nullable)


class Member(Struct, frozen=True):
    """A field of an object. `get` reads its value, or `load` those of all objects at once; `many` of a link: how many it may bring."""

    key: str
    node: Node | None
    get: Callable[[Any], Any] | None = None
    load: Callable[[Run, list[Any]], list[Any]] | None = None
    many: Callable[[Any], int] | None = None


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
        present = [value for value in values if value is not None and value is not UNSET]
        if len(present) == len(values):
            return self._rows(run, present, trace)
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
                    rows[position] = self._mended(run, first, trace(position))
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
            except UnreadableItem as error:  # of some objects: the others have theirs
                values = error.others
                for position, one in error.by_position.items():
                    values[position] = run.fail(one, inside(position), node.selected, nullable=node.nullable)
            except Exception as error:  # of the link: it is missing in each object
                known = run.known(error)
                return [
                    run.fail(known, inside(position), node.selected, nullable=node.nullable)
                    for position in range(len(objects))
                ]
        answers = values if node is None else node.complete(run, values, inside)
        if run.limit is not None and len(answers) > 1:
            run.measure(answers)
        return answers

    def _mended(self, run: Run, first: int, path: Path) -> Any:
        """Return the answer for an object with a failed member, ignoring failures of later members."""
        for member in self._members[first + 1 :]:
            run.forget((*path, member.key))
        return run.again(nullable=self.nullable)


def first_failed(values: Iterable[Any]) -> int | None:
    """The position of the first value that failed."""
    return next((position for position, one in enumerate(values) if one is FAILED), None)


@lru_cache(ROW_TYPES)
def row_type(keys: tuple[str, ...]) -> type[Any]:
    """A Struct that is encoded as an object with these keys."""
    names = [f"m{position}" for position in range(len(keys))]
    fields = [(name, Any) for name in names]
    return msgspec.defstruct("Row", fields, rename=dict(zip(names, keys, strict=True)), gc=False, frozen=True)
