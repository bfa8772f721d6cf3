"""The import rules. The order of `LAYERS` is the architecture, which docs/architecture.md explains."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

LAYERS: tuple[frozenset[str], ...] = (
    frozenset({"backoff", "errors", "naming"}),
    frozenset({"settings"}),
    frozenset({"deferred", "drivers"}),
    frozenset({"model"}),
    frozenset({"query"}),
    frozenset({"security"}),
    frozenset({"store"}),
    frozenset({"aws"}),
    frozenset({"backends", "triggers"}),
    frozenset({"application"}),
    frozenset({"api"}),
    frozenset({"clients", "deploy", "hosting", "testing", "transfer"}),
    frozenset({"local"}),
    frozenset({"cli"}),
    frozenset({"__main__"}),
)
"""A module imports from its own layer's package and from layers above its row in this table, never from below."""

RANK = {part: rank for rank, layer in enumerate(LAYERS) for part in layer}
DRIVERS = {
    "sqlalchemy",
    "sqlite3",
    "psycopg",
    "boto3",
    "botocore",
    "redis",
    "starlette",
    "uvicorn",
    "graphql",
    "servey",
}
DRIVERLESS = ("errors", "naming", "settings", "model", "query", "security", "store", "application")
PLANS = (None, "deploy", "naming", "errors")
"""Parts that stacks may import."""
SUITES = tuple(ROOT / "persisty" / "testing" / name for name in ("conformance", "roles"))
"""Tests, though an engine's author imports them: they assert, and they use the public names."""
LAZY = {
    ("persisty/aws/credentials.py", "botocore"): "credential chain, only where the environment has none",
}
"""Function-local imports that are allowed: (file, imported top module) → why. Anything else is at the top of its module."""


TEMPLATES = ROOT / "persisty/cli/templates"
"""Projects of their own, which `persisty init` writes. Their own tests and tests/unit/cli/test_init.py check them."""


def _sources(*folders: str) -> list[Path]:
    found = (path for folder in folders for path in (ROOT / folder).rglob("*.py"))
    return sorted(path for path in found if not path.is_relative_to(TEMPLATES))


def _name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _package(path: Path) -> list[str]:
    parts = list(path.relative_to(ROOT).with_suffix("").parts)
    return parts[:-1]


