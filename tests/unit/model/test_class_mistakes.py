"""A declaration rejects mistakes in a class that Python itself does not detect."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any

import pytest
from msgspec import Meta, Struct

from persisty import VERSION, Attr, HasMany, InvalidDeclaration, link, owned, stored
from persisty.model import schema_types
from persisty.model.compilation import compile_schema
from persisty.model.schema import AttributeSchema, Schema


@stored
class Account:
    id: Attr[str]
    name: Attr[str]
    digest: Attr[str | None] = Attr(default=None, readable=False)


@stored
class Seen:
    id: Attr[str]
    name: Attr[str]


def faults(cls: type) -> dict[str, str]:
    with pytest.raises(InvalidDeclaration) as refused:
        stored(cls)
    return {fault.path: str(fault) for fault in refused.value.faults}


def test_a_declaration_without_annotation_is_a_mistake() -> None:
    class Mixin:
        revision = VERSION

    class Note(Mixin):
        id: Attr[str]
        text = Attr(default="")
        lines = link()
        LIMIT = 5

    found = faults(Note)
    assert set(found) == {"/text", "/lines", "/revision"}
    assert "expected text: Attr[…] = …" in found["/text"]
    assert "expected lines: HasMany[…] = link()" in found["/lines"]


def test_annotated_declarations_are_no_mistakes() -> None:
    class Note:
        id: Attr[str]
        version: Attr[int] = VERSION
        owner: Attr[str]
        lines: HasMany[Any] = link()

    assert not {"/version", "/lines"} & set(_maybe(Note))


def _maybe(cls: type) -> dict[str, str]:
    try:
        stored(access=owned("owner"))(cls)
    except InvalidDeclaration as refused:
        return {fault.path: str(fault) for fault in refused.faults}
    return {}


@pytest.mark.parametrize("kind", [Account, Account | None, list[Account], dict[str, list[Account]]], ids=str)
def test_an_item_with_hidden_attributes_cannot_be_stored_within_another(kind: Any) -> None:
    cls = type("Snap", (), {"__annotations__": {"id": str, "user": kind}, "__module__": __name__})
    assert "digest of account" in faults(cls)["/user"]


def test_an_item_without_hidden_attributes_can_be_stored_within_another() -> None:
    cls = type("Snap", (), {"__annotations__": {"id": str, "user": Seen}, "__module__": __name__})
    assert stored(cls).__name__ == "Snap"


def declared(name: str = "Item", **types: Any) -> type:
    return type(name, (), {"__annotations__": {"id": str, **types}, "__module__": __name__})


def test_names_that_differ_in_case_only_are_a_mistake() -> None:
    assert faults(declared(userId=str, userid=str, other=int)) == {
        "/userid": "/userid: differs from userId in upper and lower case only, which is one column in SQLite "
        "(expected another name, found userid)"
    }


def test_a_name_that_sqlite_reserves_is_a_mistake() -> None:
    assert "SQLite reserves" in faults(declared("SqliteThing"))[""]


class Nested(Struct):
    number: Annotated[int, Meta(gt=5, lt=6)]


@pytest.mark.parametrize(
    ("type_", "path", "message"),
    [
        (Annotated[int, Meta(ge=5, le=1)], "/x", "bounds that no value meets"),
        (Annotated[float, Meta(gt=1, le=1)], "/x", "bounds that no value meets"),
        (Annotated[Decimal, Meta(ge=2, lt=1)], "/x", "bounds that no value meets"),
        (Annotated[str, Meta(min_length=5, max_length=1)], "/x", "lengths that no value has"),
        (list[Annotated[int, Meta(ge=5, le=1)]], "/x", "bounds that no value meets"),
        (Nested, "/types/Nested/number", "bounds that no value meets"),
        (set[list[int]], "/x", "a set of list values"),
        (list[set[dict[str, int]]], "/x", "a set of dict values"),
        (frozenset[set[int]], "/x", "a set of set values"),
        (None, "/x", "no value but None"),
    ],
    ids=str,
)
def test_a_type_without_values_is_a_mistake(type_: Any, path: str, message: str) -> None:
    assert message in faults(declared(x=type_))[path]


@pytest.mark.parametrize(
    "type_",
    [Annotated[int, Meta(ge=1, le=1)], Annotated[float, Meta(gt=0, lt=1)], set[frozenset[int]], set[tuple[int, str]]],
    ids=str,
)
def test_narrow_types_have_values(type_: Any) -> None:
    stored(declared(x=type_))


def test_a_schema_with_an_attribute_of_null_is_rejected() -> None:
    attributes = tuple(
        AttributeSchema(id=name, name=name, type=one, optional=name == "x")
        for name, one in (("id", schema_types.String()), ("x", schema_types.Null()))
    )
    with pytest.raises(InvalidDeclaration) as refused:
        compile_schema(Schema(name="item", attributes=attributes))
    assert [fault.path for fault in refused.value.faults] == ["/x"]
