"""The JavaScript of the resolvers, run by Node: the events that they send to the function, and the sources of links."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from stacks.constructs.resolvers import CODE, LINK, joined

STUB = """
export const util = {
  error: (message, type, data, info) => { throw { error: { message, type, info } }; },
  appendError: (message, type, data, info) => { added.push({ message, type, info }); },
};
export const runtime = { earlyReturn: (value) => { throw { early: value ?? null }; } };
export const extensions = { setSubscriptionFilter: () => {} };
export const added = [];
"""
RUN = """
import * as resolver from "./resolver.mjs";
import { added } from "./utils.mjs";
import { readFileSync } from "node:fs";
const answers = JSON.parse(readFileSync(0, "utf8")).map(([step, context]) => {
  added.length = 0;
  try { return { value: resolver[step](context) ?? null, added: [...added] }; } catch (thrown) {
    if (thrown instanceof Error) { throw thrown; }
    return thrown;
  }
});
process.stdout.write(JSON.stringify(answers));
"""
INFO = {
    "fieldName": "letters", "parentTypeName": "Person", "selectionSetGraphQL": "{ cursor }", "selectionSetList": ["cursor"],
    "variables": {"n": 1},
}  # fmt: skip
REQUEST = {
    "fieldName": "letters", "arguments": {}, "selectionSetGraphQL": "{ cursor }", "selectionSetList": ["cursor"], "variables": {"n": 1},
    "identity": {"sub": "ann"}, "request": {"headers": {"authorization": "Bearer x"}},
}  # fmt: skip


def context(source: Any = None, arguments: Any = None, **more: Any) -> dict[str, Any]:
    headers = {"authorization": "Bearer x", "x-forwarded-for": "1.2.3.4"}
    known = {"info": INFO, "identity": {"sub": "ann"}, "request": {"headers": headers}}
    return {**known, "source": source, "arguments": {} if arguments is None else arguments, **more}


def run(kind: str, folder: Path, *steps: tuple[str, dict[str, Any]]) -> list[Any]:
    """Return the results of a resolver's steps."""
    (folder / "utils.mjs").write_text(STUB)
    (folder / "run.mjs").write_text(RUN)
    (folder / "resolver.mjs").write_text(joined(CODE[kind]).replace("@aws-appsync/utils", "./utils.mjs"))
    given = json.dumps(steps)
    done = subprocess.run(["node", folder / "run.mjs"], input=given, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: list[Any] = json.loads(done.stdout)
    return found


PAGE = {"cursor": None}
STORED: list[tuple[dict[str, Any], dict[str, Any], Any]] = [
    ({"letters": PAGE}, {}, PAGE),
    ({"letters": PAGE}, {"limit": 3}, PAGE),
    ({"letters": None}, {}, None),
    ({"letters": 0}, {}, 0),
    ({"letters": PAGE, "letters()": {}}, {}, PAGE),
    ({"letters": PAGE, "letters()": {"limit": "3"}}, {"limit": 3}, PAGE),
    (
        {"letters": PAGE, "letters()": {"where": '{"text":{"ne":"é"}}', "order": '["text_asc"]'}},
        {"order": ["text_asc"], "where": {"text": {"ne": "é"}}},
        PAGE,
    ),
    ({"letters": PAGE, "letters()": {"limit": "null"}}, {"limit": None}, PAGE),
]
"""(object, arguments, expected value)."""
UNBATCHED: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({":letters": '"x"'}, {}),
    ({":letters": '"x"', "notes": PAGE}, {"limit": 1}),
    ({":letters": '"x"', "letters": PAGE, "letters()": {"limit": "3"}}, {"limit": 4}),
    ({":letters": '"x"', "letters": PAGE, "letters()": {"limit": "3"}}, {}),
    ({":letters": '"x"', "letters": PAGE, "letters()": {}}, {"limit": 3}),
    ({":letters": '"x"', "letters": PAGE, "letters()": {"limit": "3"}}, {"limit": 3, "cursor": None}),
    ({":letters": '"x"', "letters": PAGE, "letters()": {"limit": "3"}}, {"first": 3}),
]


def test_a_link_is_taken_from_its_object_if_loaded_for_these_arguments(tmp_path: Path) -> None:
    found = run(LINK, tmp_path, *(("request", context(source, arguments)) for source, arguments, _ in STORED))
    assert found == [{"early": value} for _, _, value in STORED]


def test_a_link_that_is_not_loaded_is_requested_in_a_batch_by_its_source_value(tmp_path: Path) -> None:
    found = run(LINK, tmp_path, *(("request", context(source, arguments)) for source, arguments in UNBATCHED))
    expected = [
        {**REQUEST, "arguments": arguments, "typeName": "Person", "source": '"x"'} for _, arguments in UNBATCHED
    ]
    assert [one["value"] for one in found] == [{"operation": "BatchInvoke", "payload": one} for one in expected]


@pytest.mark.parametrize("kind", ["Query", "Mutation", "Subscription"])
def test_a_root_field_is_one_invocation(tmp_path: Path, kind: str) -> None:
    [found] = run(kind, tmp_path, ("request", context()))
    assert found["value"] == {"operation": "Invoke", "payload": REQUEST}


@pytest.mark.parametrize("kind", ["Query", LINK])
def test_envelopes_become_results_and_errors(tmp_path: Path, kind: str) -> None:
    below = {"message": "m", "code": "forbidden", "info": {"path": ["a"]}}
    results = [{"data": PAGE}, {"data": None}, {"error": {**below, "code": "x"}}, {"data": 1, "errors": [below, below]}]
    steps = [("response", context(result=one)) for one in results]
    found = run(kind, tmp_path, *steps, ("response", context(error={"message": "gone", "type": "Lambda:Unhandled"})))
    added = {"message": "m", "type": "forbidden", "info": {"path": ["a"]}}
    assert found == [
        {"value": PAGE, "added": []},
        {"value": None, "added": []},
        {"error": {"message": "m", "type": "x", "info": {"path": ["a"]}}},
        {"value": 1, "added": [added, added]},
        {"error": {"message": "gone", "type": "Lambda:Unhandled"}},
    ]


@pytest.mark.parametrize("kind", CODE)
def test_the_code_uses_only_syntax_that_appsync_supports(kind: str) -> None:
    code = joined(CODE[kind])
    assert len(code.encode()) < 32_768
    lines = [line for line in code.splitlines() if line]
    imports = [line for line in lines if line.startswith("import ")]
    assert lines[: len(imports)] == imports
    # syntax that the APPSYNC_JS runtime lacks
    assert not re.search(r"\b(throw|try|class|while|async|await|new)\b|\+\+|--|for \(let", code.replace("//", ""))
