"""`persisty init`: write the files of a new project, which passes its own tests.

A template is a folder of `persisty/cli/templates/`, on top of `common/`. It is a working project `app-name` with a package `appname`. Both words are replaced by
the names of the new project. Existing files are not overwritten.
"""

from __future__ import annotations

import keyword
import re
import sys
from collections.abc import Mapping
from enum import StrEnum
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from ..errors import Fault, InvalidDeclaration
from .terminal import plain_console

TEMPLATES = Path(__file__).with_name("templates")
COMMON = "common"
APP, PACKAGE = "app-name", "appname"
"""The name of the app in a template, and that of its package."""
ANY_VERSION = ">=0.0.0"
"""The version of persisty that a template requires. A project requires at least the version that has written it."""
HIDDEN = {"gitignore": ".gitignore"}
"""File of a template → its name in a project. With the hidden name, tools would treat it as one of persisty's own files."""
NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
TAKEN = frozenset({*sys.stdlib_module_names, *keyword.kwlist, "tests", "persisty", "moto", "boto3", "pytest"})
"""Names that a package must not have, because it would hide another."""


class Template(StrEnum):
    """The available templates."""

    MINIMAL = "minimal"
    FULL = "full"


def command(
    folder: Annotated[Path, typer.Argument(help="Folder of the project, new or empty; its name is the app's")],
    template: Annotated[
        Template, typer.Option(help="minimal: one item; full: linked items, an action, tests of the API")
    ] = Template.MINIMAL,
) -> None:
    """Write the files of a new project."""
    files = files_of(template, folder.resolve().name)
    if existing := sorted(name for name in files if (folder / name).exists()):
        raise InvalidDeclaration(
            f"{folder} already has files with these names: nothing was written",
            faults=[Fault(f"/{name}", "The file exists") for name in existing],
        )
    for name, text in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    console = plain_console()
    console.print(f"{folder}: {len(files)} files. Next, in this folder:", soft_wrap=True)
    for step in (
        "pip install -e '.[dev]'",
        "pytest",
        f"persisty serve --seed {package_of(folder.resolve().name)}.seeds:seed",
    ):
        console.print(f"  {step}", markup=False, soft_wrap=True)


def files_of(template: Template, name: str) -> dict[str, str]:
    """Return the files of a project by their paths. Raises `InvalidDeclaration` for an invalid name of an app or package."""
    package = package_of(name)
    names = {PACKAGE: package, APP: name, ANY_VERSION: f">={version('persisty')}"}
    found: dict[str, str] = {}
    for source in (TEMPLATES / COMMON, TEMPLATES / template):
        for file in sorted(source.rglob("*")):
            if file.is_file() and "__pycache__" not in file.parts:
                path = file.relative_to(source).as_posix()
                found[_replaced(HIDDEN.get(path, path), names)] = _replaced(file.read_text(encoding="utf-8"), names)
    return found


def _replaced(text: str, names: Mapping[str, str]) -> str:
    for before, after in names.items():
        text = text.replace(before, after)
    return text


def package_of(name: str) -> str:
    """Return the name of the project's package: `my-shop` → `my_shop`."""
    package = name.replace("-", "_")
    if NAME.fullmatch(name) is None:
        fault = Fault("/folder", "Not a name in kebab case", "my-shop", name[:64])
    elif package in TAKEN:
        fault = Fault("/folder", "A package of this name would hide another module", "another name", name)
    else:
        return package
    raise InvalidDeclaration("A project cannot have this name", faults=[fault])
