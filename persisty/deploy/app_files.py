"""The files of an app that its functions need: its modules, the modules that they import, and the data files next to them. Nothing is imported here.

A module is shipped with the other modules and the data files of its package. A subpackage is shipped if a shipped module imports from it.
Packages of other apps, tests and other files next to the app are therefore left out. Imports within functions count, and so does a module that is named
in a string, as in `import_module("shop.reports.daily")`.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterable, Iterator
from fnmatch import fnmatch
from importlib.util import find_spec
from pathlib import Path

from ..errors import InvalidDeclaration

EXCLUDED = (
    ".*",
    "__pycache__",
    "tests",
    "test",
    "test_*.py",
    "*_test.py",
    "conftest.py",
    "requirements*.txt",
    "*.db",
    "*.db-*",
    "*.sqlite*",
    "*.env",
    "*.pem",
    "*.key",
    "node_modules",
    "venv",
)
"""Files and folders that are shipped only if a module imports them: hidden ones such as `.env`, tests, local databases, keys."""
NOT_OF_THE_APP = frozenset({"persisty", "persisty_cdk", "persisty_lambdas"})
"""Packages that are not files of the app. Functions have persisty in a layer and the handlers in their own folder, and need no CDK."""
_DOTTED = re.compile(r"[A-Za-z_]\w*(\.\w+)+")


def app_files(root: Path, modules: Iterable[str], extra: Iterable[str] = ()) -> tuple[Path, ...]:
    """Return the files below `root` to ship, relative to it and sorted.

    `modules`: the modules that a function loads, of the app and of its actions. `extra`: further files, relative to `root`. `InvalidDeclaration` if
    the app's module is not below `root`.
    """
    files: set[Path] = set()
    pending, seen = list(modules), set[str]()
    # next to an installed app are the libraries that it requires; the layers have them
    tops = {name.partition(".")[0] for name in pending} if any(root.glob("*.dist-info")) else None
    if pending and _file(root, pending[0]) is None:
        raise InvalidDeclaration(
            f"The module {pending[0]} is not below {root}, from where the code of functions is shipped"
        )
    while pending:
        name = pending.pop()
        file = None if name in seen or not _shipped(name, tops) else _file(root, name)
        seen.add(name)
        if file is None:
            continue
        pending += [name.rpartition(".")[0]] if "." in name else []
        for one in (file, *_package_files(root, file)):
            if one not in files:
                files.add(one)
                if one.suffix == ".py":
                    pending += _imported(root, one)
    return tuple(sorted(one.relative_to(root) for one in (*files, *(root / name for name in extra))))


def _shipped(name: str, tops: Collection[str] | None) -> bool:
    """Return whether a module may belong to the app. `tops`: the top packages of an installed app."""
    top = name.partition(".")[0]
    return top not in NOT_OF_THE_APP and (tops is None or top in tops)


def _file(root: Path, name: str) -> Path | None:
    """Return the file of a module: its own, or that of a package. A package without `__init__.py` has none."""
    path = root.joinpath(*name.split("."))
    return next((file for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file()), None)


def _package_files(root: Path, file: Path) -> Iterator[Path]:
    """Return the modules and data files of a module's package. For a top-level module, only the module is shipped, because the other files next to it may not belong to the app."""
    if file.parent == root:
        return
    for one in file.parent.iterdir():
        if not _is_excluded(one.name):
            if one.is_file():
                yield one
            elif not any(one.rglob("*.py")):
                yield from (data for data in one.rglob("*") if data.is_file() and _clean(data.relative_to(one)))


def _clean(path: Path) -> bool:
    return not any(map(_is_excluded, path.parts))


def _is_excluded(name: str) -> bool:
    return any(fnmatch(name, pattern) for pattern in EXCLUDED)


def _imported(root: Path, file: Path) -> Iterator[str]:
    """Return the names that a module may import. Names that are not modules of the app are dropped later."""
    parts = file.relative_to(root).with_suffix("").parts
    package = parts[:-1]
    top = f"{parts[0]}."
    for node in ast.walk(ast.parse(file.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            base = ".".join((*above, *([node.module] if node.module else [])))
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Constant) and isinstance(text := node.value, str):
            yield from [text] if text.startswith(top) and _DOTTED.fullmatch(text) else []


def app_root(spec: str) -> Path:
    """Return the folder from which the app at `spec`, `module:attribute`, is imported. Return the working directory if the app is not found."""
    place = module_place(top_name(spec))
    if place is None:
        return Path.cwd()
    return place.parents[1] if place.name == "__init__.py" else place.parent


def top_name(spec: str) -> str:
    """Return the name of the app's top package, or of its single module."""
    return spec.partition(":")[0].partition(".")[0]


def module_place(name: str) -> Path | None:
    """Return the file of a module or package, or `__init__.py` of a package without one. Nothing is imported."""
    found = find_spec(name)
    if found is None:
        return None
    if found.origin:
        return Path(found.origin).resolve()
    folders = [*(found.submodule_search_locations or ())]
    return Path(folders[0]).resolve() / "__init__.py" if folders else None
