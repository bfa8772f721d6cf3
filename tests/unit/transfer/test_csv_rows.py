"""CSV in the dialects of programs, and malformed CSV."""

from __future__ import annotations

import csv
import io
import tracemalloc
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from persisty.errors import InvalidInput
from persisty.transfer.csv_rows import CsvRows, Dialect
from persisty.transfer.rows import MAX_ROW, Lines, Row

PLAIN = Dialect()
MYSQL = Dialect(escape="\\", nulls=frozenset({"\\N"}))


def rows(content: bytes, dialect: Dialect = PLAIN, columns: str | None = None) -> list[Row]:
    return list(CsvRows(Lines(io.BytesIO(content)), dialect, tuple(columns.split(",")) if columns else None))


def cells(content: bytes, dialect: Dialect = PLAIN, columns: str = "a,b") -> list[list[str | None]]:
    found = rows(content, dialect, columns)
    assert [row.error for row in found] == [None] * len(found)
    return [list(row.given.values()) for row in found]


def message(row: Row) -> str:
    assert row.error is not None
    [fault] = row.error.faults
    return fault.message


def test_the_first_row_names_the_columns() -> None:
    assert rows(b"id,name\n1,Ann\n2,Ben\n") == [
        Row(2, {"id": "1", "name": "Ann"}),
        Row(3, {"id": "2", "name": "Ben"}),
    ]


def test_with_given_columns_the_first_row_is_data() -> None:
    assert rows(b"1,Ann\n", columns="id,name") == [Row(1, {"id": "1", "name": "Ann"})]


def test_a_skipped_column_is_left_out_in_any_position() -> None:
    assert rows(b"1,x,Ann,y\n", columns="id,_,name,_") == [Row(1, {"id": "1", "name": "Ann"})]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"1,2", [["1", "2"]]),
        (b"1,2\r\n3,4\r\n", [["1", "2"], ["3", "4"]]),
        (b"1,2\n\n\r\n3,4", [["1", "2"], ["3", "4"]]),
        (b",\n", [["", ""]]),
        (b'"1","2"\n', [["1", "2"]]),
        (b'"1,5",2\n', [["1,5", "2"]]),
        (b'"say ""hi""",""""\n', [['say "hi"', '"']]),
        (b'"a\nb",c\n', [["a\nb", "c"]]),
        (b'"a\r\n\r\nb","c\nd"\r\n', [["a\r\n\r\nb", "c\nd"]]),
        (b'5" pipe,6\n', [['5" pipe', "6"]]),
        (b' "1",2 \n', [[' "1"', "2 "]]),
        (b"a\\,b\n", [["a\\", "b"]]),
        (b"\xef\xbb\xbf1,2\n", [["1", "2"]]),
        ("é,漢\n".encode(), [["é", "漢"]]),
    ],
)
def test_fields_are_read_as_in_rfc_4180(content: bytes, expected: list[list[str]]) -> None:
    assert cells(content) == expected


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (rb"\N,N", [None, "N"]),
        (rb'"\N","N"', [None, "N"]),
        (rb"\\N,x\N", ["\\N", "xN"]),
        (rb"a\,b,c", ["a,b", "c"]),
        (rb'"a\"b","c\\"', ['a"b', "c\\"]),
        (rb'"a\"""b",c', ['a""b', "c"]),
        (rb'a""\,b,c', ['a"",b', "c"]),
        (b'"a\\\nb",c', ["a\nb", "c"]),
        (b'"a\\"\nb",c', ['a"\nb', "c"]),
    ],
)
def test_nulls_are_recognised_before_escapes_are_decoded(content: bytes, expected: list[str | None]) -> None:
    assert cells(content, MYSQL) == [expected]


def test_an_empty_field_is_null_only_if_the_dialect_says_so() -> None:
    assert cells(b',""\n') == [["", ""]]
    assert cells(b',""\n', Dialect(nulls=frozenset({""}))) == [[None, ""]]


def test_the_delimiter_may_be_a_special_character_of_regular_expressions() -> None:
    assert cells(b'1|"2|3"\n', Dialect(delimiter="|")) == [["1", "2|3"]]
    assert cells(b'1^"2^3"\n', Dialect(delimiter="^", escape="]")) == [["1", "2^3"]]


