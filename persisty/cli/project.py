"""Find the app of a command: on the command line, in `PERSISTY_APP`, or in `pyproject.toml`.

[tool.persisty]
app = "shop.app:app"
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated

import typer

from .. import settings
from ..errors import Fault, InvalidDeclaration

FILE = Path("pyproject.toml")
TABLE = "tool.persisty"

AppArgument = Annotated[
    str | None,
    typer.Argument(help="The app, as module:attribute; default: PERSISTY_APP, or the one that pyproject.toml names"),
]
"""The argument of commands that work on an app."""


def app_of(given: str | None) -> str:
    """Return the app as `module:attribute`: the given one, else that of `PERSISTY_APP`, else that of the project in the working directory.

    `InvalidDeclaration` if none of them names an app.
    """
    spec = given or settings.load().app or _of_the_project()
    if spec is None:
        raise InvalidDeclaration(
            f"No app: give module:attribute, set PERSISTY_APP, or name it in {FILE} as app of [{TABLE}]"
        )
    return spec


def _of_the_project() -> str | None:
    try:
        declared = tomllib.loads(FILE.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidDeclaration(f"{FILE} cannot be read: {error}") from None
    spec = declared.get("tool", {}).get("persisty", {}).get("app")
    if spec is None or isinstance(spec, str):
        return spec
    raise InvalidDeclaration(
        f"{FILE} is not valid", faults=[Fault("/tool/persisty/app", "Not text", "module:attribute", str(spec)[:32])]
    )
