"""The examples of the documentation run and have the shown output."""

from __future__ import annotations

import contextlib
import doctest
import io
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest

from examples.messenger.app import Message, User
from persisty import ANONYMOUS, App, Caller, InvalidQuery
from persisty.api.graphql.hosted.endpoint import GraphqlEndpoint
from persisty.api.http.messages import Request, Response
from persisty.api.rest.endpoint import Rest
from persisty.errors import all_errors
from persisty.model.meta import meta_of
from persisty.model.types import OPERATORS
from persisty.query.filter_parsing import filter_of_json, filter_of_parameters
from persisty.query.resolution import resolve_filter

from . import tables

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z")


def blocks(page: str, language: str) -> list[str]:
    text = (ROOT / page).read_text()
    found = re.findall(r"^```(\w*)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    return [code for known, code in found if known == language]


def declared(page: str) -> dict[str, Any]:
    """Return the names that the Python blocks of a page declare, in one module."""
    declaration = "\n".join(blocks(page, "python"))
    scope: dict[str, Any] = {}
    exec(compile(declaration, page, "exec", dont_inherit=True), scope)
    return scope


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_has_a_target(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_the_index_lists_every_page() -> None:
    listed = set(re.findall(r"\]\(([^)#]+)\)", (ROOT / "docs/index.md").read_text()))
    assert {page.name for page in ROOT.glob("docs/*.md")} - {"index.md"} <= listed


ANN = Caller("d174c8d5-155b-5725-b741-fb94ebb81cdd")
"""The caller of the README's `$TOKEN`."""


def test_the_readmes_declaration_and_verbs_run(tmp_path: Path) -> None:
    declaration, verbs = blocks("README.md", "python")
    checks = "print(store.count(), page.items[0].text, store.read(message.id).text)"
    script = tmp_path / "script.py"
    script.write_text(f"{declaration}\napp.use('memory://')\n{verbs}\n{checks}\n")
    run = subprocess.run([sys.executable, script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (run.stdout, run.stderr) == ("1 Hello, is anybody here? Hello!\n", "")


def test_the_readmes_curl_calls_have_the_shown_responses(messenger: App) -> None:
    rest = Rest(messenger)
    [console] = blocks("README.md", "console")
    calls = re.findall(r"^\$ (curl .*)\n(.*)$", console, re.MULTILINE)
    assert len(calls) == 3
    for command, shown in calls:
        answer = _curl(rest, command)
        assert MOMENT.sub("…", answer.body.decode()) == MOMENT.sub("…", shown)


def _curl(rest: Rest, command: str) -> Response:
    words = shlex.split(command)[1:]
    options = {words[i]: words[i + 1] for i in range(len(words) - 1) if words[i].startswith("-")}
    url = next(word for word in words if word.startswith("localhost:8000"))
    path, _, query = url.removeprefix("localhost:8000").partition("?")
    given = [words[i + 1].partition(": ") for i in range(len(words) - 1) if words[i] == "-H"]
    headers = {name: value for name, _, value in given}
    caller = ANN if headers.get("authorization") == "Bearer $TOKEN" else ANONYMOUS
    return rest.handle(Request(options.get("-X", "GET"), path, query, headers, options.get("-d", "").encode(), caller))


def test_the_readmes_query_has_the_shown_response(messenger: App) -> None:
    [query], [shown] = blocks("README.md", "graphql"), blocks("README.md", "json")
    body = json.dumps({"query": query}).encode()
    request = Request("POST", "/graphql", "", {"content-type": "application/json"}, body, ANN)
    assert json.loads(GraphqlEndpoint(messenger).handle(request).body) == json.loads(shown)


def test_every_error_is_documented() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (\d+) \| (.*) \|$", (ROOT / "docs/errors.md").read_text(), re.MULTILINE)
    expected = [
        (error.code, str(error.status), (error.__doc__ or "").strip().splitlines()[0]) for error in all_errors()
    ]
    assert rows == expected


def test_the_errors_example_prints_what_it_shows(messenger: App) -> None:
    [code], [shown] = blocks("docs/errors.md", "python"), blocks("docs/errors.md", "")
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(code, {"store": messenger.store(Message)})
    assert out.getvalue() == shown


def test_each_operator_means_the_same_in_python_in_urls_and_in_graphql() -> None:
    rows = re.findall(
        r"^\| `(\w+)` \| `(.+?)` \| `(.+?)` \| `(.+?)` \|", (ROOT / "docs/filters.md").read_text(), re.MULTILINE
    )
    assert len(rows) == len(OPERATORS)
    for operator, python, url, graphql in rows:
        item = User if python.startswith("User") else Message
        meta = meta_of(item)
        expected = resolve_filter(meta, eval(python, {"User": User, "Message": Message}))
        quoted = json.loads(re.sub(r"(\w+):", r'"\1":', graphql))
        assert filter_of_parameters(meta, parse_qsl(url)) == expected, operator
        assert filter_of_json(meta, quoted) == expected, operator


@pytest.mark.parametrize("page", tables.TABLES)
def test_the_tables_are_those_of_the_code(page: str) -> None:
    assert tables.renewed(page) == (tables.DOCS / page).read_text(), "python -m tests.docs.tables"


def test_the_examples_of_the_page_about_graphql_run() -> None:
    scope = declared("docs/graphql.md")
    assert scope["found"]["data"]


def test_the_examples_of_filters_run() -> None:
    scope = declared("docs/filters.md")
    consoles = blocks("docs/filters.md", "pycon")
    assert len(consoles) > 8
    for position, console in enumerate(consoles):
        example = doctest.DocTestParser().get_doctest(console, scope, f"filters {position}", None, None)
        report = io.StringIO()
        runner = doctest.DocTestRunner()
        runner.run(example, out=report.write, clear_globs=False)
        assert not runner.failures, report.getvalue()
        scope.update(example.globs)


def test_nested_attributes_text_search_and_changes_work_as_documented() -> None:
    scope = declared("docs/filters.md")
    store, rest, meta = scope["store"], Rest(scope["app"]), meta_of(scope["Parcel"])
    text = (ROOT / "docs/filters.md").read_text()
    [url] = re.findall(r"`(place\.city=\S+)` in a URL", text)
    assert [one.id for one in store.search(filter_of_parameters(meta, parse_qsl(url)))] == ["4"]
    [told, words, *_] = re.findall(r"`(\{\"(?:place|query).*?\})`", text)
    assert filter_of_json(meta, json.loads(told)) != filter_of_json(meta, {})
    [by_url] = re.findall(r"`(query=\S+)` in a URL", text)
    assert filter_of_parameters(meta, parse_qsl(by_url)) == filter_of_json(meta, json.loads(words))
    [changes] = re.findall(r"`(\{\"weight\": \{\"add\".*\})`", text)
    request = Request("PATCH", "/api/parcel/1", "", {"content-type": "application/json"}, changes.encode())
    answer = json.loads(rest.handle(request).body)
    assert (answer["weight"], answer["tags"]) == (6, ["seen"])
    refused = ['{"weight": {"lt": null}}', '{"not": null}', '{"and": [null]}']
    assert all(f"`{one}`" in text and _is_refused(meta, one) for one in refused)


def _is_refused(meta: Any, text: str) -> bool:
    try:
        filter_of_json(meta, json.loads(text))
    except InvalidQuery:
        return True
    return False


def test_the_testing_pages_examples_pass(tmp_path: Path) -> None:
    conftest, test, further, of_triggers, _ = blocks("docs/testing.md", "python")
    (tmp_path / "conftest.py").write_text(conftest + further)
    (tmp_path / "test_shop.py").write_text(test)
    (tmp_path / "test_triggers.py").write_text(of_triggers)
    assert "2 passed" in run_tests_in(tmp_path)


def run_tests_in(folder: Path) -> str:
    """Run the tests of a folder, and return what pytest prints."""
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "--rootdir",
        str(folder),
        str(folder),
    ]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return run.stdout + run.stderr


def test_the_performance_page_shows_the_results_of_the_last_run() -> None:
    results = json.loads((ROOT / "benchmarks/results.json").read_text())
    page = (ROOT / "docs/performance.md").read_text()
    for one in results:
        assert f"| {one['work']} | {one['peer']} | {one['ratio']} |" in page


def test_commands_that_the_pages_name_exist() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for page in PAGES:
        for target in re.findall(r"(?:^|`)make ([a-z]+)", page.read_text(), re.MULTILINE):
            assert re.search(rf"^{target}:", makefile, re.MULTILINE), f"{page.name}: make {target}"
