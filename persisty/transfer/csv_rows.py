"""Rows of character-separated files, as many programs write them.

Fields are separated by a delimiter and may stand in double quotes, in which a quote is doubled (RFC 4180) or escaped and
line ends are text. Python's csv module is not enough here: it unescapes a field before one can tell MySQL's and
PostgreSQL's null `\\N` from the text `N`, and one stray quote makes it swallow the rest of a file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO

from msgspec import Struct

from ..errors import Fault, InvalidInput
from .rows import MAX_ROW, Line, Lines, Row, as_text, unreadable

QUOTE = '"'
SKIP = "_"
"""The name of a column that is read and left out."""

Cells = list[str | None]


class Dialect(Struct, frozen=True):
    """The dialect of a file.

    `escape` makes the character after it text. `nulls` are the fields that mean null. They are compared as written, except for surrounding quotes, so that
    an escaped `\\N` is text. Raises `ValueError` for characters that cannot be distinguished.
    """

    delimiter: str = ","
    escape: str | None = None
    nulls: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        signs = [self.delimiter, QUOTE, *([self.escape] if self.escape is not None else [])]
        if any(len(sign) != 1 or sign in "\r\n" for sign in signs) or len(set(signs)) < len(signs):
            raise ValueError("The delimiter and the escape character are one character each, different, and no quote")


class _Grammar(Struct, frozen=True):
    """The expressions that read a dialect. Possessive throughout: no input makes them backtrack."""

    field: re.Pattern[str]
    """One field and its delimiter: (in quotes, plain, else the rest of the text)."""
    opened: re.Pattern[str]
    """A quote and what follows it without closing it."""
    closing: re.Pattern[str]
    """The rest of a quoted field, up to the closing quote."""
    pair_in_quotes: re.Pattern[str]
    """Two characters of which the second is meant: a doubled quote, or an escape character and what it escapes."""
    pair: re.Pattern[str]
    """The same where there are no quotes around."""


def _grammar(dialect: Dialect) -> _Grammar:
    delimiter, escape = re.escape(dialect.delimiter), re.escape(dialect.escape or "")
    pair = f"|{escape}." if escape else ""
    inside = f'(?:[^"{escape}]++|""{pair})*+'
    plain = f"(?:[^{delimiter}{escape}]++{pair})*+"
    return _Grammar(
        field=re.compile(f'(?s)(?:"({inside})"|(?!")({plain})){delimiter}|(.+)'),
        opened=re.compile(f'(?s)"{inside}{escape and escape + "?"}'),
        closing=re.compile(f'(?s){inside}"'),
        pair_in_quotes=re.compile(f'(?s)""{pair}'),
        pair=re.compile(f"(?s){escape}."),
    )


class CsvRows:
    """The rows of a file under its `columns`: those given, else the names in its first row.

    Raises `InvalidInput` if there is no readable first row to take them from. Blank lines are no rows.
    """

    def __init__(self, stream: BinaryIO, dialect: Dialect, columns: tuple[str, ...] | None = None) -> None:
        self._lines = Lines(stream)
        self._dialect = dialect
        self._grammar = _grammar(dialect)
        self.columns = self._header() if columns is None else columns
        self._skips = SKIP in self.columns

    def __iter__(self) -> Iterator[Row]:
        columns, width = self.columns, len(self.columns)
        for line in self._lines:
            if not line.content.strip(b"\r\n"):
                continue
            cells = self._cells(line)
            if isinstance(cells, Row):
                yield cells
            elif len(cells) != width:
                fault = Fault("", "Wrong number of columns", str(width), str(len(cells)))
                yield Row(line.number, cells, InvalidInput(faults=[fault]))
            else:
                given = dict(zip(columns, cells, strict=True))
                if self._skips:
                    del given[SKIP]
                yield Row(line.number, given)

    def _header(self) -> tuple[str, ...]:
        line = self._lines.take()
        if line is None:
            raise InvalidInput("The file is empty: no first row names its columns")
        cells = self._cells(line)
        if isinstance(cells, Row):
            raise cells.error or InvalidInput("The first row cannot be read")
        return tuple(cell or "" for cell in cells)

    def _cells(self, line: Line) -> Cells | Row:
        """The cells of the row that begins in this line, or the row as far as it could be read.

        What ends in open quotes goes on in the next line. If the quotes never close, or close where no field ends, only
        this line is given up and the others are read as rows of their own.
        """
        if (row := unreadable(line)) is not None:
            return row
        text, taken = line.text, list[Line]()
        cells, rest = self._split(text.rstrip("\r\n"))
        while rest:
            opened = self._grammar.opened.fullmatch(rest) is not None
            if not opened or not self._take_until_closed(len(text), taken):
                self._lines.put_back(taken)
                return Row(line.number, as_text(line.content), InvalidInput(faults=[_broken(rest, opened)]))
            text = line.text + "".join(one.text for one in taken)
            cells, rest = self._split(text.rstrip("\r\n"))
        return cells

    def _take_until_closed(self, size: int, taken: list[Line]) -> bool:
        """Take lines up to one with a quote that closes; False if there is none within `MAX_ROW`."""
        while size <= MAX_ROW and (line := self._lines.take()) is not None:
            taken.append(line)
            size += len(line.content)
            if unreadable(line) is not None:
                return False
            if self._grammar.closing.match(line.text):
                return True
        return False

    def _split(self, text: str) -> tuple[Cells, str]:
        """The cells up to the first that cannot be read, and the text from there on."""
        dialect = self._dialect
        nulls, escape = dialect.nulls, dialect.escape
        if QUOTE not in text and (escape is None or escape not in text):
            plain = text.split(dialect.delimiter)
            return [None if cell in nulls else cell for cell in plain], ""
        cells: Cells = []
        for quoted, bare, rest in self._grammar.field.findall(text + dialect.delimiter):
            if rest:
                return cells, rest[:-1]
            written = quoted or bare
            if written in nulls:
                cells.append(None)
            elif QUOTE in quoted or (escape is not None and escape in written):
                pair = self._grammar.pair_in_quotes if quoted else self._grammar.pair
                cells.append(pair.sub(_second, written))
            else:
                cells.append(written)
        return cells, ""


def _second(pair: re.Match[str]) -> str:
    return pair[0][1]


def _broken(rest: str, opened: bool) -> Fault:
    if opened:
        return Fault("", "A quote is not closed", "a closing quote")
    if rest.startswith(QUOTE):
        return Fault("", "Text after a closing quote", "a delimiter")
    return Fault("", "Nothing follows the escape character", "a character to escape")
