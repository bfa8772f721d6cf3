"""JSON lines, well-formed and not."""

from __future__ import annotations

import io

import pytest

from persisty.transfer.rows import MAX_ROW, Lines, Row, json_rows


def rows(content: bytes) -> list[Row]:
    return list(json_rows(Lines(io.BytesIO(content))))


def test_each_object_is_a_row_and_blank_lines_are_skipped() -> None:
    assert rows(b'\xef\xbb\xbf{"a": 1}\r\n\n  \n{"a": null, "b": "\xc3\xa9"}') == [
        Row(1, {"a": 1}),
        Row(4, {"a": None, "b": "é"}),
    ]


@pytest.mark.parametrize(
    ("line", "code", "given"),
    [
        (b'{"a": 1', "malformed_json", '{"a": 1'),
        (b"{'a': 1}", "malformed_json", "{'a': 1}"),
        (b'{"a": "\xff"}', "invalid_input", '{"a": "\\xff"}'),
        (b"[1, 2]", "invalid_input", [1, 2]),
        (b"null", "invalid_input", None),
        (b"[" * 10_000, "malformed_json", "[" * 10_000),
    ],
)
def test_a_line_that_is_not_an_object_is_rejected_and_other_lines_are_read(
    line: bytes, code: str, given: object
) -> None:
    before, row, after = rows(b'{"a": 1}\n' + line + b'\n{"a": 2}\n')
    assert (before.given, after.given) == ({"a": 1}, {"a": 2})
    assert row.error is not None
    assert (row.line, row.error.code, row.given) == (2, code, given)
    assert row.error.faults


def test_a_line_that_is_too_long_is_rejected_with_its_beginning() -> None:
    huge, after = rows(b'{"a": "' + b"x" * 2 * MAX_ROW + b'"}\n{"a": 2}')
    assert huge.error is not None
    assert (huge.error.code, huge.given[:9], len(huge.given)) == ("payload_too_large", '{"a": "xx', 1_000)
    assert after == Row(2, {"a": 2})


def test_a_line_of_the_greatest_length_is_read() -> None:
    line = b'{"a": "' + b"x" * (MAX_ROW - 10) + b'"}\n'
    assert len(line) == MAX_ROW
    [row] = rows(line)
    assert row.error is None
