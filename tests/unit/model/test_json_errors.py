"""JSON with half of a surrogate pair: the message says so on every way in, instead of a text that is truncated."""

from __future__ import annotations

import io
import json
from typing import Any

import msgspec
import pytest

from persisty import App, Attr, public, stored
from persisty.api.graphql.hosted.endpoint import GraphqlEndpoint
from persisty.api.http.messages import Request
from persisty.api.rest.endpoint import Rest
from persisty.model.nesting import decode
from persisty.transfer.csv_rows import CsvRows, Dialect
from persisty.transfer.load import load, with_json_hint
from persisty.transfer.rows import Lines, json_rows
from persisty.transfer.values import typed_values


@stored(access=public)
class Note:
    id: Attr[str]
    text: Attr[str] = Attr(default="")
    tags: Attr[list[str]] = Attr(factory=list)


APP = App("notes", items=[Note], url="memory://")
JSON = {"content-type": "application/json"}


@pytest.mark.parametrize(
    ("text", "half", "byte"),
    [
        ('"\\ud800"', "\\ud800", 1),
        ('{"ä": "a\\uDFFFb"}', "\\uDFFF", 9),
        ('"\\ud83d\\ude00\\ude00"', "\\ude00", 13),
        ('"\\\\\\ud800x"', "\\ud800", 3),
        ('["\\ud800\\ud83d\\ude00"]', "\\ud800", 2),
    ],
)
def test_half_of_a_surrogate_pair_is_named_with_its_place(text: str, half: str, byte: int) -> None:
    for given in (text, text.encode()):
        with pytest.raises(msgspec.DecodeError) as caught:
            decode(given)
        assert str(caught.value) == f"JSON is malformed: {half} is half of a surrogate pair (byte {byte})"


@pytest.mark.parametrize("text", ['"\\ud83d\\ude00"', '"\\\\ud800"', '"\\\\\\\\udfff"', '"\\u00e4"'])
def test_pairs_and_escaped_backslashes_are_read(text: str) -> None:
    assert decode(text) == json.loads(text)


@pytest.mark.parametrize("text", ['"a', "{", '{"a" 1}', "\\ud83d\\ude00"])
def test_other_mistakes_keep_their_message(text: str) -> None:
    with pytest.raises(msgspec.DecodeError) as caught:
        decode(text)
    assert "surrogate" not in str(caught.value)


HALF = '{"id": "a", "text": "\\ud800"}'


def test_rest_graphql_and_imports_say_so() -> None:
    response = Rest(APP).handle(Request("POST", "/api/note", "", JSON, HALF.encode()))
    assert (response.status, b"half of a surrogate pair" in response.body) == (400, True)
    asked = b'{"query": "{ noteCount }", "variables": {"a": "\\udc00"}}'
    response = GraphqlEndpoint(APP).handle(Request("POST", "/graphql", "", JSON, asked))
    assert (response.status, b"half of a surrogate pair" in response.body) == (400, True)
    store: Any = APP.store(Note)
    [settled] = load(store, json_rows(Lines(io.BytesIO(HALF.encode()))), typed_values(store.meta))
    assert "half of a surrogate pair" in str(settled.rejected[0].faults[0])
    rows = CsvRows(Lines(io.BytesIO(b'id,tags\na,"[""\\ud800""]"\n')), Dialect())
    [settled] = with_json_hint(store.meta, load(store, rows, typed_values(store.meta, json_text=True)))
    assert "half of a surrogate pair" in str(settled.rejected[0].faults[0])
