"""Rows of CSV files, in the dialects of many programs.

A delimiter separates fields. A field may be in double quotes: a quote inside is doubled (RFC 4180) or escaped, and line ends are text. Python's
csv module is not used, because it unescapes a field before the null `\\N` of MySQL and PostgreSQL can be distinguished from the text `N`. Also,
one stray quote makes it read the rest of a file as one field.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from msgspec import Struct

from ..errors import Fault, InvalidInput
from .rows import MAX_ROW, Line, Lines, Row, as_text, too_long, unreadable

QUOTE = '"'
SKIP = "_"
"""The name of a column that is skipped."""

QUOTED_EMPTY = '""'
"""Entry in the nulls of a dialect that means an empty field in quotes."""
Cells = list[str | None]


class Dialect(Struct, frozen=True):
    """The dialect of a file.

    `escape` makes the character after it text. `nulls` are the fields that mean null, compared before unescaping
    and without quotes, so that an escaped `\\\\N` is text. `""` is the empty text, as in PostgreSQL, unless `QUOTED_EMPTY` is among them.
    Raises `ValueError` for characters that cannot be distinguished.
    """

    delimiter: str = ","
    escape: str | None = None
    nulls: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        signs = [self.delimiter, QUOTE, *([self.escape] if self.escape is not None else [])]
        if any(len(sign) != 1 or sign in "\r\n" for sign in signs) or len(set(signs)) < len(signs):
            raise ValueError(
                "The delimiter and the escape character must be single, different characters, and not a quote"
            )


class _Grammar(Struct, frozen=True):
    """The regular expressions for a dialect. All are possessive, so that no input makes them backtrack."""

    field: re.Pattern[str]
    """One field and its delimiter: (with its quotes, plain, or the unreadable rest of the text)."""
    opened: re.Pattern[str]
    """A quote and the text after it that does not close it."""
    closing: re.Pattern[str]
    """Quoted text up to the closing quote."""
    pair_in_quotes: re.Pattern[str]
    """Two characters that stand for the second: a doubled quote, or an escape character and the escaped one."""
    pair: re.Pattern[str]
    """The same outside quotes."""


def _grammar(dialect: Dialect) -> _Grammar:
    delimiter, escape = re.escape(dialect.delimiter), re.escape(dialect.escape or "")
    pair = f"|{escape}." if escape else ""
    inside = f'(?:[^"{escape}]++|""{pair})*+'
    plain = f"(?:[^{delimiter}{escape}]++{pair})*+"
    return _Grammar(
        field=re.compile(f'(?s)(?:("{inside}")|(?!")({plain})){delimiter}|(.+)'),
        opened=re.compile(f'(?s)"{inside}{escape and escape + "?"}'),
        closing=re.compile(f'(?s){inside}"'),
        pair_in_quotes=re.compile(f'(?s)""{pair}'),
        pair=re.compile(f"(?s){escape}."),
    )


class CsvRows:
    """Iterate over the rows of a file. The `columns` are given, or else the names in the first row.

    `InvalidInput` if the first row is needed and cannot be read. Blank lines are skipped and counted.
    """

    def __init__(self, lines: Lines, dialect: Dialect, columns: tuple[str, ...] | None = None) -> None:
        self._lines = lines
        self._dialect = dialect
        self._grammar = _grammar(dialect)
        self.columns = self._header() if columns is None else columns
        self._skips = SKIP in self.columns

    def __iter__(self) -> Iterator[Row]:
        columns, width = self.columns, len(self.columns)
        for line in self._lines:
            if not line.content.strip(b"\r\n"):
                self._lines.blank += 1
                continue
            cells = self._cells(line)
            if isinstance(cells, Row):
                yield cells
            elif len(cells) != width:
                message = "Wrong number of columns" + delimiter_hint(cells, self._dialect)
                fault = Fault("", message, str(width), str(len(cells)))
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
        """Return the cells of the row that begins in this line, or a `Row` with an error.

        A row with an open quote continues in the next line. If the quote never closes, or closes in the middle of a field, only this line is
        rejected and the following lines are read as rows. A row longer than `MAX_ROW` is rejected as a whole.
        """
        if (row := unreadable(line)) is not None:
            return row
        text, taken = line.text, list[Line]()
        cells, rest = self._split(text.rstrip("\r\n"))
        while rest:
            opened = self._grammar.opened.fullmatch(rest) is not None
            if not opened or not self._take_until_closed(len(text), taken):
                if opened and self._skip_row(taken):
                    return too_long(line)
                self._lines.put_back(taken)
                return Row(line.number, as_text(line.content), InvalidInput(faults=[_broken(rest, opened)]))
            text = line.text + "".join(one.text for one in taken)
            cells, rest = self._split(text.rstrip("\r\n"))
        return cells

    def _take_until_closed(self, size: int, taken: list[Line]) -> bool:
        """Append lines up to the one with the closing quote. Return False if there is none within `MAX_ROW`."""
        while size <= MAX_ROW and (line := self._lines.take()) is not None:
            taken.append(line)
            size += len(line.content)
            if unreadable(line) is not None:
                return False
            if self._grammar.closing.match(line.text):
                return True
        return False

    def _skip_row(self, taken: list[Line]) -> bool:
        """Skip the rest of a row that is longer than `MAX_ROW`, up to the line in which it ends. Return False, and skip nothing, if its quote
        is a stray one: it never closes, or closes in the middle of a field.

        The search ends at the next quote that is not doubled. The search for the quote of a later row can begin there, so all searches of a
        file together read it once.
        """
        mark = self._lines.mark() if taken and unreadable(taken[-1]) is None else None
        if mark is None:
            return False
        before = taken[-1].number
        while (line := self._lines.take()) is not None and unreadable(line) is None:
            closed = self._grammar.closing.match(line.text)
            if closed is None:
                continue
            after = line.text[closed.end() :].rstrip("\r\n")
            rest = self._split(after[1:])[1] if after.startswith(self._dialect.delimiter) else after
            if not rest:
                return True
            if not self._grammar.opened.fullmatch(rest):
                break
        self._lines.go_back(mark, before)
        return False

    def _split(self, text: str) -> tuple[Cells, str]:
        """Return the cells before the first unreadable one, and the text from there on."""
        dialect = self._dialect
        nulls, escape = dialect.nulls, dialect.escape
        if QUOTE not in text and (escape is None or escape not in text):
            plain = text.split(dialect.delimiter)
            return [None if cell in nulls else cell for cell in plain], ""
        cells: Cells = []
        for quoted, bare, rest in self._grammar.field.findall(text + dialect.delimiter):
            if rest:
                return cells, rest[:-1]
            written = quoted[1:-1] if quoted else bare
            if (QUOTED_EMPTY if quoted and not written else written) in nulls:
                cells.append(None)
            elif (quoted and QUOTE in written) or (escape is not None and escape in written):
                pair = self._grammar.pair_in_quotes if quoted else self._grammar.pair
                cells.append(pair.sub(_second, written))
            else:
                cells.append(written)
        return cells, ""


DELIMITERS: dict[str, str] = {";": "';'", "\t": r"$'\t'", "|": "'|'", ",": "','"}
"""Common delimiter → the same as an argument in a shell."""


def delimiter_hint(cells: Sequence[str | None], dialect: Dialect) -> str:
    """Return a hint at the delimiter that a row of one column contains, "" for any other row."""
    if len(cells) != 1 or cells[0] is None:
        return ""
    others = [one for one in DELIMITERS if one != dialect.delimiter and one in cells[0]]
    return f". The row is one column: try --delimiter {DELIMITERS[max(others, key=cells[0].count)]}" if others else ""


def _second(pair: re.Match[str]) -> str:
    return pair[0][1]


def _broken(rest: str, opened: bool) -> Fault:
    if opened:
        return Fault("", "A quote is not closed", "a closing quote")
    if rest.startswith(QUOTE):
        return Fault("", "Text after a closing quote", "a delimiter")
    return Fault("", "Nothing follows the escape character", "a character to escape")
