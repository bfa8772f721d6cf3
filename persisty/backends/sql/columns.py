"""Columns of values: one row for each kind, with the column type and the functions to and from it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from hashlib import blake2b
from keyword import iskeyword
from types import MappingProxyType
from typing import Any
from uuid import UUID

import msgspec
from msgspec import UNSET
from sqlalchemy import BigInteger, Column, Index, MetaData, PrimaryKeyConstraint, Table, Text
from sqlalchemy.sql import quoted_name

from ...errors import InvalidDeclaration
from ...model import indexes as model
from ...model.absent_members import stored_decoder
from ...model.meta import Attribute, StoreMeta
from ...model.stored_members import StoredChoices, members_of, stored_kind
from ...model.types import Kind
from ...model.unreadable_items import FAULTS, UnreadableValue, partly_readable
from .dialect import ColumnKind, Convert, Dialect
from .row_sizes import RowSizes


def json_text(value: Any) -> str:
    """Return the value as JSON."""
    return msgspec.json.encode(value).decode()


def _after(first: Convert | None, then: Convert) -> Convert:
    return then if first is None else lambda value: then(first(value))


def column_kind(attribute: Attribute, dialect: Dialect) -> ColumnKind:
    """Return the row of the attribute's kind."""
    row = dialect.columns[stored_kind(attribute)]
    if attribute.kind is Kind.JSON:
        return ColumnKind(
            row.type,
            row.encode,
            _after(row.decode, stored_decoder(attribute.type)),
        )
    members = members_of(attribute)
    if members is None:
        return row
    decode = _after(row.decode, members.__getitem__)
    if attribute.kind is not Kind.ENUM:
        return ColumnKind(row.type, row.encode, decode)
    stored = {member: value if row.encode is None else row.encode(value) for value, member in members.items()}
    return ColumnKind(row.type, StoredChoices(stored, row.encode).__getitem__, decode)


def index_name(meta: StoreMeta[Any], index: model.Index) -> str:
    """Return the name of an item's index in the database.

    PostgreSQL would truncate longer names, so that two indexes could get the same one.
    """
    name = f"{meta.table}-{index.name}"
    whole = name.encode()
    if len(whole) <= MAX_NAME:
        return name
    return f"{whole[:48].decode(errors='ignore')}-{blake2b(whole, digest_size=7).hexdigest()}"


def table_text(table: Table, dialect: Dialect) -> str:
    """Return the name of a table in SQL, after its schema if statements name it."""
    preparer = dialect.compiler.identifier_preparer
    name: str = preparer.quote(quoted_name(table.name, quote=True))
    schema = preparer.schema_for_object(table)
    return f"{preparer.quote_schema(schema)}.{name}" if schema else name


MAX_NAME = 63
"""Most bytes of a name in PostgreSQL."""


def table_of(meta: StoreMeta[Any], dialect: Dialect) -> Table:
    """Return the table of an item, in key order, with its declared indexes. Every order ends on the key, and so does every index
    that is not unique."""
    columns = [
        Column(name, column_kind(attribute, dialect).type, nullable=attribute.optional)
        for name, attribute in meta.attributes.items()
    ]
    table = Table(meta.table, MetaData(), *columns, PrimaryKeyConstraint(*meta.key.attributes))
    for index in meta.indexes:
        names = index.attributes if index.unique else dict.fromkeys((*index.attributes, *meta.key.attributes))
        Index(index_name(meta, index), *(table.c[name] for name in names), unique=index.unique)
    return table


SEQUENCES = Table(
    "persisty_sequence",
    MetaData(),
    Column("name", Text(), primary_key=True),
    Column("last", BigInteger(), nullable=False),
)
"""Return the table of the last reserved number of each sequence."""


