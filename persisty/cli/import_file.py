"""`persisty import`: import a CSV or JSON lines file into a store, and report every row.

The call is checked before the first row is read (exit code 2). Then the file is streamed through `persisty.transfer`. A row that is not stored is
written to the rejects file with its faults (exit code 1).
"""

from __future__ import annotations

import gc
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any, BinaryIO

import msgspec
import typer
from msgspec import Struct
from typer import Argument, BadParameter, Option

from ..application import App, load_app
from ..errors import InvalidInput, PersistyError
from ..model.meta import StoreMeta
from ..naming import snake
from ..store.limits import MAX_BATCH
from ..store.store import context_of
from ..transfer.csv_rows import SKIP, CsvRows, Dialect, delimiter_hint
from ..transfer.load import Rejected, Settled, load, with_json_hint, with_null_hint
from ..transfer.rows import Lines, Row, json_rows
from ..transfer.values import typed_values
from .progress import progress
from .project import app_of
from .rejects import Rejects

FORMATS: dict[str, tuple[str, str]] = {
    ".csv": ("csv", ","),
    ".tsv": ("csv", "\t"),
    ".jsonl": ("jsonl", ""),
    ".ndjson": ("jsonl", ""),
}
"""Extension of a file → its default (format, delimiter)."""


def command(
    arguments: Annotated[
        list[str],
        Argument(
            metavar="[APP] STORE FILE",
            help="APP is module:attribute and may be left out if PERSISTY_APP or pyproject.toml names it.",
        ),
    ],
    file_format: Annotated[
        str | None, Option("--format", metavar="csv|jsonl", help="Default: by the extension of FILE.")
    ] = None,
    columns: Annotated[
        str | None,
        Option(metavar="a,b,_,c", help="Columns of a CSV file whose first row does not name them. _ skips a column."),
    ] = None,
    delimiter: Annotated[
        str | None, Option(metavar="CHAR", help="Delimiter of the fields of CSV. Default: a comma, in .tsv a tab.")
    ] = None,
    escape: Annotated[str | None, Option(metavar="CHAR", help=r"Escape character of CSV, such as \.")] = None,
    null: Annotated[
        list[str] | None, Option(metavar="TEXT", help=r"Field of CSV that means null, such as \N or ''. Repeatable.")
    ] = None,
    true: Annotated[list[str] | None, Option(metavar="TEXT", help="More text that means true. Repeatable.")] = None,
    false: Annotated[list[str] | None, Option(metavar="TEXT", help="More text that means false. Repeatable.")] = None,
    url: Annotated[str | None, Option(help="URL of the engine, such as sqlite:///my.db. Default: the app's.")] = None,
    prepare: Annotated[
        bool, Option("--prepare", help="Create missing tables first. Without it, only SQLite creates them.")
    ] = False,
    batch: Annotated[int, Option(min=1, max=MAX_BATCH, help="Rows to write at once.")] = MAX_BATCH,
    rejects: Annotated[
        Path | None,
        Option(help="File for rejected rows, as JSON lines. Default: FILE.rejected.jsonl."),
    ] = None,
) -> None:
    """Import a CSV or JSON lines file into a store.

    For example: persisty import shop.app:app product products.csv

    A row that is not stored is written to the rejects file with its faults. Exits with 0 if every row was stored, with 1 if
    rows were rejected or the engine failed, and with 2 if the call is invalid and nothing was done.
    """
    app, meta, path = _targets(arguments, url)
    kind, separator = _format(path, file_format)
    csv_only = {"--columns": columns, "--delimiter": delimiter, "--escape": escape, "--null": null}
    if kind != "csv" and (given := [name for name, value in csv_only.items() if value]):
        raise BadParameter(f"{', '.join(given)}: only for CSV")
    truths = dict.fromkeys(true or (), True) | dict.fromkeys(false or (), False)
    hint = kind == "csv" and not null
    typed = typed_values(meta, truths=truths, json_text=kind == "csv")
    try:
        with _opened(path) as stream:
            lines = Lines(stream)
            rows: Iterable[Row] = json_rows(lines)
            if kind == "csv":
                rows = _csv(lines, meta, columns, _dialect(delimiter or separator, escape, null))
            with Rejects(path, rejects) as refused:
                store = app.store(meta.item)
                _ = context_of(store).backend  # an engine that cannot be opened makes the call invalid
                if prepare:
                    app.prepare()
                gc.freeze()  # garbage collection of the loaded modules would take a tenth of the time
                settled = load(store, rows, typed, batch=batch)
                if kind == "csv":
                    settled = with_json_hint(meta, settled)
                outcome = _run(with_null_hint(meta, settled) if hint else settled, path, stream, refused)
    finally:
        app.close()
    outcome.blank = lines.blank
    _report(outcome, path, meta, refused)


class _Outcome(Struct):
    """The result so far. `blank`: lines that are not rows. `stopped`: the error that ended the import before the end of the file."""

    imported: int = 0
    blank: int = 0
    codes: Counter[str] = msgspec.field(default_factory=Counter)
    first: dict[str, Rejected] = msgspec.field(default_factory=dict)
    """The first rejected row of each code."""
    seconds: float = 0.0
    stopped: PersistyError | None = None

    @property
    def rejected(self) -> int:
        return self.codes.total()

    @property
    def read(self) -> int:
        return self.imported + self.rejected


