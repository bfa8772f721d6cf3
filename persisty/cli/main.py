"""`persisty`: the entry point of the command line, and the table of its commands.

A command is a module of this package with a function `command`, and a row in `COMMANDS`. Only the module of the requested command is imported,
so that help is fast and each command imports only what it needs.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.metadata import version
from typing import Any

from ..errors import InvalidDeclaration, PersistyError
from .own_errors import WHOLE, explained, is_of_loading, whole_traceback

try:
    import typer
except ModuleNotFoundError as error:
    raise SystemExit(f"The command line needs {error.name}: pip install 'persisty[cli]'") from error

COMMANDS: dict[str, tuple[str, str]] = {
    "serve": ("serve", "Serve an app: REST, GraphQL and their pages."),
    "work": ("work", "Handle the events of an app's triggers, and fire its timers."),
    "events": ("events", "List, show, replay or drop events of triggers."),
    "init": ("init", "Write the files of a new project."),
    "check": ("check", "Print every mistake and warning of an app in one go."),
    "shell": ("shell", "Open a Python prompt with the app, its items and their stores."),
    "access": ("access", "Print the access matrix: every store, verb and role."),
    "schema": ("schema", "Print the schemas of an app as JSON."),
    "token": ("token", "Print a token for a caller, to try access rules."),
    "client": ("client", "Generate a typed client of an app, in Python or TypeScript."),
    "diff": ("diff", "Print the changes that stored items need to fit the declarations."),
    "migrate": ("migrate", "Change what is stored until it fits the declarations."),
    "import": ("import_file", "Import a CSV or JSON lines file into a store."),
    "local": ("local", "Run an app as on AWS, on this machine."),
    "deploy": ("deploy", "Deploy an app to AWS."),
    "cost": ("cost", "Print what a deployment costs in a month."),
    "synth": ("synth", "Write the templates of a deployment, and deploy nothing."),
    "destroy": ("destroy", "Delete the stacks of a deployment, and leave its tables."),
}
"""Command → (its module in `persisty.cli`, its line in the help)."""

SERVER = frozenset(
    {"starlette", "uvicorn", "httptools", "websockets", "graphql", "servey", "prometheus_client", "watchfiles"}
)
"""Libraries that the extra `server` installs."""
EXTRAS = {"local": "local"}
"""Command → the extra that it needs, if another than `server`."""

USAGE = 2
"""Exit code of an invalid call. Nothing was read or changed."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command in the arguments (default: those of the process) and exit with its code."""
    asked = list(sys.argv[1:] if arguments is None else arguments)
    given = [one for one in asked if one != WHOLE]
    try:
        commands(given)(args=given, prog_name="persisty")
    except PersistyError as error:
        if len(given) < len(asked):
            traceback.print_exception(error)
        typer.echo(f"Error: {error.report()}", err=True)
        sys.exit(USAGE if isinstance(error, InvalidDeclaration) else 1)
    except Exception as error:
        whole = len(given) < len(asked) or whole_traceback()
        text = None if whole else explained(error)
        if text is None:
            raise
        typer.echo(f"Error: {text}", err=True)
        sys.exit(USAGE if is_of_loading(error) else 1)


def commands(arguments: Sequence[str]) -> typer.Typer:
    """Return the command line. Only the command in the arguments is loaded; the others have their name and help."""
    command = next((argument for argument in arguments if not argument.startswith("-")), None)
    line = typer.Typer(
        help="Declare data once; have it stored, served and deployed.",
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )
    line.callback()(_options)
    for name, (module, summary) in COMMANDS.items():
        if name == command:
            line.command(name, short_help=summary)(_load(module))
        else:
            line.command(name, help=summary)(_not_loaded)
    return line


def _show_version(shown: bool) -> None:
    if shown:
        typer.echo(version("persisty"))
        raise typer.Exit


def _options(
    _: bool = typer.Option(False, "--version", callback=_show_version, is_eager=True, help="Show the version."),
    _whole: bool = typer.Option(False, WHOLE, help="Print whole tracebacks. It may stand after the command too."),
) -> None:
    """Options before the command."""


def _load(module: str) -> Callable[..., Any]:
    try:
        command: Callable[..., Any] = import_module(f"{__package__}.{module}").command
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in SERVER:
            raise
        extra = EXTRAS.get(module, "server")
        raise InvalidDeclaration(f"{missing} is not installed: pip install 'persisty[{extra}]'") from error
    return command


def _not_loaded() -> None:
    """Placeholder of a command in the list. `commands` always loads the command that runs."""