def _constructor(
    meta: StoreMeta[Any], names: Sequence[str], expressions: Mapping[str, str] = MappingProxyType({}), **namespace: Any
) -> Callable[..., Any]:
    """Return a function that makes an item of these attributes' values by position. Other attributes are UNSET. `expressions`: attribute → an
    expression for its value, over the names and over `namespace`; without one, the value is used unchanged.

    Items take attributes by name only. A call with the names written out costs a third of one that passes a dict.
    """
    if not all(
        name.isidentifier() and not iskeyword(name) and name not in ("_item", "_unset", *namespace) for name in names
    ):
        raise InvalidDeclaration(f"An attribute of {meta.name} has no Python name")  # the name becomes code below
    values = dict.fromkeys(meta.attributes, "_unset") | {name: expressions.get(name, name) for name in names}
    made = ", ".join(f"{name}={value}" for name, value in values.items())
    makes: Callable[..., Any] = eval(
        f"lambda {', '.join(names)}: _item({made})", {**namespace, "_item": meta.item, "_unset": UNSET}
    )
    return makes


def _misfit(name: str) -> Any:
    raise UnreadableValue(name)


def _reader(meta: StoreMeta[Any], kinds: Mapping[str, ColumnKind]) -> Callable[..., Any]:
    """Return a function that makes an item of the columns of one row. It raises one of `FAULTS` for a value that does not fit its attribute."""
    expressions: dict[str, str] = {}
    namespace: dict[str, Any] = {"_misfit": _misfit}
    for place, (name, kind) in enumerate(kinds.items()):
        attribute = meta.attributes[name]
        if kind.decode is None:
            namespace[f"_types{place}"] = _types(attribute)
            expressions[name] = f"{name} if type({name}) in _types{place} else _misfit({name!r})"
        else:
            namespace[f"_decode{place}"] = kind.decode
            decoded = f"_decode{place}({name})"
            expressions[name] = f"None if {name} is None else {decoded}" if attribute.optional else decoded
    return _constructor(meta, tuple(kinds), expressions, **namespace)


ConvertAll = Callable[[Sequence[Any]], Iterable[Any]]
PYTHON: dict[Kind, type] = {
    Kind.STRING: str,
    Kind.INTEGER: int,
    Kind.FLOAT: float,
    Kind.BOOLEAN: bool,
    Kind.BYTES: bytes,
    Kind.UUID: UUID,
}
"""Kind → the type of the driver's value, if it is the attribute's value."""


def _types(attribute: Attribute) -> frozenset[type]:
    """Return the types that a value of the driver may have, if it is the attribute's value."""
    found = PYTHON[stored_kind(attribute)]
    return frozenset((found, type(None)) if attribute.optional else (found,))


def _each(convert: Convert, *, optional: bool) -> ConvertAll:
    """Convert a column value by value."""
    if optional:
        return lambda column: [None if value is None else convert(value) for value in column]
    return lambda column: map(convert, column)


def _encode_all(kind: ColumnKind, *, optional: bool) -> ConvertAll | None:
    """Encode a column of values at once. None if the driver takes the values unchanged."""
    if kind.encode is None:
        return None
    return kind.encode_all or _each(kind.encode, optional=optional)


def _decode_all(kind: ColumnKind, *, optional: bool) -> ConvertAll:
    """Decode a column of values at once. A null of a required attribute raises one of `FAULTS`."""
    decode = kind.decode if kind.decode is not None else json_text
    if kind.decode_all is None:
        return _each(decode, optional=optional)
    return kind.decode_all if optional else kind.decode_all_required or kind.decode_all


