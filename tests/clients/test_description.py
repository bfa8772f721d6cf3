"""Clients offer exactly the operations of the app, and the same text each time."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import get_args

import pytest

from persisty import App, public, stored
from persisty.api.actions import operations
from persisty.api.batch_edits import EDITS
from persisty.api.operations import MultiStoreOperation, StoreOperation
from persisty.api.store_operations import OFFERS
from persisty.application import load_app
from persisty.cli.client import WRITERS
from persisty.clients import python_methods, python_types, typescript_methods, typescript_types
from persisty.clients.description import BEHIND, OPERATORS_OF, describe
from persisty.clients.python import python_client
from persisty.clients.typescript import typescript_client
from persisty.model.links import LinkKind
from persisty.model.types import OPERATORS, Kind
from persisty.model.update_operators import JSON_OPERATORS
from persisty.model.verbs import VERBS
from persisty.naming import camel

from ..hosting.test_identity import environment
from .conftest import APPS, ROOT

REST = {"include", "fields", "if_match", "self"}
"""Parameters of methods that only REST has."""
BESIDE = {"search": {"search_all", "export"}, "read": {"read_tagged"}}
"""Methods that are made of the same verb."""


def methods(text: str) -> dict[str, dict[str, set[str]]]:
    """Return class → method → parameters of the Python client. The parameters of overloads are joined."""
    found: dict[str, dict[str, set[str]]] = {}
    for one in ast.parse(text).body:
        if isinstance(one, ast.ClassDef):
            for function in one.body:
                if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                    given = {given.arg for given in (*function.args.args, *function.args.kwonlyargs)}
                    found.setdefault(one.name, {}).setdefault(function.name, set()).update(given)
    return found


def owner(text: str, store: str, made: str) -> str:
    """Return the class of a store in the client."""
    [found] = re.findall(made.format(store=rf"{store}_?"), text)
    return str(found)


@pytest.mark.parametrize("name", APPS)
def test_every_operation_is_a_method_with_its_parameters_and_there_is_no_other(name: str) -> None:
    app = load_app(APPS[name])
    python, typescript = python_client(app, name), typescript_client(app, name)
    classes, described = methods(python), describe(app)
    expected: dict[str, set[str]] = {}
    for operation in operations(app).values():
        if isinstance(operation, MultiStoreOperation):
            for prefix in ("", "Async"):
                asked = {parameter.name for parameter in operation.parameters}
                assert classes[prefix + described.name][operation.name] - REST == asked
            assert re.search(rf"^  async {camel(operation.name)}[(<]", typescript, re.MULTILINE)
            continue
        of_store = isinstance(operation, StoreOperation)
        store, method = (operation.meta.name, operation.verb) if of_store else ("actions", operation.name)
        asked = {parameter.name for parameter in operation.parameters}
        if of_store and not described.stores[store].text:
            asked.discard("query")
        for prefix in ("", "Async"):
            made = rf"self\.{{store}} = ({prefix}\w*{'Store' if of_store else 'Actions'})\(self\._transport\)"
            called = owner(python, store, made) if prefix else owner(python.partition("class Async")[0], store, made)
            expected.setdefault(called, {"__init__"}).update({method, *BESIDE.get(method, ())})
            assert classes[called][method] - REST == asked, f"{called}.{method}"
        called = owner(typescript, store, rf"this\.{{store}} = new (\w*{'Store' if of_store else 'Actions'})\(")
        body = re.search(rf"^export class {called} {{\n(.*?)^}}\n", typescript, re.DOTALL | re.MULTILINE)
        assert body is not None
        spelled = camel(method) if of_store else method
        assert re.search(rf"^  (?:async )?{spelled}[(<]", body[1], re.MULTILINE), f"{called}.{spelled}"
    assert {called: set(classes[called]) for called in classes if called.endswith(("Store", "Actions"))} == expected


def test_searches_in_typescript_have_the_parameters_of_the_operation() -> None:
    text = typescript_client(load_app(APPS["shop"]), "shop")
    searching = re.search(r"^export interface Searching<.*?{\n(.*?)^}", text, re.DOTALL | re.MULTILINE)
    assert searching is not None
    assert re.findall(r"^  (\w+)\?:", searching[1], re.MULTILINE) == [one.name for one in OFFERS["search"].parameters]


@pytest.mark.parametrize("methods", [python_methods.METHODS, typescript_methods.METHODS])
def test_every_verb_has_its_methods(methods: dict[str, object]) -> None:
    assert methods.keys() == VERBS.keys()


@pytest.mark.parametrize("types", [python_types, typescript_types])
def test_every_word_of_edits_changes_and_operators_has_a_type(types: object) -> None:
    assert types.EDITS.keys() == EDITS.keys()  # type: ignore[attr-defined]
    assert types.CHANGES.keys() == JSON_OPERATORS.keys()  # type: ignore[attr-defined]
    kinds_alike = {frozenset(one for one, kinds in OPERATORS.items() if kind in kinds) for kind in Kind}
    assert len(kinds_alike) == len(OPERATORS_OF)


def test_the_links_of_every_kind_are_described() -> None:
    assert BEHIND.keys() == set(get_args(LinkKind))


@pytest.mark.parametrize("language", WRITERS)
def test_the_same_app_gives_the_same_text_in_every_process(language: str) -> None:
    command = [sys.executable, "-m", "persisty", "client", language, APPS["museum"]]
    texts = {
        subprocess.run(
            command, cwd=ROOT, env={**environment(), "PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in ("1", "2")
    }
    assert len(texts) == 1
    [text] = texts
    assert text.splitlines()[0].count(b"client " + language.encode() + b" " + APPS["museum"].encode()) == 1


def test_the_command_writes_a_file_or_reports_why_it_cannot(tmp_path: Path) -> None:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "persisty", "client", *arguments]
        return subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True, check=False)

    out = tmp_path / "client.ts"
    assert run("typescript", APPS["shop"], "--out", str(out)).stdout == ""
    assert out.read_text(encoding="utf-8") == typescript_client(load_app(APPS["shop"]), APPS["shop"])
    refused = run("python", APPS["shop"], "--out", str(tmp_path))
    assert (refused.returncode, refused.stderr) == (1, f"Error: cannot write {tmp_path}: Is a directory\n")
    nowhere = run("python")
    assert (nowhere.returncode, nowhere.stdout) == (2, "")
    assert "PERSISTY_APP" in nowhere.stderr
    assert run("cobol", APPS["shop"]).returncode == 2


def test_posts_are_repeated_only_if_the_server_recognizes_repetitions() -> None:
    @stored(access=public)
    class Note:
        id: str

    for kept, told in ((True, "True"), (False, "False")):
        app = App("notes", items=[Note], url="memory://", idempotency=timedelta(days=1) if kept else None)
        assert f"\n_REPLAYED = {told}\n" in python_client(app, "notes")
        assert f"\nconst REPLAYED: boolean = {told.lower()};\n" in typescript_client(app, "notes")


def test_descriptions_are_copied_into_clients() -> None:
    app = load_app(APPS["museum"])
    python, typescript = python_client(app, "museum"), typescript_client(app, "museum")
    for text in ("Cut, and not painted.", "What is given, the other way round.", "Only if the item matches"):
        assert text in python
        assert text in typescript
