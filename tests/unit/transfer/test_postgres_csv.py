"""CSV files of PostgreSQL's `COPY … TO … WITH (FORMAT csv, HEADER)`, with the line ends of any system."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from typing import Any

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
