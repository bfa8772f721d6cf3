"""The examples of docs/rest.md have the shown responses."""

from __future__ import annotations

import re

from persisty.api.openapi.document import document
from persisty.api.rest.endpoint import Rest
from persisty.api.store_operations import OFFERS

from .test_caching import asked, told
from .test_docs import ROOT, blocks, declared

PAGE = "docs/rest.md"


def test_requests_have_the_shown_responses() -> None:
    rest = Rest(declared(PAGE)["app"])
    calls = [
        call
        for console in blocks(PAGE, "console")
        for call in re.findall(r"^\$ (.+)\n((?:[^$].*\n)+)", console, re.MULTILINE)
    ]
    assert len(calls) == 7
    for command, answer in calls:
        assert told(asked(rest, command, {})) == answer.splitlines(), command


def test_the_documented_routes_and_statuses_are_those_of_openapi() -> None:
    rows = re.findall(r"^\| `(\w+) (/api/\S+)` \| .* \| (\d{3}.*) \| (.*) \|", (ROOT / PAGE).read_text(), re.MULTILINE)
    assert {(method, path) for method, path, *_ in rows} == {(verb.method, verb.path) for verb in OFFERS.values()}
    described = document(declared(PAGE)["app"])["paths"]
    for method, path, *columns in rows:
        statuses = re.findall(r"\d{3}", " ".join(columns))
        responses = described[path.replace("{store}", "book")][method.lower()]["responses"]
        assert set(statuses) <= set(responses), (method, path)
        assert [one for one in responses if one < "400"] == [one for one in statuses if one < "400"], (method, path)
