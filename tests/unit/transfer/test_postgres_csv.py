"""CSV files of PostgreSQL's `COPY … TO … WITH (FORMAT csv, HEADER)`, with the line ends of any system, and those of Supabase."""

from __future__ import annotations

import enum
import io
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

import psycopg
import pytest

from persisty import App, public, stored
from persisty.transfer.csv_rows import CsvRows, Dialect
from persisty.transfer.load import load
from persisty.transfer.rows import MAX_ROW, Lines
from persisty.transfer.values import typed_values


@stored(access=public)
class Entry:
    id: str
    text: str | None = None
    at: datetime | None = None
    number: int | None = None
    done: bool | None = None
    raw: bytes | None = None


WRITTEN = (
    "id,text,at,number,done,raw\n"
    'a,"",2026-01-01 10:00:00+00,1,t,\\x00ff\n'
    "b,,2026-01-01 10:00:00.123456+05:30,,f,\n"
    'c,"x ""y"",\nz",2026-01-01 07:00:00-03,-2,,"\\x"\n'
    'd,"  ",2026-01-01T10:00:00+0000,,,\n'
)
TEN = datetime(2026, 1, 1, 10, tzinfo=UTC)


def read(content: bytes) -> tuple[int, list[Any]]:
    app = App("entries", items=[Entry], url="memory://")
    store = app.store(Entry)
    rows = CsvRows(Lines(io.BytesIO(content)), Dialect(nulls=frozenset({""})))
    typed = typed_values(store.meta, truths={"t": True, "f": False}, json_text=True)
    settled = list(load(store, rows, typed))
    assert [one for some in settled for one in some.rejected] == []
    return sum(one.imported for one in settled), [*store.search_all(order="id")]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("last", [True, False])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_files_of_postgresql_are_read(end: str, last: bool, mark: bytes) -> None:
    text = WRITTEN if last else WRITTEN[:-1]
    imported, found = read(mark + text.replace("\n", end).encode())
    assert imported == 4
    assert [one.text for one in found] == ["", None, f'x "y",{end}z', "  "]
    assert [one.at for one in found] == [TEN, datetime(2026, 1, 1, 4, 30, 0, 123456, tzinfo=UTC), TEN, TEN]
    assert [(one.number, one.done, one.raw) for one in found] == [
        (1, True, b"\x00\xff"),
        (None, False, None),
        (-2, None, b""),
        (None, None, None),
    ]


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_a_large_file_has_the_same_rows_with_any_line_ends(end: bytes) -> None:
    line = b"x" * 99
    content = b"id" + end + b"".join(b"%06d" % number + line + end for number in range(20_000))
    assert len(content) > MAX_ROW
    rows = list(CsvRows(Lines(io.BytesIO(content)), Dialect()))
    assert [row.line for row in rows] == [*range(2, 20_002)]
    assert {len(row.given["id"]) for row in rows} == {105}


def test_a_carriage_return_within_quotes_does_not_end_the_line() -> None:
    rows = list(CsvRows(Lines(io.BytesIO(b'"i\rd",b\n1,"2\r3"\n')), Dialect()))
    assert [row.given for row in rows] == [{"i\rd": "1", "b": "2\r3"}]


def test_a_line_without_an_end_is_rejected_in_bounded_memory() -> None:
    rows = list(CsvRows(Lines(io.BytesIO(b"id\r" + b"x" * (3 * MAX_ROW) + b"\rb\r")), Dialect()))
    assert [row.error is None for row in rows] == [False, True]
    assert rows[1].given == {"id": "b"}


def test_an_empty_field_in_quotes_is_null_if_the_dialect_says_so() -> None:
    text = b'a,b,c\n"",,"x"\n'
    for nulls, cells in (
        (frozenset[str](), ["", "", "x"]),
        (frozenset({""}), ["", None, "x"]),
        (frozenset({'""'}), [None, "", "x"]),
        (frozenset({"", '""'}), [None, None, "x"]),
    ):
        [row] = CsvRows(Lines(io.BytesIO(text)), Dialect(nulls=nulls))
        assert row.given == dict(zip("abc", cells, strict=True))


