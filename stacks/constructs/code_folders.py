"""The folders with the code of persisty's packages, and the folder of the project for built code.

The folders are those of the imported packages. In the repository these are `stacks` and `lambdas`, in the wheel `persisty_cdk` and `persisty_lambdas`.
"""

from __future__ import annotations

from pathlib import Path

import persisty
from persisty.deploy.app_files import module_place
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
    found = module_place(name)
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