class RowCodec:
    """Converts items to rows and back. For reading, also rows of some columns. Compiled once."""

    def __init__(self, meta: StoreMeta[Any], dialect: Dialect, select: Sequence[str] | None = None) -> None:
        self.search = dialect.search
        self._dialect, self._linked = dialect, dict[StoreMeta[Any], RowCodec]()
        self.names = tuple(meta.attributes) if select is None else tuple(select)
        kinds = {name: column_kind(meta.attributes[name], dialect) for name in self.names}
        nested = {name: column_kind(attribute, dialect) for name, attribute in meta.nested.items()}
        self.encoders: dict[str, Convert | None] = {name: kind.encode for name, kind in (kinds | nested).items()}
        self._make, self._kinds = _constructor(meta, self.names), kinds
        self._columns = tuple((meta.attributes[name].get, kind.encode) for name, kind in kinds.items())
        self._encoders_of_all = {
            name: _encode_all(kind, optional=meta.attributes[name].optional) for name, kind in kinds.items()
        }
        self._decoding = {name: kind.decode for name, kind in kinds.items()}
        self._meta = meta
        self._decoders = tuple(
            (
                position,
                _decode_all(kind, optional=meta.attributes[name].optional),
            )
            for position, (name, kind) in enumerate(kinds.items())
            if kind.decode is not None
        )
        self._undecoded = tuple(
            (position, _types(meta.attributes[name]))
            for position, (name, kind) in enumerate(kinds.items())
            if kind.decode is None
        )

    @cached_property
    def sizes(self) -> RowSizes:
        """The sizes of rows with these columns."""
        return RowSizes(self._meta, self.names)

    @cached_property
    def _read(self) -> Callable[..., Any]:
        return _reader(self._meta, self._kinds)

    def of(self, meta: StoreMeta[Any]) -> RowCodec:
        """Return the codec of another item in the same database."""
        found = self._linked.get(meta)
        if found is None:
            found = self._linked[meta] = RowCodec(meta, self._dialect)
        return found

    def row(self, item: Any) -> list[Any]:
        """Return the values of an item's columns, in the order of the attributes."""
        return [
            value if (value := get(item)) is None or encode is None else encode(value) for get, encode in self._columns
        ]

    def columns(self, items: Sequence[Any]) -> list[Iterable[Any]]:
        """Return the columns of several items, in the order of the attributes. This takes half the time of encoding row by row."""
        getters = (get for get, _ in self._columns)
        return [self.column(name, [get(one) for one in items]) for name, get in zip(self.names, getters, strict=True)]

    def column(self, name: str, values: Sequence[Any]) -> Iterable[Any]:
        """Return the column values of many values of one attribute."""
        encode_all = self._encoders_of_all[name]
        return values if encode_all is None else encode_all(values)

    def value(self, name: str, value: Any) -> Any:
        """Return the column value of an attribute's value."""
        encode = self.encoders[name]
        return value if value is None or encode is None else encode(value)

    def read(self, name: str, value: Any) -> Any:
        """Return the attribute's value of a column value."""
        decode = self._decoding.get(name)
        return value if value is None or decode is None else decode(value)

    def item(self, row: Sequence[Any]) -> Any:
        """Return the item of a row whose columns are in the order of the attributes. For a row that does not fit, see `unreadable_items`."""
        try:
            return self._read(*row)
        except FAULTS:
            return self._partly(row)

    def items(self, rows: Sequence[Sequence[Any]]) -> list[Any]:
        """Return the items of rows, decoded column by column. This takes half the time of decoding row by row."""
        return self.of_columns(list(zip(*rows, strict=True))) if rows else []

    def of_columns(self, columns: list[Any]) -> list[Any]:
        """Return the items of columns of equal length, which are decoded in place."""
        if not columns:
            return []
        stored = columns.copy()
        try:
            for position, types in self._undecoded:
                if not types.issuperset(map(type, columns[position])):
                    return list(map(self.item, zip(*stored, strict=True)))
            for position, decode_all in self._decoders:
                columns[position] = decode_all(columns[position])
            return list(map(self._make, *columns))
        except FAULTS:
            return list(map(self.item, zip(*stored, strict=True)))

    def _partly(self, row: Sequence[Any]) -> Any:
        return partly_readable(
            self._meta, dict(zip(self.names, row, strict=True)), self._checked, self.names, self._plain
        )

    def _plain(self, name: str, value: Any) -> Any:
        """Decode a value that may not be of its attribute's type: a scalar's kind, or the JSON text of an object."""
        decode = self._dialect.columns[stored_kind(self._meta.attributes[name])].decode
        return value if value is None or decode is None else decode(value)

    def _checked(self, name: str, value: Any) -> Any:
        """Decode a value. Raises one of `FAULTS` if the attribute's type does not allow it."""
        attribute, decode = self._meta.attributes[name], self._decoding[name]
        if value is None and attribute.optional:
            return None
        if decode is not None:
            return decode(value)
        if type(value) is not PYTHON[stored_kind(attribute)]:
            raise UnreadableValue(name)
        return value
