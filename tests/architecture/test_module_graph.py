"""The graph of modules: no import cycle in `persisty`, and no import between packages of `api/` that must not depend on each other.

Every import counts: inside functions, under `TYPE_CHECKING`, and by name through `import_module` and `deferred`.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from persisty.deferred import DEFERRED

ROOT = Path(__file__).parents[2]
BY_NAME = {"import_module", "deferred"}
"""Functions that import the module whose name they are given."""

Graph = dict[str, set[str]]


@cache
def modules() -> dict[str, ast.Module]:
    found = {}
    for path in sorted((ROOT / "persisty").rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found[name] = ast.parse(path.read_text())
    return found


def is_package(name: str) -> bool:
    return (ROOT / name.replace(".", "/")).is_dir()


def imports(name: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield each module that a module imports, with the names that it imports from it."""
    package = name.split(".") if is_package(name) else name.split(".")[:-1]
    for node in ast.walk(modules()[name]):
        match node:
            case ast.Import(names=names):
                yield from ((one.name, ()) for one in names)
            case ast.ImportFrom(module=module, names=names, level=level):
                base = package[: len(package) - level + 1] if level else []
                yield ".".join([*base, *([module] if module else [])]), tuple(one.name for one in names)
            case ast.Call(func=ast.Name(id=function), args=[ast.Constant(value=str(module)), *_]) if (
                function in BY_NAME
            ):
                yield module, ()


@cache
def graph() -> Graph:
    known = modules()
    found: Graph = {name: set() for name in known}
    for name in known:
        for module, taken in imports(name):
            below = {f"{module}.{one}" for one in taken} & known.keys()
            found[name] |= below
            if module in known and (below != {f"{module}.{one}" for one in taken} or not taken):
                found[name].add(module)
        found[name].discard(name)
    return found


def circles(arrows: Graph) -> list[list[str]]:
    """Return the strongly connected components of more than one module (Tarjan)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(name: str) -> None:
        index[name] = low[name] = len(index)
        stack.append(name)
        for other in sorted(arrows[name]):
            if other not in index:
                visit(other)
                low[name] = min(low[name], low[other])
            elif other in stack:
                low[name] = min(low[name], index[other])
        if low[name] == index[name]:
            component = [stack.pop()]
            while component[-1] != name:
                component.append(stack.pop())
            if len(component) > 1:
                found.append(sorted(component))

    for name in sorted(arrows):
        if name not in index:
            visit(name)
    return found


UPWARD: dict[tuple[str, str], str] = {}
"""Arrows from a lower layer to a higher one, by name and late: (module, imported module) → why."""


def test_there_is_no_import_cycle() -> None:
    arrows = {name: {one for one in others if (name, one) not in UPWARD} for name, others in graph().items()}
    assert circles(arrows) == []


def test_an_import_cycle_is_found() -> None:
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == [["b", "c"]]


APART: dict[str, tuple[str, ...]] = {
    "persisty.api.http": (
        "persisty.store", "persisty.application", "persisty.api.rest", "persisty.api.openapi", "persisty.api.graphql",
    ),
    "persisty.api.rest": ("persisty.api.graphql",),
    "persisty.api.openapi": ("persisty.api.graphql",),
    "persisty.api.graphql.hosted": ("persisty.api.graphql.appsync",),
    "persisty.api.graphql.appsync": ("persisty.api.graphql.hosted",),
    "persisty.api.graphql": ("persisty.api.rest", "persisty.api.openapi", "persisty.hosting", "persisty.deploy"),
}  # fmt: skip
"""Package → the packages that none of its modules imports."""

CORE = ("persisty.api.graphql.hosted", "persisty.api.graphql.appsync")
"""The shared core of GraphQL, the modules of `api/graphql/` itself, imports neither."""


def within(module: str, package: str) -> bool:
    return module == package or module.startswith(package + ".")


@pytest.mark.parametrize("package", APART)
def test_packages_of_the_surfaces_do_not_import_each_other(package: str) -> None:
    wrong = [
        f"{name} imports {other}"
        for name, others in graph().items()
        if within(name, package)
        for other in sorted(others)
        if any(within(other, one) for one in APART[package])
    ]
    assert not wrong, "\n".join(wrong)


def test_the_shared_core_of_graphql_imports_neither_of_its_hosts() -> None:
    wrong = [
        f"{name} imports {other}"
        for name, others in graph().items()
        if within(name, "persisty.api.graphql") and not any(within(name, one) for one in CORE)
        for other in sorted(others)
        if any(within(other, one) for one in CORE)
    ]
    assert not wrong, "\n".join(wrong)


def test_every_deferred_import_is_a_row_of_the_table() -> None:
    asked = {
        str(node.args[0].value)
        for tree in modules().values()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "deferred"
        and isinstance(node.args[0], ast.Constant)
    }
    assert asked == DEFERRED.keys()
    assert DEFERRED.keys() <= modules().keys()


def test_persistys_own_modules_are_imported_by_name_in_no_other_place() -> None:
    """`import_module` is used only for a name from outside: a table, an address, a declaration."""
    places = {
        f"{name}: {module}" for name in modules() for module, _ in _by_import_module(name) if within(module, "persisty")
    }
    assert places == set()


def _by_import_module(name: str) -> Iterator[tuple[str, int]]:
    for node in ast.walk(modules()[name]):
        match node:
            case ast.Call(func=ast.Name(id="import_module"), args=[ast.Constant(value=str(module)), *_]):
                yield module, node.lineno
