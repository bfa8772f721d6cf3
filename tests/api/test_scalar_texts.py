"""The text of a date, a datetime, a UUID or a boolean is accepted or refused alike on every way in: the formats of OpenAPI decide."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from functools import partial
from random import Random
from typing import Annotated, Any
from urllib.parse import quote
from uuid import UUID

import pytest
from msgspec import Meta, Struct
from servey.action.action import action
from servey.trigger.web_trigger import WEB_GET, WEB_POST

from persisty import App, Attr, InvalidInput, everyone, public, stored
from persisty.api.graphql.hosted.endpoint import GraphqlEndpoint
from persisty.api.http.messages import Request
from persisty.api.openapi.document import document
from persisty.api.rest.endpoint import Rest
from persisty.transfer.csv_rows import CsvRows, Dialect
from persisty.transfer.load import load
from persisty.transfer.rows import Lines, json_rows
from persisty.transfer.values import typed_values

Moment = Annotated[datetime, Meta(tz=True)]


class Inner(Struct):
    day: date | None = None
    ref: UUID | None = None
    done: bool | None = None


@stored(access=public)
class Entry:
    id: Attr[str]
    at: Attr[datetime | None] = Attr(default=None)
    day: Attr[date | None] = Attr(default=None)
    ref: Attr[UUID | None] = Attr(default=None)
    done: Attr[bool | None] = Attr(default=None)
    inner: Attr[Inner | None] = Attr(default=None)


@stored(access=public, key="at")
class ByAt:
    at: Attr[datetime]


@stored(access=public, key="day")
class ByDay:
    day: Attr[date]


@stored(access=public, key="ref")
class ByRef:
    ref: Attr[UUID]


@stored(access=public, key=("ref", "at"))
class ByBoth:
    ref: Attr[UUID]
    at: Attr[datetime]


@action(access_control=everyone, triggers=WEB_POST)
def post_moment(at: Moment | None = None, day: date | None = None, ref: UUID | None = None) -> None: ...


@action(access_control=everyone, triggers=WEB_GET)
def get_moment(
    at: Moment | None = None, day: date | None = None, ref: UUID | None = None, done: bool | None = None
) -> None: ...


ITEMS = {"at": ByAt, "day": ByDay, "ref": ByRef}
APP = App("entries", items=[Entry, ByBoth, *ITEMS.values()], actions=[post_moment, get_moment], url="memory://")
REST = Rest(APP)
GRAPHQL = GraphqlEndpoint(APP)
R = UUID("6ba7b810-9dad-11d1-80b4-00c04fd430c8")
GOOD: dict[str, list[str]] = {
    "at": ["2026-01-31T12:30:00Z", "2026-01-31T12:30:00.000001Z", "2024-02-29t00:00:00z", "2026-01-31T12:30:00+02:00",
           "2026-01-31T12:30:00.5-11:59", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z", "2026-01-31 12:30:00Z"],
    "day": ["2026-01-31", "2024-02-29", "0001-01-01", "9999-12-31"],
    "ref": [str(R), str(R).upper(), str(UUID(int=0)), str(UUID(int=2**128 - 1))],
    "done": ["true", "false", "1", "0", "True", "FALSE"],
}  # fmt: skip
BAD: dict[str, list[str]] = {
    "at": ["", "now", "2026-01-31", "2026-01-31T12:30:00", "2026-02-30T00:00:00Z", "2025-02-29T00:00:00Z", "2026-01-31T24:00:00Z",
           "0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59-01:00", "0000-01-01T00:00:00Z", "2026-1-31T12:30:00Z", "1767225600",
           "2026-01-31T12:30:00Z ", " 2026-01-31T12:30:00Z", "2026-01-31T12:30:00Z\n", "\uff12026-01-31T12:30:00Z", "20260131T123000Z",
           "2026-W05-6T12:30:00Z", "2026-01-31T12:30:00,5Z", "2026-01-31T12:30Z", "+2026-01-31T12:30:00Z", "2026-01-31T12:30:00+25:00"],
    "day": ["", "today", "2026-02-30", "2025-02-29", "0000-01-01", "20260131", "2026-W05-6", "2026-1-31", "2026-01-31Z", "2026-01-31T00:00:00",
            "2026-01-31T00:00:00Z", " 2026-01-31", "2026-01-31\n", "\uff12026-01-31", "31.01.2026", "1767225600"],
    "ref": ["", "x", f"{{{R}}}", f"urn:uuid:{R}", str(R)[:-1], f"{R}0", str(R).replace("-", "_"), f" {R}", f"{R}\n", str(R)[:-1] + "g", str(R)[:-1] + "\u0663",
            str(R.int)],
    "done": ["", "yes", "no", "t", "f", "on", "2", "01", "true ", " true", "null", "tru\u0435", "1.0"],
}  # fmt: skip
"""Texts of no such value."""
BEYOND = ("0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59-01:00")
_SHAPES = {
    "at": re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:?\d\d)", re.ASCII),
    "day": re.compile(r"\d{4}-\d\d-\d\d", re.ASCII),
    "ref": re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|[0-9a-fA-F]{32}"),
    "done": re.compile(r"(?i:true|false)|1|0"),
}
"""Beyond the formats, an offset without a colon and a UUID without dashes are accepted."""


def value_of(name: str, text: str) -> Any:
    """Return the value of a text, None if it is none."""
    if _SHAPES[name].fullmatch(text) is None or not text.isascii():
        return None
    try:
        if name == "at":
            return datetime.fromisoformat(text.upper()).astimezone(UTC)
        return date.fromisoformat(text) if name == "day" else UUID(text) if name == "ref" else text
    except (ValueError, OverflowError):
        return None


def texts_of(name: str) -> list[str]:
    """Return texts that are values, and texts that differ from these by a few characters."""
    random, alphabet = Random(f"2026 {name}"), "0123456789" * 2 + "-:.+TtZz abcdefABCDEF"
    found = [*GOOD[name], *BAD[name]]
    for _ in range(200):
        text = list(random.choice(GOOD[name]))
        for _ in range(random.choice((1, 1, 2, 3))):
            place, kind = random.randrange(len(text) + 1), random.choice("idr")
            if kind == "i" or place == len(text):
                text.insert(place, random.choice(alphabet))
            elif kind == "d" and len(text) > 1:
                del text[place]
            else:
                text[place] = random.choice(alphabet)
        found.append("".join(text))
    return found


def _send(method: str, path: str, body: Any = None, query: str = "") -> Any:
    content = b"" if body is None else json.dumps(body).encode()
    return REST.handle(Request(method, path, query, {"content-type": "application/json"}, content))


def _status(response: Any, *refused: int) -> bool:
    assert response.status in (200, 201, *refused), response.body
    return bool(response.status in (200, 201))


def _created(name: str, text: str, *, inner: bool = False) -> bool:
    APP.store(Entry).delete("a")
    members = {"inner": {name: text}} if inner else {name: text}
    return _status(_send("POST", "/api/entry", {"id": "a", **members}), 422)


def _patched(name: str, text: str) -> bool:
    _reset()
    return _status(_send("PATCH", "/api/entry/a", {name: text}), 422)


def _in_a_batch(name: str, text: str) -> bool:
    APP.store(Entry).delete("a")
    return _status(_send("POST", "/api/entry-batch", {"edits": [{"create": {"id": "a", name: text}}]}), 422)


def _in_python(name: str, text: str) -> bool:
    _reset()
    try:
        APP.store(Entry).update("a", {name: text})
    except InvalidInput:
        return False
    return True


def _reset() -> None:
    APP.store(Entry).delete("a")
    APP.store(Entry).create(Entry(id="a"))


def _imported(name: str, text: str, *, csv: bool) -> bool:
    APP.store(Entry).delete("a")
    store = APP.store(Entry)
    if csv:
        quoted = text.replace('"', '""')
        rows: Any = CsvRows(Lines(io.BytesIO(f'id,{name}\na,"{quoted}"\n'.encode())), Dialect())
    else:
        rows = json_rows(Lines(io.BytesIO(json.dumps({"id": "a", name: text}).encode())))
    return not any(one.rejected for one in load(store, rows, typed_values(store.meta, json_text=csv)))


def _asked(query: str, variables: Any) -> bool:
    body = json.dumps({"query": query, "variables": variables}).encode()
    response = GRAPHQL.handle(Request("POST", "/graphql", "", {"content-type": "application/json"}, body))
    assert response.status < 500
    return "errors" not in json.loads(response.body)


def _by_path(name: str, text: str) -> bool:
    store, value = APP.store(ITEMS[name]), value_of(name, text)
    store.delete_all()
    store.create({name: datetime(2000, 1, 1, tzinfo=UTC) if name == "at" else date(2000, 1, 1) if name == "day" else R} if value is None else {name: value})  # fmt: skip
    return _status(_send("GET", f"/api/by-{name}/{text}"), 404)


def _in_a_composite_path(name: str, text: str) -> bool:
    store, value = APP.store(ByBoth), value_of(name, text)
    store.delete_all()
    other = {"ref": R, "at": datetime(2000, 1, 1, tzinfo=UTC)}
    store.create(other | ({} if value is None else {name: value}))
    texts = {"ref": str(R), "at": "2000-01-01T00:00:00.000000Z"} | {name: text}
    return _status(_send("GET", f"/api/by-both/{quote(texts['ref'], safe='')}~{quote(texts['at'], safe='')}"), 404)


SCALARS = {"at": "AWSDateTime", "day": "AWSDate", "ref": "ID"}
Way = Callable[[str, str], bool]
BODIES: dict[str, Way] = {
    "a body": _created,
    "a change": _patched,
    "a batch": _in_a_batch,
    "Python": _in_python,
    "a line of JSON": partial(_imported, csv=False),
    "an argument": lambda name, text: _status(_send("POST", "/actions/post-moment", {name: text}), 422),
    "a variable": lambda name, text: _asked(
        f"query ($of: {SCALARS[name]}) {{ entrySearch(where: {{{name}: {{eq: $of}}}}) {{ items {{ id }} }} }}",
        {"of": text},
    ),
    "a literal": lambda name, text: _asked(
        f"{{ entrySearch(where: {{{name}: {{oneof: [{json.dumps(text)}]}}}}) {{ items {{ id }} }} }}", {}
    ),
}
"""Ways of values that are text in JSON. A boolean is none."""
URLS: dict[str, Way] = {
    "a parameter": lambda name, text: _status(_send("GET", "/api/entry", query=f"{name}={quote(text)}"), 400),
    "a parameter of several": lambda name, text: _status(
        _send("GET", "/api/entry", query=f"{name}__oneof={quote(text)}&{name}__oneof={quote(GOOD[name][0])}"), 400
    ),
    "a condition": lambda name, text: _send("DELETE", "/api/entry/none", query=f"{name}={quote(text)}").status == 404,
    "an argument in a URL": lambda name, text: _status(
        _send("GET", "/actions/get-moment", query=f"{name}={quote(text)}"), 400, 422
    ),
    "a cell of CSV": partial(_imported, csv=True),
}
CASES = [
    *((way, name) for way in {**BODIES, **URLS} for name in ("at", "day", "ref")),
    *((way, "done") for way in URLS),
]


@pytest.fixture(autouse=True)
def prepared() -> None:
    APP.prepare()


@pytest.mark.parametrize(("way", "name"), CASES, ids=str)
def test_a_text_is_accepted_exactly_if_it_has_the_format(way: str, name: str) -> None:
    accepts, texts = {**BODIES, **URLS}[way], texts_of(name)
    if way == "a cell of CSV":  # an empty cell is null; PostgreSQL writes offsets of hours
        texts = [text for text in texts if text and not re.search(r"[+-]\d\d$", text)]
    if (
        "argument" in way
    ):  # `null` is null of an optional argument. A time keeps its offset, so that it need not be in the years of UTC
        texts = [text for text in texts if text != "null" and text not in BEYOND]
    wrong = [text for text in texts if accepts(name, text) is (value_of(name, text) is None)]
    assert wrong == []


@pytest.mark.parametrize("name", ["at", "day", "ref"])
def test_a_key_in_a_path_takes_the_same_texts(name: str) -> None:
    texts = [text for text in texts_of(name) if text]
    assert [text for text in texts if _by_path(name, text) is (value_of(name, text) is None)] == []


@pytest.mark.parametrize("name", ["at", "ref"])
def test_a_part_of_a_composite_key_takes_the_same_texts(name: str) -> None:
    wrong = [text for text in texts_of(name) if _in_a_composite_path(name, text) is (value_of(name, text) is None)]
    assert wrong == []


@pytest.mark.parametrize("name", ["day", "ref"])
def test_a_field_of_an_object_takes_the_same_texts(name: str) -> None:
    wrong = [text for text in texts_of(name) if _created(name, text, inner=True) is (value_of(name, text) is None)]
    assert wrong == []


def test_text_is_no_boolean_in_json() -> None:
    assert not any(_created("done", text) or _in_python("done", text) for text in GOOD["done"])


def test_openapi_has_the_formats() -> None:
    found = document(APP)["components"]["schemas"]["Entry"]["properties"]
    assert [_format(found[name]) for name in ("at", "day", "ref")] == ["date-time", "date", "uuid"]


def _format(schema: Any) -> str:
    [found] = re.findall(r'"format": ?"([^"]+)"', json.dumps(schema))
    return str(found)