def _targets(arguments: list[str], url: str | None) -> tuple[App, StoreMeta[Any], Path]:
    """Return the app, the item and the file of the positional arguments."""
    if len(arguments) not in (2, 3):
        raise BadParameter("Expected [APP] STORE FILE")
    app = load_app(app_of(arguments[0] if len(arguments) == 3 else None))
    if url:
        app.use(url)
    meta = app.metas.get(snake(arguments[-2]))
    if meta is None:
        known = ", ".join(app.metas)
        raise BadParameter(f"{app.name} has no store {arguments[-2]}; it has {known}", param_hint="STORE")
    return app, meta, Path(arguments[-1])


def _format(path: Path, given: str | None) -> tuple[str, str]:
    """Return the format of a file and its delimiter, by the option or the extension."""
    kinds = {kind for kind, _ in FORMATS.values()}
    by_extension = FORMATS.get(path.suffix.lower())
    if given is None and by_extension is None:
        raise BadParameter(
            f"The name {path.name} does not show the format. Choose one of {', '.join(sorted(kinds))}",
            param_hint="--format",
        )
    if given is not None and given not in kinds:
        raise BadParameter(f"{given} is not one of {', '.join(sorted(kinds))}", param_hint="--format")
    kind = given or (by_extension[0] if by_extension else "")
    return kind, by_extension[1] if by_extension and by_extension[0] == kind else ","


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        raise BadParameter(f"{path}: {error.strerror}", param_hint="FILE") from error


def _dialect(delimiter: str, escape: str | None, null: list[str] | None) -> Dialect:
    try:
        return Dialect(delimiter, escape, frozenset(null or ()))
    except ValueError as error:
        raise BadParameter(str(error)) from error


def _csv(lines: Lines, meta: StoreMeta[Any], columns: str | None, dialect: Dialect) -> CsvRows:
    """Return the rows of a CSV file. Its columns must be attributes of the item."""
    try:
        rows = CsvRows(lines, dialect, tuple(columns.split(",")) if columns is not None else None)
    except InvalidInput as error:
        raise BadParameter(str(error), param_hint="FILE") from error
    names = [name for name in rows.columns if name != SKIP]
    problems = {
        "no attributes of the item": [name for name in names if name not in meta.attributes],
        "named twice": sorted({name for name in names if names.count(name) > 1}),
        "missing": [name for name, one in meta.attributes.items() if one.required and name not in names],
    }
    if found := [f"{what}: {', '.join(map(repr, which))}" for what, which in problems.items() if which]:
        known = ", ".join(meta.attributes)
        hint = "" if columns is not None else delimiter_hint(rows.columns, dialect)
        raise BadParameter(f"{'; '.join(found)} ({meta.name} has {known}){hint}", param_hint="columns")
    return rows


def _run(settled: Iterator[Settled], path: Path, stream: BinaryIO, refused: Rejects) -> _Outcome:
    """Import the file. An error that ends it early becomes part of the outcome."""
    outcome, start = _Outcome(), time.perf_counter()
    with progress(path.name, path.stat().st_size) as report:
        try:
            for some in settled:
                outcome.imported += some.imported
                if some.rejected:
                    outcome.codes.update(one.code for one in some.rejected)
                    outcome.first = {one.code: one for one in reversed(some.rejected)} | outcome.first
                    refused.write(some.rejected, stream.tell())
                report(stream.tell(), outcome.read)
        except PersistyError as error:
            outcome.stopped = error
    outcome.seconds = time.perf_counter() - start
    return outcome


def _report(outcome: _Outcome, path: Path, meta: StoreMeta[Any], refused: Rejects) -> None:
    """Print the summary and exit with its code."""
    speed = f"{outcome.seconds:.1f} s, {outcome.read / max(outcome.seconds, 1e-9):,.0f} rows/s"
    counts = f"{outcome.read:,} read, {outcome.imported:,} imported, {outcome.rejected:,} rejected"
    counts += f", {outcome.blank:,} blank line{'s' if outcome.blank > 1 else ''}" if outcome.blank else ""
    typer.echo(f"{path.name} into {meta.name}: {counts} ({speed})")
    if outcome.rejected:
        reasons = ", ".join(f"{code} {count:,}" for code, count in outcome.codes.most_common())
        unlisted = f", which lists all but {refused.unlisted:,} of them" if refused.unlisted else ""
        typer.echo(f"{reasons}: see {refused.path}{unlisted}")
        for code, _ in outcome.codes.most_common():
            typer.echo(f"  line {outcome.first[code].line}: {code}: {outcome.first[code].faults[0]}")
    if outcome.stopped is not None:
        typer.echo(
            f"Error: stopped. The state of the rows after these is unknown. {outcome.stopped.report()}", err=True
        )
    if outcome.rejected or outcome.stopped is not None:
        raise typer.Exit(1)
