"""The verbs are in one table, `persisty/model/verbs.py`. Tables of other modules are keyed by it and complete."""

from __future__ import annotations

import ast
from collections.abc import Callable, Collection, Iterator
from importlib import import_module
from pathlib import Path

import pytest

from persisty.api import servey
from persisty.api.graphql import result_types
from persisty.api.store_operations import OFFERS
from persisty.model.access import Access
from persisty.model.verbs import VERBS, Verb

ROOT = Path(__file__).parents[2]
TABLE = ROOT / "persisty/model/verbs.py"
SUITES = ROOT / "persisty/testing"
"""Tests: they state what they expect."""


def every(verb: Verb) -> bool:
    return True


def edited(verb: Verb) -> bool:
    """Return whether the verb can be an edit of a batch."""
    return any(verb.name in one.edits for one in VERBS.values())


def gives(verb: Verb) -> bool:
    return verb.sets is not None


def with_body(verb: Verb) -> bool:
    return verb.sets is not None or bool(verb.edits)


def with_content(verb: Verb) -> bool:
    return verb.name != "delete"


TABLES: dict[str, Callable[[Verb], bool]] = {
    "persisty.api.batch_edits:EDITS": edited,
    "persisty.api.graphql.resolvers:BODIES": gives,
    "persisty.api.graphql.store_inputs:EDIT_BODIES": edited,
    "persisty.api.openapi.cache_headers:WRITES": edited,
    "persisty.api.openapi.store_routes:ROUTES": every,
    "persisty.api.openapi.examples:RESPONSES": with_content,
    "persisty.api.openapi.examples:BODIES": with_body,
    "persisty.api.openapi.responses:REFUSALS": every,
    "persisty.api.rest.handlers:HANDLERS": every,
    "persisty.api.store_operations:OFFERS": every,
    "persisty.clients.python_methods:METHODS": every,
    "persisty.clients.python_types:EDITS": edited,
    "persisty.clients.typescript_methods:METHODS": every,
    "persisty.clients.typescript_types:EDITS": edited,
    "persisty.deploy.grants:BATCH_ACTIONS": edited,
    "persisty.deploy.grants:UNIQUE_ACTIONS": edited,
    "persisty.deploy.grants:VERB_ACTIONS": every,
    "persisty.triggers.changes:KINDS": edited,
}
"""Table → the verbs that must be its keys. A new verb fails here wherever a table lacks it; a new table is added here."""

SHAPES = {
    "persisty/api/graphql/store_inputs.py:PARAMETERS",
    "persisty/api/graphql/resolvers.py:GIVEN",
    "persisty/api/openapi/examples.py:edits",
    "persisty/api/openapi/schemas.py:_edits",
    "persisty/api/servey.py:SHAPES",
    "persisty/backends/sql/statements.py:KINDS",
}
"""Dictionaries with such keys that are not tables of verbs: shapes of parameters, the members of an edit, kinds of statements."""


@pytest.mark.parametrize("table", TABLES)
def test_a_table_of_verbs_has_each_verb_that_it_needs_and_no_other(table: str) -> None:
    module, _, name = table.partition(":")
    keys: Collection[str] = getattr(import_module(module), name)
    assert set(keys) == {verb.name for verb in VERBS.values() if TABLES[table](verb)}


def _named(node: ast.expr | None) -> set[str]:
    return {node.value} if isinstance(node, ast.Constant) and isinstance(node.value, str) else set()


def _collections(tree: ast.AST) -> Iterator[tuple[ast.expr, set[str]]]:
    """Yield every literal collection with its texts, or the keys of a dictionary."""
    for node in ast.walk(tree):
        parts = node.keys if isinstance(node, ast.Dict) else getattr(node, "elts", None)
        if isinstance(parts, list) and isinstance(node, ast.expr):
            yield node, {text for part in parts for text in _named(part)}


def _owner(tree: ast.Module, line: int) -> str:
    """Return the name that is assigned, or the function that is defined, around a line."""
    found = ""
    for node in ast.walk(tree):
        if isinstance(node, ast.stmt) and node.lineno <= line <= (node.end_lineno or node.lineno):
            match node:
                case ast.FunctionDef(name=name):
                    found = name
                case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                    found = found or name
    return found


def test_no_other_module_lists_verbs() -> None:
    tables = {f"{one.partition(':')[0].replace('.', '/')}.py:{one.partition(':')[2]}" for one in TABLES}
    strangers = []
    for path in sorted((ROOT / "persisty").rglob("*.py")):
        if path == TABLE or path.is_relative_to(SUITES):
            continue
        tree = ast.parse(path.read_text())
        for node, texts in _collections(tree):
            if len(texts) < 2 or not len(texts & VERBS.keys()) >= 2:
                continue
            where = f"{path.relative_to(ROOT)}:{_owner(tree, node.lineno)}"
            if not isinstance(node, ast.Dict) or where not in tables | SHAPES:
                strangers.append(f"{where} (line {node.lineno}): {sorted(texts)}")
    assert not strangers, (
        "\n".join(strangers) + "\n" + "derive it from persisty.model.verbs.VERBS, or add the table to TABLES"
    )


def test_access_has_a_rule_for_each_verb() -> None:
    assert set(Access.__struct_fields__) == VERBS.keys()


@pytest.mark.parametrize("table", [result_types.RESULTS, servey.RESULTS], ids=["GraphQL", "servey"])
def test_each_shape_of_result_has_a_type(table: Collection[str]) -> None:
    assert {row.result for row in OFFERS.values()} <= set(table)


def test_verbs_refer_to_verbs() -> None:
    for name, verb in VERBS.items():
        assert name == verb.name
        assert {*verb.edits, *({verb.rule_of} - {None}), *({verb.checks} - {None})} <= VERBS.keys(), name
        assert (verb.checks is None) is bool(verb.edits), (
            f"{name}: a verb is decided by a rule, or by those of its edits"
        )
