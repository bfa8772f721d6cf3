"""The first stage of an import, shared by all formats: read the rows of a file, without conversion.

A reader never stops at an unreadable row. It yields the row with its error, so that the import can report every row. `MAX_ROW` limits the
memory for any file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, BinaryIO

import msgspec
from msgspec import Struct

from ..errors import Fault, InvalidInput, MalformedJson, PayloadTooLarge, PersistyError
from ..model import nesting
from ..model.json_numbers import decode

MAX_ROW = 1 << 20
"""Bytes of a row."""
EXCERPT = 1_000
"""Characters of a longer row that are reported."""
BOM = b"\xef\xbb\xbf"


class Row(Struct, frozen=True):
    """One row: the number of its first line and its values by attribute.

    With an `error`, the row could not be read and `given` is its raw text, cells or JSON value.
    """

    line: int
    given: Any
    error: PersistyError | None = None


class Line(Struct, frozen=True):
    """A numbered line with its line end. Not `whole` if it is longer than `MAX_ROW` and cut off."""

    number: int
    content: bytes
    whole: bool = True

    @property
    def text(self) -> str:
        """Return the line as text. `UnicodeDecodeError` if it is not UTF-8."""
        return self.content.decode()


class CarriageReturns:
    """The lines of a stream that end in carriage returns, as old systems and some spreadsheets write them. `read`: bytes that were already read."""

    def __init__(self, stream: BinaryIO, read: bytes) -> None:
        self._stream, self._buffer, self._at = stream, read, 0

    def readline(self, limit: int) -> bytes:
        """Return the next line of at most `limit` bytes with its line end, empty at the end."""
        while True:
            end = self._buffer.find(b"\r", self._at, self._at + limit) + 1
            if end and end == len(self._buffer):
                end = 0  # a line feed may follow
            if end or len(self._buffer) - self._at >= limit:
                return self._take(end + (self._buffer[end : end + 1] == b"\n") if end else self._at + limit)
            more = self._stream.read(CHUNK)
            if not more:
                return self._take(self._buffer.find(b"\r", self._at) + 1 or len(self._buffer))
            self._buffer, self._at = self._buffer[self._at :] + more, 0

    def _take(self, end: int) -> bytes:
        line, self._at = self._buffer[self._at : end], end
        return line


CHUNK = 1 << 16
"""Bytes that are read at a time."""


ALONE = re.compile(rb'(?s)(?:[^"\\\r]++|\\.|"(?:[^"\\]++|\\.)*+")*+\r[^\n]')
"""The beginning of a text whose first line ends in a carriage return alone: outside quotes, not escaped, and with more after it."""


class Lines:
    """The lines of a stream. A reader that looked ahead can put lines back. A line ends in a line feed, with or without a carriage return before
    it, or in a carriage return if the first line does. `blank`: the number of blank lines that are not rows, counted by the readers."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream: BinaryIO | CarriageReturns = stream
        self._ends: tuple[bytes, ...] = (b"\n",)
        self._number = 0
        self.blank = 0
        self._returned: list[Line] = []

    def __iter__(self) -> Iterator[Line]:
        while (line := self.take()) is not None:
            yield line

    def take(self) -> Line | None:
        """Return the next line, None at the end."""
        if self._returned:
            return self._returned.pop()
        content = self._stream.readline(MAX_ROW)
        if self._number == 0 and not isinstance(self._stream, CarriageReturns) and ALONE.match(content):
            self._stream, self._ends = CarriageReturns(self._stream, content), (b"\n", b"\r")
            content = self._stream.readline(MAX_ROW)
        if not content:
            return None
        self._number += 1
        if self._number == 1:
            content = content.removeprefix(BOM)
        if len(content) < MAX_ROW or content.endswith(self._ends):
            return Line(self._number, content)
        while (rest := self._stream.readline(MAX_ROW)) and not rest.endswith(self._ends):
            pass
        return Line(self._number, content, whole=False)

    def mark(self) -> int | None:
        """Return the position of the next line for `go_back`, or None if the stream cannot go back."""
        if self._returned or isinstance(self._stream, CarriageReturns) or not self._stream.seekable():
            return None
        return self._stream.tell()

    def go_back(self, mark: int, number: int) -> None:
        """Return to a position, so that the line after number `number` is the next."""
        if not isinstance(self._stream, CarriageReturns):
            self._stream.seek(mark)
        self._number = number

    def put_back(self, lines: list[Line]) -> None:
        """Put lines back, to be returned again in this order."""
        self._returned.extend(reversed(lines))


def unreadable(line: Line) -> Row | None:
    """Return a row with an error if the line is too long or not UTF-8, else None."""
    if not line.whole:
        return too_long(line)
    try:
        line.content.decode()
    except UnicodeDecodeError as error:
        fault = Fault("", f"Not UTF-8 at byte {error.start}", "UTF-8")
        return Row(line.number, as_text(line.content), InvalidInput(faults=[fault]))
    return None


def too_long(line: Line) -> Row:
    """Return the row that begins in this line and is longer than `MAX_ROW`, with an error."""
    message = f"Longer than {MAX_ROW:,} bytes; this is its beginning"
    return Row(line.number, excerpt(line.content), PayloadTooLarge(faults=[Fault("", message)]))


def as_text(content: bytes) -> str:
    """Return a line as text for a report. Bytes that are not UTF-8 are escaped."""
    return content.decode(errors="backslashreplace").rstrip("\r\n")


def excerpt(content: bytes) -> str:
    """Return the beginning of a row that is too long, as text for a report."""
    return as_text(content[: 4 * EXCERPT])[:EXCERPT]


def json_rows(lines: Lines) -> Iterator[Row]:
    """Iterate over the rows of a JSON lines file: one object each. Blank lines are skipped and counted."""
    for line in lines:
        if line.content.isspace():
            lines.blank += 1
            continue
        if (row := unreadable(line)) is not None:
            yield row
            continue
        try:
            given = nesting.decode(line.content, decode)
        except msgspec.DecodeError as error:
            yield Row(line.number, as_text(line.content), MalformedJson(faults=[Fault("", str(error), "JSON")]))
            continue
        if isinstance(given, dict):
            yield Row(line.number, given)
        else:
            fault = Fault("", "Expected an object", "object", type(given).__name__)
            yield Row(line.number, given, InvalidInput(faults=[fault]))
