"""Mistakes of a class that Python itself does not see stop its declaration."""

from __future__ import annotations

from typing import Any

import pytest

from persisty import VERSION, Attr, HasMany, InvalidDeclaration, link, owned, stored


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


def test_what_an_annotated_class_declares_is_none() -> None:
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
def test_an_item_with_hidden_attributes_is_not_stored_within_another(kind: Any) -> None:
    cls = type("Snap", (), {"__annotations__": {"id": str, "user": kind}, "__module__": __name__})
    assert "digest of account" in faults(cls)["/user"]


def test_an_item_that_everyone_reads_whole_may_be() -> None:
    cls = type("Snap", (), {"__annotations__": {"id": str, "user": Seen}, "__module__": __name__})
    assert stored(cls).__name__ == "Snap"
