"""`persisty client`: a typed client of an app, in another program's language, as one file or on the standard output."""

from __future__ import annotations

import sys
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from .. import settings
from ..application import App, load_app
from ..clients.python import python_client
from ..clients.typescript import typescript_client
from ..errors import InvalidDeclaration


class Language(StrEnum):
    PYTHON = "python"
    TYPESCRIPT = "typescript"


WRITERS: dict[Language, Callable[[App, str], str]] = {
    Language.PYTHON: python_client,
    Language.TYPESCRIPT: typescript_client,
}
"""Language → what writes a client in it."""


def command(
    language: Annotated[Language, typer.Argument(help="What the client is written in")],
    app: Annotated[str | None, typer.Argument(help="The app, as module:attribute; default: PERSISTY_APP")] = None,
    out: Annotated[Path | None, typer.Option(help="The file to write; default: the standard output")] = None,
) -> None:
    """Write a typed client, from the operations that the app offers."""
    spec = app or settings.load().app
    if spec is None:
        raise InvalidDeclaration("Which app? Give module:attribute, or set PERSISTY_APP")
    text = WRITERS[language](load_app(spec), spec)
    if out is None:
        sys.stdout.write(text)
        return
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        typer.echo(f"Error: cannot write {out}: {error.strerror}", err=True)
        raise typer.Exit(1) from error
