"""`persisty client`: generate a typed client of an app, as one file or on standard output."""

from __future__ import annotations

import sys
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from ..application import App, load_app
from ..clients.python import python_client
from ..clients.typescript import typescript_client
from .project import AppArgument, app_of


class Language(StrEnum):
    PYTHON = "python"
    TYPESCRIPT = "typescript"


WRITERS: dict[Language, Callable[[App, str], str]] = {
    Language.PYTHON: python_client,
    Language.TYPESCRIPT: typescript_client,
}
"""Language → the function that writes a client in it."""


def command(
    language: Annotated[Language, typer.Argument(help="Language of the client")],
    app: AppArgument = None,
    out: Annotated[Path | None, typer.Option(help="File to write; default: standard output")] = None,
) -> None:
    """Generate a typed client from the operations of the app."""
    spec = app_of(app)
    text = WRITERS[language](load_app(spec), spec)
    if out is None:
        sys.stdout.write(text)
        return
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        typer.echo(f"Error: cannot write {out}: {error.strerror}", err=True)
        raise typer.Exit(1) from error
