"""`persisty shell`: a Python prompt with the app, its items and their stores.

It verifies the tables first and prints the differences: over a table that does not fit, a page has `errors` and no items.
It completes names with the tab key where Python was built with readline.
"""

from __future__ import annotations

import code
import sys
import traceback
from typing import Annotated, Any

import typer

from ..application import App, load_app
from ..errors import SchemaMismatch
from .project import AppArgument, app_of

try:
    import readline
    import rlcompleter
except ModuleNotFoundError:  # as on Windows
    readline = None  # type: ignore[assignment]

FIRST_LINE = "from persisty import *"
"""The line that every prompt begins with."""


def command(
    app: AppArgument = None,
    url: Annotated[str | None, typer.Option(help="URL of the engine, instead of the app's")] = None,
    run: Annotated[str | None, typer.Option("--command", "-c", help="Run this code instead of a prompt")] = None,
) -> None:
    """Open a Python prompt with the app, its items and their stores."""
    spec = app_of(app)
    loaded = load_app(spec)
    if url is not None:
        loaded.use(url)
    names = names_of(loaded)
    try:
        _warn(loaded)
        if run is not None:
            _run(run, names)
        else:
            if sys.stdin.isatty():
                _complete(names)
            code.interact(banner=_banner(loaded, names), local=names, exitmsg="")
    finally:
        loaded.close()


def _warn(app: App) -> None:
    """Print how the tables differ from the declarations. The prompt can create or repair them."""
    try:
        app.verify()
    except SchemaMismatch as error:
        typer.echo(f"Warning: {error.report()}", err=True)


def _run(text: str, names: dict[str, Any]) -> None:
    """Run code from the command line. If it fails, print the traceback without persisty's own frames and exit with 1."""
    try:
        exec(compile(text, "<command>", "exec"), names)
    except Exception as error:
        below = error.__traceback__.tb_next if error.__traceback__ else None
        traceback.print_exception(type(error), error, below)
        raise typer.Exit(1) from None


def names_of(app: App) -> dict[str, Any]:
    """Return the names of the prompt: persisty's public ones, those of the modules that declare the items, each store by its name, each item by its
    class, and `app`. Later names replace earlier ones."""
    public: dict[str, Any] = {}
    exec(FIRST_LINE, public)
    modules = dict.fromkeys(meta.item.__module__ for meta in app.metas.values())
    declared = {
        name: value for module in modules for name, value in vars(sys.modules[module]).items() if name[0] != "_"
    }
    items = {meta.item.__name__: meta.item for meta in app.metas.values()}
    return {**public, **declared, **{name: app.store(name) for name in app.metas}, **items, "app": app}


def _complete(names: dict[str, Any]) -> None:
    """Complete names with the tab key, if Python has readline."""
    if readline is not None:
        readline.set_completer(rlcompleter.Completer(names).complete)
        readline.parse_and_bind("tab: complete")


def _banner(app: App, names: dict[str, Any]) -> str:
    stores = ", ".join(name for name in app.metas if names[name] is app.store(name))
    return f"{app.name} on {app.url.partition('?')[0]}. Stores: {stores}. Items: {', '.join(one.item.__name__ for one in app.metas.values())}."
