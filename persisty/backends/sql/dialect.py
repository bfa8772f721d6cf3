"""Differences between SQL engines: a `Dialect` has the expressions, and a `Connection` runs the texts made from them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from msgspec import Struct
from sqlalchemy.engine import Dialect as Compiler
from sqlalchemy.sql import ColumnElement
from sqlalchemy.types import TypeEngine

from ...errors import SchemaMismatch
from ...model.meta import Attribute
from ...model.types import Kind

Column = ColumnElement[Any]
Convert = Callable[[Any], Any]
ConvertColumn = Callable[[Sequence[Any]], list[Any]]


class ColumnKind(Struct, frozen=True):
    """The column of a kind of value.

    `encode` and `decode` are not called for None. If one of them is None, the driver's value is the item's. A JSON value is encoded to text as a whole; `decode`
    gets the text that msgspec wrote. `decode_all` and `encode_all` convert a column at once, None included, where that is faster;
    `decode_all_required` raises for None.
    """

    type: TypeEngine[Any]
    encode: Convert | None = None
    decode: Convert | None = None
    decode_all: ConvertColumn | None = None
    encode_all: ConvertColumn | None = None
    decode_all_required: ConvertColumn | None = None


class Search(Struct, frozen=True):
    """A case-insensitive text search: its part of the statement's shape, and its bound values."""

    shape: tuple[Any, ...]
    values: tuple[str, ...]


class Dialect(Struct, frozen=True):
    """The expressions of one engine that differ between SQL engines.

    `compiler` is SQLAlchemy's; `insert` its INSERT, which has ON CONFLICT. `columns`: a row for each kind but enums, which
    are stored as their values are. `contains`, `endswith`: (text, text looked for) → condition, null for null. `search`:
    (text looked for, case-folded) → what `icontains` gets after the column and the maker of placeholders. `nested`: (column
    of an object's JSON, attribute) → the nested value, comparable as its kind. `lacks`: (column of an object's JSON, path) → whether the object before the last
    step lacks that member. `is_json_null`: the same for a null at the path. `aggregate`: (function, column, kind) → its
    value; sums of decimals are exact; it is not called for integers. `octets`: text → its bytes. `too_long`: text → an expression that ends the statement
    with an error, which means that a list would be too long. `columns_of`: a statement that lists the columns of a table, as
    `stored_schema.StoredColumn` has them; `indexes_of`: one that lists the columns of all
    indexes but the primary key's, with their names. `converting`: (stored form, declared form, column in SQL) → the converted value, and the condition
    of values that have no exact counterpart, None where all have one. `remedies`: difference between a table and its
    declaration → what resolves it, a text with `{table}`, `{column}` and `{type}`. `explain`: the prefix of a statement that returns its plan, and `explained` reads the
    answer: (lines, SQL name of an index → its first column).
    """

    name: str
    compiler: Compiler
    insert: Callable[[Any], Any]
    columns: Mapping[Kind, ColumnKind]
    contains: Callable[[Column, Column], Column]
    endswith: Callable[[Column, Column], Column]
    search: Callable[[str], Search]
    icontains: Callable[..., Column]
    nested: Callable[[Column, Attribute], Column]
    lacks: Callable[[Column, tuple[str, ...]], Column]
    is_json_null: Callable[[Column, tuple[str, ...]], Column]
    aggregate: Callable[[str, Column, Kind], Column]
    octets: Callable[[Column], Column]
    too_long: Callable[[Column], Column]
    columns_of: str
    indexes_of: str
    converting: Callable[[str, str, str], tuple[str, str | None]]
    remedies: Mapping[str, str]
    explain: str
    reads_each: bool
    explained: Callable[[Sequence[str], Mapping[str, str]], EnginePlan]


class EnginePlan(Struct, frozen=True):
    """An engine's plan: `access` and `sorted_by` as in `Explanation`, and the name of the SQL index."""

    access: str
    index: str | None
    sorted_by: str | None


class UniqueTaken(Exception):
    """A statement was refused because it would repeat the values of a unique index. `attributes`: the index's columns."""

    def __init__(self, attributes: tuple[str, ...]) -> None:
        self.attributes = attributes
        super().__init__(", ".join(attributes))


def table_has_changed() -> SchemaMismatch:
    """Return the error of a write that lacks a value which the table requires. The declaration requires it too, or the code is older."""
    return SchemaMismatch(
        "The table has changed: it requires a value that this code does not write. Start the code with the declaration that was migrated to"
    )


class Enough(Protocol):
    """Receives the rows of a statement as they come, and decides whether no more are needed. `at_once`: the rows that it receives in one call."""

    at_once: int

    def __call__(self, rows: list[tuple[Any, ...]]) -> bool:
        """Return whether no rows are needed after these."""
        ...

    def restart(self) -> None:
        """Forget the rows of this statement: it is run again."""
        ...


class Connection(Protocol):
    """Runs statements. Safe to share between threads. Raises `UniqueTaken`, and typed errors for the driver's errors."""

    def rows(self, text: str, arguments: Sequence[Any] = (), enough: Enough | None = None) -> list[tuple[Any, ...]]:
        """Run a statement and return its rows: all, or those until there are `enough`, and one more."""
        ...

    def changed(self, text: str, arguments: Sequence[Any]) -> int:
        """Run a statement and return the number of changed rows."""
        ...

    def transaction(self) -> AbstractContextManager[None]:
        """Open a transaction: all of its statements have an effect, or none."""
        ...

    def check_writes(self) -> None:
        """Raise a typed error if writes are known to fail."""
        ...

    def close(self) -> None: ...
