"""The folders that code is taken from: those of persisty's packages, and that of the app. And the folder of the project that built code is stored in.

The packages say where they are. In the repository they are `stacks` and `lambdas`, in the wheel `persisty_cdk` and `persisty_lambdas`.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import persisty
from persisty.errors import InvalidDeclaration

HANDLERS = {"stacks": "lambdas", "persisty_cdk": "persisty_lambdas"}
"""Name of this package → name of the package with the handlers, next to it."""
CACHE = Path(".persisty") / "code"
"""Folder of built code, below the working directory. The CDK CLI runs an app in the folder of its `cdk.json`."""


def runtime_folder() -> Path:
    """Return the folder of the package `persisty`."""
    return Path(persisty.__file__).resolve().parent


def handlers_folder() -> Path:
    """Return the folder of the package with the handlers."""
    name = HANDLERS[__name__.partition(".")[0]]
    found = _place(name)
    if found is None:
        raise InvalidDeclaration(f"The package {name} is not installed")
    return found.parent


def built_folder() -> Path:
    """Return the folder of built code, which version control ignores. It is created if it does not exist."""
    folder = Path.cwd() / CACHE
    folder.mkdir(parents=True, exist_ok=True)
    ignored = folder.parent / ".gitignore"
    if not ignored.exists():
        ignored.write_text("*\n")
    return folder


def app_root(spec: str) -> Path:
    """Return the folder from which the app at `spec`, `module:attribute`, is imported: the working directory for an app that is not found."""
    place = _place(top_name(spec))
    if place is None:
        return Path.cwd()
    return place.parents[1] if place.name == "__init__.py" else place.parent


def top_name(spec: str) -> str:
    """Return the name of the app's top package, or of its single module."""
    return spec.partition(":")[0].partition(".")[0]


def _place(name: str) -> Path | None:
    """Return the file of a module or package, or `__init__.py` of a package without one. Nothing is imported."""
    found = find_spec(name)
    if found is None:
        return None
    if found.origin:
        return Path(found.origin).resolve()
    folders = [*(found.submodule_search_locations or ())]
    return Path(folders[0]).resolve() / "__init__.py" if folders else None
