"""The examples in the OpenAPI document fit their schemas, and the server accepts those of requests."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, FormatChecker
from msgspec import UNSET, Meta
from openapi_spec_validator import validate

from examples.messenger.app import app as messenger_app
from persisty import VERSION, App, Attr, BelongsTo, Caller, public, stored
from persisty.api.http.messages import Request
from persisty.api.openapi.document import document
from persisty.api.openapi.example_values import FORMATS, Values, fits
from persisty.api.rest.endpoint import Rest
from persisty.errors import all_errors
from tests.fuzz.stall import app as stall_app
from tests.graphql.gallery import app as gallery_app
from tests.shop import app as shop_app

Document = dict[str, Any]
APPS = {"messenger": messenger_app, "shop": shop_app, "gallery": gallery_app, "stall": stall_app}


def described(app: App) -> Document:
    found: Document = json.loads(json.dumps(document(app)))
    return found


def places(found: Document) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield (place, object with a schema) for everything that may have an example."""
    for path, operations in found["paths"].items():
        for method, operation in operations.items():
            where = f"{method} {path}"
            for media, one in operation.get("requestBody", {}).get("content", {}).items():
                yield f"{where} body {media}", one
            for one in operation.get("parameters", ()):
                yield f"{where} parameter {one['name']}", one
            for status in ("200", "201"):
                for media, one in operation["responses"].get(status, {}).get("content", {}).items():
                    yield f"{where} {status} {media}", one


@pytest.mark.parametrize("name", APPS)
def test_every_example_fits_its_schema(name: str) -> None:
    found = described(APPS[name])
    validate(found)
    for where, one in places(found):
        if "example" in one:
            schema = {**one["schema"], "components": found["components"]}
            checker = Draft202012Validator(schema, format_checker=FormatChecker())
            assert not [*checker.iter_errors(one["example"])], (where, one["example"])


@pytest.mark.parametrize("name", APPS)
def test_every_body_response_and_required_parameter_has_an_example(name: str) -> None:
    for where, one in places(described(APPS[name])):
        if "parameter" not in where or one.get("required"):
            assert "example" in one, where
        elif one["name"] != "key":
            assert "example" not in one, where  # a page would send it


@pytest.mark.parametrize("name", APPS)
def test_examples_are_the_same_each_time(name: str) -> None:
    assert json.dumps(document(APPS[name])) == json.dumps(document(APPS[name]))


@stored(key=("shelf", "place"), access=public, conditional_writes=True)
class Box:
    shelf: Annotated[str, Meta(pattern="^[A-Z]{2}-[0-9]{2}$", examples=["bad", "AB-12"])]
    place: Annotated[int, Meta(gt=7, multiple_of=5)]
    label: Annotated[str, Meta(min_length=9, max_length=9)] = "123456789"
    weight: Annotated[float, Meta(gt=0.1, lt=0.2)] | None = None
    price: Decimal | None = None
    day: date | None = None
    odd: Annotated[str, Meta(pattern="^[q]{3}z$")] | None = None
    email: str | None = None
    version: int = Attr(generator=VERSION)


@stored(access=public)
class Crate:
    id: str
    box: BelongsTo[Crate]
    box_id: str | None = None


BOXES = App("boxes", items=[Box, Crate], url="memory://")


def test_examples_are_made_from_the_declaration() -> None:
    found = described(BOXES)
    body = found["paths"]["/api/box"]["post"]["requestBody"]["content"]["application/json"]["example"]
    assert body == {
        "shelf": "AB-12", "place": 10, "label": "texttextt", "weight": pytest.approx(0.15), "price": "9.5",
        "day": "2026-01-02", "email": "ann@example.com",
    }  # fmt: skip
    answer = found["paths"]["/api/box"]["post"]["responses"]["201"]["content"]["application/json"]["example"]
    assert body.items() <= answer.items()
    assert "version" in answer
    assert answer["odd"] is None  # no example is better than a wrong one
    [key] = [one for one in found["paths"]["/api/box/{key}"]["get"]["parameters"] if one["name"] == "key"]
    assert key["example"] == "AB-12~10"
    crate = found["paths"]["/api/crate"]["post"]["requestBody"]["content"]["application/json"]["example"]
    assert crate == {"id": "text"}


def test_each_edit_of_an_example_edits_another_item() -> None:
    """The edits of an example are of different items, because an atomic batch rejects an item that occurs twice."""
    for app in (BOXES, shop_app, stall_app, messenger_app, gallery_app):
        for path, one in described(app)["paths"].items():
            if path.endswith("-batch") and "post" in one:
                edits = one["post"]["requestBody"]["content"]["application/json"]["example"]["edits"]
                keys = [body["key"] for edit in edits for body in edit.values() if "key" in body]
                keys += [body[name] for edit in edits for body in edit.values() for name in ("id",) if name in body]
                assert len(set(keys)) == len(keys), path
    batch = described(BOXES)["paths"]["/api/box-batch"]["post"]["requestBody"]["content"]["application/json"]["example"]
    assert [*batch["edits"][1]["update"]] == ["changes", "key", "when"]
    app = App("boxes", items=[Box, Crate], url="memory://")
    for store in ("box", "crate"):
        found = described(app)["paths"][f"/api/{store}-batch"]["post"]["requestBody"]["content"]["application/json"]
        for atomic in (True, False):
            body = json.dumps({**found["example"], "atomic": atomic}).encode()
            request = Request("POST", f"/api/{store}-batch", headers={"content-type": "application/json"}, body=body)
            assert Rest(app).handle(request).status == (404 if atomic else 200)


