"""What differs between SQL engines: a `Dialect` holds the expressions, and a `Connection` runs the texts made of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from msgspec import Struct
from sqlalchemy.engine import Dialect as Compiler
from sqlalchemy.sql import ColumnElement

from ...model.meta import Attribute

Column = ColumnElement[Any]


class Dialect(Struct, frozen=True):
    """One engine's spelling of what SQL has no common one for.

    `compiler` is SQLAlchemy's; `insert` its INSERT, which knows ON CONFLICT. `contains`, `endswith`, `icontains`: (text, text
    looked for, case-folded for the last) → condition, null for null. `nested`: (column of an object's JSON, attribute) → the
    nested value, comparable as its kind. `decimal_sum`: the exact sum of a column of decimals. `explain`: the word before a
    statement that makes the engine tell its plan, and `explained` reads what it then says: (lines) → (access, index, sorted).
    """

    name: str
    compiler: Compiler
    insert: Callable[[Any], Any]
    contains: Callable[[Column, Column], Column]
    endswith: Callable[[Column, Column], Column]
    icontains: Callable[[Column, Column], Column]
    nested: Callable[[Column, Attribute], Column]
    decimal_sum: Callable[[Column], Column]
    explain: str
    explained: Callable[[Sequence[str]], Told]


class Told(Struct, frozen=True):
    """What an engine's plan says: `access` and `sorted_by` as in `Explanation`, the name of the SQL index."""

    access: str
    index: str | None
    sorted_by: str | None


class UniqueTaken(Exception):
    """A statement would repeat the values of a unique index; it has done nothing. `attributes`: the index's columns."""

    def __init__(self, attributes: tuple[str, ...]) -> None:
        self.attributes = attributes
        super().__init__(", ".join(attributes))


class Connection(Protocol):
    """Runs statements, safe to share between threads. Raises `UniqueTaken`, and typed errors for whatever the driver raises."""

    def rows(self, text: str, arguments: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run a statement and fetch what it answers."""
        ...

    def changed(self, text: str, arguments: Sequence[Any]) -> int:
        """Run a statement and give the number of rows it changed."""
        ...

    def each_changed(self, text: str, arguments: Sequence[Sequence[Any]]) -> bool:
        """Inside a transaction, run a statement for each of the arguments. True if each changed its row; else nothing is
        changed."""
        ...

    def transaction(self) -> AbstractContextManager[None]:
        """All or nothing."""
        ...

    def close(self) -> None: ...