@pytest.mark.parametrize(
    "dialect", [{"delimiter": ""}, {"delimiter": ",,"}, {"delimiter": '"'}, {"escape": ","}, {"escape": "\n"}]
)
def test_characters_that_cannot_be_distinguished_are_rejected(dialect: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        Dialect(**dialect)


def test_a_row_with_another_number_of_columns_is_rejected_and_other_rows_are_read() -> None:
    first, short, long, last = rows(b"1,2\n3\n4,5,6\n7,8\n", columns="a,b")
    assert (first.given, last.given) == ({"a": "1", "b": "2"}, {"a": "7", "b": "8"})
    assert (short.line, short.given, message(short)) == (2, ["3"], "Wrong number of columns")
    assert (long.line, long.given, message(long)) == (3, ["4", "5", "6"], "Wrong number of columns")


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (b'1,"open', "A quote is not closed"),
        (b'"x"y,2', "Text after a closing quote"),
        (b"1,2\\", "Nothing follows the escape character"),
        (b"\xff\xfe,2", "Not UTF-8 at byte 0"),
    ],
)
def test_a_malformed_row_is_rejected_with_its_text_and_other_rows_are_read(broken: bytes, reason: str) -> None:
    before, row, *after = rows(b"0,0\n" + broken + b"\n3,4\n5,6\n", MYSQL, columns="a,b")
    assert before.given == {"a": "0", "b": "0"}
    assert (row.line, message(row)) == (2, reason)
    assert row.given == broken.decode(errors="backslashreplace")
    assert [one.given for one in after] == [{"a": "3", "b": "4"}, {"a": "5", "b": "6"}]
    assert [one.line for one in after] == [3, 4]


def test_a_stray_quote_does_not_extend_to_the_quotes_of_a_later_row() -> None:
    stray, middle, quoted = rows(b'1,"stray\n2,3\n"x","y"\n', columns="a,b")
    assert message(stray) == "Text after a closing quote"
    assert [middle.given, quoted.given] == [{"a": "2", "b": "3"}, {"a": "x", "b": "y"}]


def test_a_line_that_is_not_utf8_ends_the_search_for_a_closing_quote() -> None:
    found = rows(b'1,"open\n\xff\n2",3\n4,5\n', columns="a,b")
    assert [(row.line, row.error is None) for row in found] == [(1, False), (2, False), (3, True), (4, True)]


@pytest.mark.parametrize("content", [b"", b'"open\n1\n', b"\xff\n"])
def test_a_file_without_a_readable_first_row_has_no_columns(content: bytes) -> None:
    with pytest.raises(InvalidInput):
        CsvRows(Lines(io.BytesIO(content)), PLAIN)


def test_an_endless_line_is_rejected_in_bounded_memory() -> None:
    content = io.BytesIO(b"1,2\n" + b"x" * (8 * MAX_ROW) + b"\n3,4\n")
    tracemalloc.start()
    first, huge, last = CsvRows(Lines(content), PLAIN, ("a", "b"))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (first.line, huge.line, last.line) == (1, 2, 3)
    assert huge.error is not None
    assert huge.error.code == "payload_too_large"
    assert len(huge.given) <= 1_000
    assert peak < 4 * MAX_ROW


def test_a_quote_that_never_closes_rejects_one_row_in_bounded_memory() -> None:
    line = b"2," + b"3" * 1_000 + b"\n"
    count = 16 * MAX_ROW // len(line)
    content = io.BytesIO(b'1,"open\n' + line * count)
    tracemalloc.start()
    found = iter(CsvRows(Lines(content), PLAIN, ("a", "b")))
    broken = next(found)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert message(broken) == "A quote is not closed"
    assert sum(1 for row in found if row.error is None) == count
    assert peak < 4 * MAX_ROW


TEXT = st.text(st.characters(codec="utf-8"), max_size=8) | st.sampled_from(['"', '""', ",", "\r\n", "\\", "N", "\\N"])


@given(st.lists(st.lists(TEXT, min_size=3, max_size=3), max_size=5))
def test_files_of_pythons_csv_module_are_read(table: list[list[str]]) -> None:
    written = io.StringIO(newline="")
    csv.writer(written, quoting=csv.QUOTE_ALL).writerows(table)
    assert cells(written.getvalue().encode(), columns="a,b,c") == table


@given(st.lists(st.lists(TEXT | st.none(), min_size=2, max_size=2), max_size=5))
def test_files_of_mysql_are_read_with_their_nulls(table: list[list[str | None]]) -> None:
    def field(value: str | None) -> str:
        if value is None:
            return "\\N"
        return '"' + "".join("\\" + char if char in '\\"\n\r,' else char for char in value) + '"'

    written = "".join(",".join(map(field, row)) + "\n" for row in table)
    assert cells(written.encode(), MYSQL) == table


@given(st.lists(st.sampled_from([b'"', b",", b"\n", b"\r\n", b"\\", b"a", b"\xff", b"\\N"]), max_size=40))
def test_no_line_is_lost_for_any_bytes(parts: list[bytes]) -> None:
    content = b"".join(parts)
    lines = content.split(b"\n")
    filled = [number for number, line in enumerate(lines, 1) if line.strip(b"\r")]
    found = rows(content, MYSQL, columns="a,b")
    starts = [row.line for row in found]
    assert starts[:1] == filled[:1]
    for row, (start, end) in zip(found, pairwise([*starts, len(lines) + 1]), strict=True):
        given_up = row.error is not None and isinstance(row.given, str)
        covered = [start] if given_up else range(start, end)
        assert [number for number in filled if start <= number < end and number not in covered] == []