def test_an_example_that_cannot_be_made_is_left_out_with_those_that_contain_it() -> None:
    @stored(access=public)
    class Odd:
        id: Annotated[str, Meta(pattern="^[q]{3}z$")]
        text: str = ""

    found = described(App("odd", items=[Odd], url="memory://"))
    shown = {where for where, one in places(found) if "example" in one}
    assert shown == {
        "get /api/odd-count 200 application/json", "patch /api/odd/{key} body application/json",
        "post /api/odd-batch body application/json", "post /api/odd-batch 200 application/json",
        "get /health 200 application/json", "get /api/ 200 application/json",
    }  # fmt: skip


REQUESTS = [(method, path) for path, one in described(BOXES)["paths"].items() for method in one]


def test_the_server_accepts_the_examples_of_requests() -> None:
    app = App("boxes", items=[Box, Crate], url="memory://")
    rest, found = Rest(app), described(app)

    def ask(method: str, path: str) -> int:
        operation = found["paths"][path][method]
        body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("example")
        key = next((one["example"] for one in operation.get("parameters", ()) if one["name"] == "key"), "")
        headers = {"content-type": "application/json", **({"if-match": "*"} if "428" in operation["responses"] else {})}
        target = path.replace("{key}", str(key))
        raw = b"" if body is None else json.dumps(body).encode()
        return rest.handle(Request(method.upper(), target, "", headers, raw, Caller("ann"))).status

    for store in ("box", "crate"):
        assert ask("post", f"/api/{store}") == 201
        assert [ask("get", f"/api/{store}{rest}") for rest in ("", "/{key}", "-count", "-batch")] == [200] * 4
        assert ask("patch", f"/api/{store}/{{key}}") == 200
        assert ask("delete", f"/api/{store}/{{key}}") == 204
        assert ask("post", f"/api/{store}-batch") == 200
        assert ask("get", f"/api/{store}/{{key}}") in (200, 404)


def test_the_document_is_made_once() -> None:
    rest = Rest(BOXES)
    first = rest.handle(Request("GET", "/openapi.json"))
    assert first.body is rest.handle(Request("GET", "/openapi.json")).body


WORDS = st.fixed_dictionaries(
    {"type": st.just("string")},
    optional={
        "minLength": st.integers(0, 30),
        "maxLength": st.integers(0, 30),
        "pattern": st.sampled_from(["^[a-z]+$", "^[0-9]{4}$", "^x{77}$", "a", "^$"]),
        "format": st.sampled_from([*FORMATS, "unheard-of"]),
        "examples": st.lists(st.text(max_size=5) | st.integers(), max_size=2),
    },
)
NUMBERS = st.fixed_dictionaries(
    {"type": st.sampled_from(["integer", "number"])},
    optional={
        "minimum": st.integers(-50, 50),
        "maximum": st.integers(-50, 50),
        "exclusiveMinimum": st.integers(-50, 50),
        "exclusiveMaximum": st.integers(-50, 50),
        "multipleOf": st.integers(1, 9),
    },
)
OTHERS: st.SearchStrategy[Any] = st.sampled_from(
    [{"type": "boolean"}, {"type": "null"}, {"const": 3}, {"enum": [None, "a"]}, {"type": ["string", "null"]}, {}, {"not": {}},
     {"$ref": "#/components/schemas/Tree"}]
)  # fmt: skip
SCHEMAS = st.recursive(
    WORDS | NUMBERS | OTHERS,
    lambda inner: (
        st.fixed_dictionaries(
            {"type": st.just("array"), "items": inner},
            optional={"minItems": st.integers(0, 3), "maxItems": st.integers(0, 3)},
        )
        | st.fixed_dictionaries({"anyOf": st.lists(inner, min_size=1, max_size=3)})
        | st.dictionaries(st.sampled_from("abc"), inner, max_size=3).map(
            lambda found: {
                "type": "object",
                "properties": found,
                "required": [*found][:1],
                "additionalProperties": False,
            }
        )
    ),
    max_leaves=6,
)
COMPONENTS = {
    "Tree": {
        "type": "object", "required": ["name"],
        "properties": {"name": {"type": "string"}, "below": {"anyOf": [{"$ref": "#/components/schemas/Tree"}, {"type": "null"}]}},
    },
}  # fmt: skip


@given(SCHEMAS)
def test_an_example_fits_its_schema_for_any_schema(schema: dict[str, Any]) -> None:
    value = Values(COMPONENTS).of(schema)
    if value is not UNSET:
        whole = {**schema, "components": {"schemas": COMPONENTS}}
        assert Draft202012Validator(whole).is_valid(value), value


@given(WORDS | NUMBERS, st.text(max_size=5) | st.integers() | st.none() | st.booleans())
def test_fits_agrees_with_a_validator(schema: dict[str, Any], value: Any) -> None:
    assert fits(schema, value) == Draft202012Validator(schema).is_valid(value)


def test_every_error_response_has_an_example_for_each_of_its_codes() -> None:
    found = described(App("shop", items=[], url="memory://"))
    examples = found["components"]["examples"]
    assert {code: one["value"]["status"] for code, one in examples.items()} == {
        error.code: error.status for error in all_errors()
    }
    for path in found["paths"].values():
        for operation in path.values():
            for status, response in operation["responses"].items():
                media = response.get("content", {}).get("application/problem+json")
                if media is not None:
                    codes = response["description"].split(", ")
                    assert media["examples"] == {code: {"$ref": f"#/components/examples/{code}"} for code in codes}
                    assert {examples[code]["value"]["status"] for code in codes} == {int(status)}