def _imports(path: Path, tree: ast.AST) -> Iterator[tuple[str, ast.stmt]]:
    """Return every absolute name that the module imports, `from x import y` as x."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            package = _package(path)
            base = package[: len(package) - node.level + 1] if node.level else []
            target = ".".join([*base, *([node.module] if node.module else [])])
            if node.module is None:
                yield from ((f"{target}.{alias.name}", node) for alias in node.names)
            else:
                yield target, node


def _part(module: str) -> str | None:
    """Return the layer of a module: `persisty.store.backend` → `store`."""
    first, _, rest = module.partition(".")
    return rest.partition(".")[0] if first == "persisty" and rest else None


def test_every_layer_exists() -> None:
    assert sorted(part for part in RANK if not list((ROOT / "persisty").glob(f"{part}*"))) == []


@pytest.mark.parametrize("path", _sources("persisty"), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_imports_only_from_layers_before_its_own(path: Path) -> None:
    own = _part(_name(path))
    if own is None:
        return  # persisty/__init__.py gathers the public names
    assert own in RANK, f"persisty.{own} has no place in LAYERS"
    for module, node in _imports(path, ast.parse(path.read_text())):
        other = _part(module)
        if other is not None and other != own:
            assert other in RANK, f"persisty.{other} has no place in LAYERS"
            assert RANK[other] < RANK[own], f"{path}:{node.lineno}: {own} must not import {other}"
        assert module != "persisty" or any(map(path.is_relative_to, SUITES)), (
            f"{path}:{node.lineno}: import the module, not the package's public names"
        )


@pytest.mark.parametrize("path", _sources("persisty/backends"), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_backend_imports_no_other_backend(path: Path) -> None:
    own = path.relative_to(ROOT / "persisty/backends").parts[0].removesuffix(".py")
    for module, node in _imports(path, ast.parse(path.read_text())):
        if module.startswith("persisty.backends."):
            assert module.split(".")[2] == own, f"{path}:{node.lineno}: backends do not import each other"


@pytest.mark.parametrize("path", _sources("persisty"), ids=lambda path: str(path.relative_to(ROOT)))
def test_the_core_imports_no_driver_and_nothing_imports_aws_cdk(path: Path) -> None:
    for module, node in _imports(path, ast.parse(path.read_text())):
        top = module.partition(".")[0]
        assert top not in {"aws_cdk", "constructs", "stacks", "lambdas"}, f"{path}:{node.lineno}: {module}"
        if _part(_name(path)) in DRIVERLESS:
            assert top not in DRIVERS, f"{path}:{node.lineno}: {module}"


def test_stacks_import_the_plan_and_lambdas_import_persisty_only() -> None:
    for path in _sources("stacks"):
        for module, node in _imports(path, ast.parse(path.read_text())):
            assert module.partition(".")[0] != "lambdas", f"{path}:{node.lineno}: {module}"
            assert _part(module) in PLANS, f"{path}:{node.lineno}: {module}"
    for path in _sources("lambdas"):
        for module, node in _imports(path, ast.parse(path.read_text())):
            assert module.partition(".")[0] not in {"aws_cdk", "constructs", "stacks"}, (
                f"{path}:{node.lineno}: {module}"
            )


@pytest.mark.parametrize(
    "path", _sources("persisty", "stacks", "lambdas"), ids=lambda path: str(path.relative_to(ROOT))
)
def test_imports_are_at_the_top(path: Path) -> None:
    tree = ast.parse(path.read_text())
    inside = {
        node
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for node in ast.walk(function)
        if isinstance(node, ast.Import | ast.ImportFrom)
    }
    where = str(path.relative_to(ROOT))
    for module, node in _imports(path, tree):
        if node in inside:
            assert (where, module.partition(".")[0]) in LAZY, f"{where}:{node.lineno}: imports {module} in a function"


@pytest.mark.parametrize(
    "path", _sources("persisty", "stacks", "lambdas"), ids=lambda path: str(path.relative_to(ROOT))
)
def test_a_module_has_a_docstring_stays_short_and_never_asserts_on_input(path: Path) -> None:
    text = path.read_text()
    tree = ast.parse(text)
    assert ast.get_docstring(tree), f"{path} has no docstring"
    assert text.count("\n") <= 500, f"{path} is two modules"
    asserts = [node.lineno for node in ast.walk(tree) if isinstance(node, ast.Assert)]
    assert not asserts or any(map(path.is_relative_to, SUITES)), f"{path} asserts"


def test_only_settings_reads_the_environment() -> None:
    readers = [
        str(path.relative_to(ROOT))
        for path in _sources("persisty", "lambdas", "stacks")
        if re.search(r"\b(environb?|getenvb?)\b", path.read_text())
    ]
    assert [one for one in readers if one != "persisty/settings.py"] == []


def test_no_package_uses_paths_outside_itself() -> None:
    """An installed package has another folder and another name."""
    found = [
        str(path)
        for path in _sources("persisty", "lambdas", "stacks")
        if re.search(r"__file__.*\bparents?\b.*(\bparent\b|\bparents\b)|__file__.*\bparents\b", path.read_text())
    ]
    assert found == []


def test_no_tracked_file_names_a_path_of_this_machine() -> None:
    marks = ("/" + "work/", "/" + "root/", "../" + "shared")
    files = [*_sources("persisty", "stacks", "lambdas", "examples"), *ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]
    assert [str(path) for path in files if any(mark in path.read_text() for mark in marks)] == []
