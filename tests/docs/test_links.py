"""The examples of docs/links.md run in order and have the shown output."""

from __future__ import annotations

import contextlib
import io
import json
import re
from typing import Any

from persisty.api.graphql.hosted.endpoint import GraphqlEndpoint
from persisty.api.http.messages import Request
from persisty.api.rest.endpoint import Rest

from .test_docs import blocks

PAGE = "docs/links.md"


def test_the_examples_of_the_page_run() -> None:
    declaration, loading, filtering, deleting, batches = blocks(PAGE, "python")
    shown = blocks(PAGE, "")
    scope: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(declaration, PAGE, "exec", dont_inherit=True), scope)
    assert [_printed(loading, scope), _printed(filtering, scope)] == shown[:2]
    [console] = blocks(PAGE, "console")
    calls = re.findall(r"^\$ (GET|POST) (\S+) ?(.*)\n(.*)$", console, re.MULTILINE)
    assert len(calls) == 2
    for method, url, query, answer in calls:
        path, _, parameters = url.partition("?")
        handle = GraphqlEndpoint(scope["app"]).handle if path == "/graphql" else Rest(scope["app"]).handle
        body = json.dumps({"query": query}).encode() if query else b""
        headers = {"content-type": "application/json"}
        assert handle(Request(method, path, parameters, headers, body)).body.decode() == answer
    assert [_printed(deleting, scope), _printed(batches, scope)] == shown[2:4]


def _printed(code: str, scope: dict[str, Any]) -> str:
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(code, PAGE, "exec", dont_inherit=True), scope)
    return out.getvalue()
