"""The kinds of attributes are in one enum, `Kind` of `persisty/model/types.py`. A table by kind has all of them, or is listed here with those that it lacks.

A new kind therefore fails here once for each table that has no row for it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from persisty.model.types import KINDS, Kind

ROOT = Path(__file__).parents[2]
ALL = frozenset(Kind)

LACKING: dict[str, tuple[str, str]] = {
    "persisty/api/graphql/appsync/filter_comparisons.py:LEAST": (
        "STRING BOOLEAN DECIMAL ENUM BYTES JSON",
        "AppSync does not order these, or there is no least value to compare with",
    ),
    "persisty/api/graphql/appsync/filter_comparisons.py:ORDERED": (
        "BOOLEAN DECIMAL ENUM BYTES JSON",
        "AppSync does not order these as persisty does",
    ),
    "persisty/model/value_validation.py:LENIENT": (
        "STRING DATETIME DATE UUID DECIMAL BYTES JSON",
        "the text of a URL is the JSON of these, or is not converted",
    ),
    "persisty/api/graphql/described_types.py:READ": (
        "STRING FLOAT BOOLEAN DATETIME DATE UUID DECIMAL BYTES",
        "the kind alone decides the scalar",
    ),
    "persisty/api/graphql/store_inputs.py:OPERATOR_INPUTS": (
        "STRING INTEGER FLOAT BOOLEAN ENUM",
        "the input has the name of the scalar",
    ),
    "persisty/api/servey.py:AS_JSON": (
        "STRING INTEGER FLOAT BOOLEAN DATETIME UUID ENUM",
        "servey's hosts have these types",
    ),
    "persisty/api/servey.py:CONVERTED": (
        "STRING INTEGER FLOAT BOOLEAN DATETIME DATE UUID DECIMAL BYTES JSON",
        "the rows of AS_JSON are added",
    ),
    "persisty/backends/dynamodb/wire_kinds.py:UNBOUNDED": (
        "INTEGER FLOAT BOOLEAN DATETIME DATE UUID DECIMAL",
        "a value is never longer than a key may be",
    ),
    "persisty/backends/dynamodb/wire_kinds.py:WIRE": ("ENUM JSON", "stored as their values, and as lists or text"),
    "persisty/backends/sql/columns.py:PYTHON": ("DATETIME DATE DECIMAL ENUM JSON", "an engine decodes these"),
    "persisty/backends/sql/postgres/dialect.py:COLUMNS": ("ENUM", "stored as its values"),
    "persisty/backends/sql/sqlite.py:COLUMNS": ("ENUM", "stored as its values"),
    "persisty/backends/sql/postgres/nested_values.py:VALUES": (
        "STRING ENUM JSON",
        "texts and JSON need no pattern, enums are stored as their values",
    ),
    "persisty/backends/sql/postgres/nested_values.py:COMMON": (
        "STRING INTEGER FLOAT BOOLEAN UUID ENUM BYTES JSON",
        "the pattern of each value takes little time",
    ),
    "persisty/backends/sql/postgres/nested_values.py:PATTERNS": (
        "STRING ENUM JSON",
        "stored as its values, any text, any JSON",
    ),
    "persisty/backends/sql/sqlite_nested_values.py:COMMON": (
        "STRING INTEGER FLOAT BOOLEAN ENUM BYTES JSON",
        "these need no function of Python, or SQLite has no expression for them",
    ),
    "persisty/backends/sql/sqlite_nested_values.py:READERS": (
        "STRING INTEGER FLOAT BOOLEAN ENUM JSON",
        "the type of JSON decides, or these are stored as their values",
    ),
    "persisty/backends/sql/sqlite_nested_values.py:TYPES": (
        "DATETIME DATE UUID ENUM BYTES JSON",
        "READERS checks the text, or these are stored as their values, or any JSON",
    ),
    "persisty/backends/sql/stored_schema.py:SCALARS": ("ENUM JSON", "a column does not say these"),
    "persisty/clients/description.py:OPERATORS_OF": (
        "FLOAT BOOLEAN DATETIME DATE UUID DECIMAL BYTES",
        "these share the group of a kind with the same operators",
    ),
    "persisty/deploy/event_filters.py:EXACT": (
        "FLOAT DATETIME DECIMAL BYTES JSON",
        "DynamoDB changes the texts of these, or they have several stored forms",
    ),
    "persisty/model/declaration_checks.py:OWNING": (
        "INTEGER FLOAT BOOLEAN DATETIME DATE DECIMAL ENUM BYTES JSON",
        "a caller's subject is text, or the text of a UUID",
    ),
    "persisty/model/generator_checks.py:WRITTEN": (
        "FLOAT BOOLEAN DATE DECIMAL ENUM BYTES JSON",
        "no generator makes a value of these",
    ),
    "persisty/model/keys.py:WRITTEN": (
        "INTEGER FLOAT BOOLEAN DECIMAL ENUM BYTES JSON",
        "no keys, or not text in JSON; an enum is decided by its values",
    ),
    "persisty/model/types.py:IMPLICIT": (
        "STRING FLOAT BOOLEAN DATE UUID DECIMAL ENUM BYTES JSON",
        "no constraint of msgspec bounds these",
    ),
    "persisty/model/types.py:KEYABLE": (
        "FLOAT BOOLEAN DECIMAL BYTES JSON",
        "a value has several spellings, or too few",
    ),
    "persisty/model/types.py:NORMALISE": (
        "INTEGER BOOLEAN DATE UUID ENUM BYTES JSON",
        "equal values have one form already",
    ),
    "persisty/model/types.py:NUMERIC": ("STRING BOOLEAN DATETIME DATE UUID ENUM BYTES JSON", "no numbers"),
    "persisty/model/types.py:PRIMITIVE": (
        "STRING INTEGER FLOAT BOOLEAN DATETIME DATE DECIMAL BYTES JSON",
        "Python orders these as the engines do",
    ),
    "persisty/model/types.py:STORED_AS": (
        "STRING INTEGER FLOAT BOOLEAN DATETIME DATE UUID DECIMAL ENUM BYTES",
        "a message names these by the name of the kind",
    ),
    "persisty/model/types.py:TO_TEXT": ("FLOAT BOOLEAN DECIMAL BYTES JSON", "no keys"),
    "persisty/model/value_types.py:READ": (
        "STRING INTEGER FLOAT BOOLEAN DATETIME DATE UUID DECIMAL BYTES",
        "no named types are within these",
    ),
    "persisty/store/page_bytes.py:SIZES": (
        "BOOLEAN DATE DATETIME DECIMAL ENUM FLOAT INTEGER UUID",
        "small values are not counted",
    ),
    "persisty/store/page_bytes.py:JOINERS": (
        "JSON BOOLEAN DATE DATETIME DECIMAL ENUM FLOAT INTEGER UUID",
        "JSON is encoded, small values are not counted",
    ),
    "persisty/query/aggregate.py:ZEROS": ("STRING BOOLEAN DATETIME DATE UUID ENUM BYTES JSON", "no numbers"),
}
"""Table → the kinds that it lacks, and why."""


def _kinds(parts: list[ast.expr | None]) -> frozenset[Kind]:
    return frozenset(
        Kind[part.attr]
        for part in parts
        if isinstance(part, ast.Attribute) and isinstance(part.value, ast.Name) and part.value.id == "Kind"
    )


def _tables() -> Iterator[tuple[str, frozenset[Kind]]]:
    """Yield every module-level dictionary by kind, and every module-level set of several kinds that is not the difference of others."""
    for path in sorted((ROOT / "persisty").rglob("*.py")):
        for node in ast.parse(path.read_text()).body:
            match node:
                case ast.Assign(targets=[ast.Name(id=name)], value=value):
                    pass
                case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                    pass
                case _:
                    continue
            if isinstance(value, ast.Call) and len(value.args) == 1:  # frozenset({...}), MappingProxyType({...})
                value = value.args[0]
            kinds: frozenset[Kind] = frozenset()
            if isinstance(value, ast.Dict):
                kinds = _kinds(value.keys)
            elif isinstance(value, ast.Set) and len(value.elts) > 1:
                kinds = _kinds([*value.elts])
            if kinds:
                yield f"{path.relative_to(ROOT)}:{name}", kinds


TABLES = dict(_tables())


@pytest.mark.parametrize("table", TABLES)
def test_a_table_has_every_kind_except_its_declared_gaps(table: str) -> None:
    lacking, why = LACKING.get(table, ("", "it has every kind"))
    assert {one.name for one in ALL - TABLES[table]} == set(lacking.split()), (
        f"{table}: add a row, or list the kind in LACKING ({why})"
    )


def test_every_listed_table_exists() -> None:
    assert LACKING.keys() <= TABLES.keys()


def test_every_kind_but_two_is_a_python_type() -> None:
    assert set(KINDS.values()) == ALL - {Kind.ENUM, Kind.JSON}