class Shade(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Grade(enum.IntEnum):
    FIRST = 1
    SECOND = 2


@stored
class Profile:
    id: UUID
    name: str = ""
    born: date | None = None
    wakes: time | None = None
    balance: Decimal | None = None
    ratio: float | None = None
    tags: list[str] | None = None
    scores: list[int] | None = None
    flags: list[bool] | None = None
    seen: list[datetime] | None = None
    shades: set[Shade] | None = None
    grid: list[list[int]] | None = None
    meta: dict[str, Any] | None = None
    raw: bytes | None = None
    done: bool | None = None
    at: datetime | None = None
    raws: list[bytes | None] | None = None
    digests: set[bytes] | None = None
    grades: list[Grade] | None = None
    sizes: list[Literal[1, 2]] | None = None


TABLE = """CREATE TABLE profile (id uuid, name text, born date, wakes time, balance numeric, ratio float8, tags text[],
scores int[], flags bool[], seen timestamptz[], shades text[], grid int[], meta jsonb, raw bytea, done bool, at timestamptz,
raws bytea[], digests bytea[], grades int[], sizes int[])"""
ROWS = [
    """('0a0b0c0d-1111-4111-8111-aabbccddeeff', 'back\\slash "quoted", é
 line', '2024-02-29', '08:30:00.5', 12345678901234567.89, 1e-07, '{red,"a, b",""}', '{1,-2}', '{t,f}',
 '{2026-01-01 10:00:00+00}', '{blue}', '{{1,2},{3,4}}', '{"a": [1, "x\\\\y"], "b": null}', '\\x00ff', true,
 '2026-01-01 10:00:00.123456+05:30', '{"\\\\x00ff",NULL,"\\\\x"}', '{"\\\\x6162"}', '{2,1}', '{1,2}')""",
    """('0a0b0c0d-1111-4111-8111-aabbccddee00', '', NULL, NULL, NULL, NULL, '{}', NULL, '{}', NULL, '{}', '{}', '{}', '', false, NULL,
 '{}', '{}', NULL, NULL)""",
]
PROFILES = [
    Profile(
        id=UUID("0a0b0c0d-1111-4111-8111-aabbccddeeff"),
        name='back\\slash "quoted", é\n line',
        born=date(2024, 2, 29),
        wakes=time(8, 30, 0, 500_000),
        balance=Decimal("12345678901234567.89"),
        ratio=1e-07,
        tags=["red", "a, b", ""],
        scores=[1, -2],
        flags=[True, False],
        seen=[TEN],
        shades={Shade.BLUE},
        grid=[[1, 2], [3, 4]],
        meta={"a": [1, "x\\y"], "b": None},
        raw=b"\x00\xff",
        done=True,
        at=datetime(2026, 1, 1, 4, 30, 0, 123456, tzinfo=UTC),
        raws=[b"\x00\xff", None, b""],
        digests={b"ab"},
        grades=[Grade.SECOND, Grade.FIRST],
        sizes=[1, 2],
    ),
    Profile(
        id=UUID("0a0b0c0d-1111-4111-8111-aabbccddee00"),
        tags=[],
        flags=[],
        shades=set(),
        grid=[],
        meta={},
        raw=b"",
        done=False,
        raws=[],
        digests=set(),
    ),
]
COPY = "COPY profile TO STDOUT WITH (FORMAT csv, HEADER)"
COLUMNS = "array_to_string(array(SELECT json_object_keys(row_to_json(one))), ',')"
POSTGREST = f"SELECT {COLUMNS}, substring(one::text, 2, length(one::text) - 2) FROM profile one"
"""The CSV of PostgREST, which answers Supabase's clients: the text of a row, in which each backslash is doubled."""


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kolkata", "America/St_Johns"])
@pytest.mark.parametrize("source", ["copy", "postgrest"])
def test_a_table_of_postgresql_is_read_with_every_type(postgres_url: str, source: str, zone: str) -> None:
    with psycopg.connect(postgres_url) as connection:
        connection.execute(f"SET TIME ZONE '{zone}'")
        connection.execute(TABLE)
        for row in ROWS:
            connection.execute(f"INSERT INTO profile VALUES {row}")
        if source == "copy":
            with connection.cursor().copy(COPY) as copied:
                content = b"".join(bytes(part) for part in copied)
            dialect = Dialect(nulls=frozenset({""}))
        else:
            rows = connection.execute(POSTGREST).fetchall()
            content = "\n".join([rows[0][0], *(row for _, row in rows)]).encode()
            dialect = Dialect(escape="\\", nulls=frozenset({""}))
        connection.rollback()
    app = App("profiles", items=[Profile], url="memory://")
    store = app.store(Profile)
    typed = typed_values(store.meta, truths={"t": True, "f": False}, json_text=True)
    for some in load(store, CsvRows(Lines(io.BytesIO(content)), dialect), typed):
        assert some.rejected == []
    assert [store.read(one.id) for one in PROFILES] == PROFILES


def test_the_csv_of_supabases_dashboard_is_read() -> None:
    """Its fields are quoted or not, true and false are words, and lists and objects are JSON."""
    text = (
        '"id","name","tags","meta","done","at"\r\n'
        '"0a0b0c0d-1111-4111-8111-aabbccddeeff","say ""hi""","[""a"",""b""]","{""a"":1}","true","2026-01-01 10:00:00.5+00"\r\n'
        "0a0b0c0d-1111-4111-8111-aabbccddee00,,[],,false,2026-01-01T10:00:00+00:00"
    )
    app = App("profiles", items=[Profile], url="memory://")
    store = app.store(Profile)
    rows = CsvRows(Lines(io.BytesIO(text.encode())), Dialect(nulls=frozenset({""})))
    for some in load(store, rows, typed_values(store.meta, json_text=True)):
        assert some.rejected == []
    first, second = store.search(order="-name").items
    assert (first.name, first.tags, first.meta, first.done) == ('say "hi"', ["a", "b"], {"a": 1}, True)
    assert (second.name, second.tags, second.meta, second.done, second.at) == ("", [], None, False, TEN)
