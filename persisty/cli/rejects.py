"""The file of rejected rows of an import: one JSON object a row, with its line, code, faults and values.

Its size is limited in proportion to the bytes that were read. Further rows are only counted. Otherwise a broken file of very short lines would
produce a file of rejected rows forty times its own size.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Self

import msgspec
from msgspec import Struct
from typer import BadParameter

from ..errors import Fault
from ..model.json_numbers import as_number
from ..transfer.load import Rejected

ALWAYS, TIMES = 1 << 20, 10
"""Bytes that the file may always have, and further bytes for each byte that was read."""


class _Unlisted(Struct):
    """Rows of one code that are not in the file: their number, the first line and the last."""

    first: int
    last: int = 0
    count: int = 0


class Rejects:
    """The file of rejected rows. It is opened before the first row is read, and removed if it stays empty. `unlisted`: the number of rows that
    are not in it."""

    def __init__(self, source: Path, path: Path | None) -> None:
        self.path = path or source.with_name(source.name + ".rejected.jsonl")
        if self.path.exists() and self.path.samefile(source):
            raise BadParameter("The rejected rows would overwrite the file that is read", param_hint="--rejects")
        try:
            self._stream = self.path.open("wb")
        except OSError as error:
            raise BadParameter(f"{self.path}: {error.strerror}", param_hint="--rejects") from error
        self._encoder = msgspec.json.Encoder(enc_hook=as_number)
        self._size = 0
        self._pending: dict[str, _Unlisted] = {}
        self.unlisted = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._write(self._pending_lines())
        empty = self._stream.tell() == 0 if self.path.is_file() else False
        self._stream.close()
        if empty:
            self.path.unlink()

    def write(self, rejected: Iterable[Rejected], read: int) -> None:
        """Append rows and flush them to the file. `read`: the bytes of the source that were read so far."""
        limit = ALWAYS + TIMES * read
        for one in rejected:
            lines = [*self._pending_lines(), self._encoder.encode(one)]
            if self._size + sum(map(len, lines)) + len(lines) <= limit:
                self._write(lines)
                self._pending.clear()
            else:
                self._leave_out(one)
        self._stream.flush()

    def _write(self, lines: list[bytes]) -> None:
        for line in lines:
            self._size += self._stream.write(line + b"\n")

    def _leave_out(self, one: Rejected) -> None:
        run = self._pending.setdefault(one.code, _Unlisted(one.line))
        run.last, run.count = one.line, run.count + 1
        self.unlisted += 1

    def _pending_lines(self) -> list[bytes]:
        """Return a line for each error code of the rows that were left out after the last listed row."""
        return [
            self._encoder.encode(Rejected(run.first, code, (Fault("", _left_out(run)),), None))
            for code, run in self._pending.items()
        ]


def _left_out(run: _Unlisted) -> str:
    return f"Rejected, and not listed because this file is {TIMES} times as large as what was read: {run.count} rows from here to line {run.last}"
