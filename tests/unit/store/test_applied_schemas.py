"""The start detects renamed classes, other keys and changed types, on every engine that outlives the process."""

from __future__ import annotations

import enum
import re
from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from persisty import App, Attr, Conflict, SchemaMismatch, Unique, stored
from persisty.deploy.migration import Migration

from ...postgres import schema_in

STAGES = count()
Opened = Callable[..., App]


@pytest.fixture(params=["sqlite", "postgresql", "dynamodb-local", "dynamodb-moto"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Opened]:
    """Return a function that opens an app with some items, always in the same place."""
    stage, apps = f"a{next(STAGES)}", list[App]()
    match request.param:
        case "sqlite":
            url = f"sqlite:///{tmp_path}/shop.db"
        case "postgresql":
            url = schema_in(request.getfixturevalue("postgres_url"))
        case "dynamodb-local":
            url = f"dynamodb://us-east-1?endpoint={request.getfixturevalue('local_endpoint')}&index_attributes=2"
        case _:
            url = f"dynamodb://us-east-1?endpoint={request.getfixturevalue('moto_endpoint')}&partiql=0"

    def make(*items: type[Any], **options: Any) -> App:
        app = App("shop", items=items, url=url, stage=stage, **options)
        apps.append(app)
        app.prepare()
        return app

    yield make
    for app in apps:
        app.close()


@stored(name="note")
class Note:
    id: str
    text: str
    size: int = 0


@stored(name="memo")
class Memo:
    id: str
    text: str
    size: int = 0


@stored(name="tag")
class Tag:
    id: str
    label: str


@stored(name="note")
class NoteWithTime:
    id: str
    text: datetime
    size: int = 0


@stored(name="note", key=("text", "id"))
class NoteByText:
    id: str
    text: str
    size: int = 0


@stored(name="note")
class Renamed:
    id: str
    text: str
    length: int = Attr(default=0, former_names="size")


@stored(name="note")
class Both:
    id: str
    text: str
    size: int = 0
    length: int = 0


@stored(name="note")
class RenamedText:
    id: str
    title: str
    size: int = 0


@stored(name="person", indexes=[Unique("mail")])
class Person:
    id: str
    mail: str


@stored(name="member", indexes=[Unique("mail")])
class Member:
    id: str
    mail: str


def filled(opened: Opened) -> App:
    app = opened(Note)
    app.store(Note).create({"id": "a", "text": "t"})
    return app


def execute(app: App, statement: str) -> None:
    app._engines.connected().engine._connection.rows(statement)  # type: ignore[attr-defined]


def place(app: App) -> str:
    return app._engines.connected().engine.table("note").place  # type: ignore[union-attr]


def mistakes(opened: Opened, *items: type[Any]) -> list[str]:
    with pytest.raises(SchemaMismatch) as caught:
        opened(*items)
    return [fault.path for fault in caught.value.faults]


def test_a_renamed_class_is_reported_with_the_former_store_and_a_remedy(opened: Opened) -> None:
    filled(opened)
    with pytest.raises(SchemaMismatch, match=r'items of note, .*@stored\(name="note"\).*abandoned=\["note"\]'):
        opened(Memo)
    assert opened(Memo, abandoned=["note"]).store(Memo).count() == 0
    assert opened(Memo).store(Memo).count() == 0  # its schema has been applied
    assert opened(Note).store(Note).count() == 1


def test_an_item_that_is_dropped_or_added_or_was_empty_is_not_treated_as_renamed(opened: Opened) -> None:
    opened(Note)
    opened(Memo)
    filled(opened)
    opened(Tag)
    opened(Note, Tag)
    other = opened(Note)
    assert other.store(Note).read("a").text == "t"


def test_another_key_is_reported(opened: Opened) -> None:
    filled(opened)
    assert "/note" in mistakes(opened, NoteByText)


def test_another_type_is_reported_even_if_both_are_stored_as_text(opened: Opened) -> None:
    filled(opened)
    assert mistakes(opened, NoteWithTime) == ["/note/text"]
    assert opened(Note).store(Note).read("a").text == "t"


def keeps_names(app: App) -> bool:
    """Return whether the engine stores a renamed attribute under its first name."""
    return app.url.startswith("dynamodb")


def test_a_renamed_attribute_with_its_former_name_is_reported_where_it_has_a_column(opened: Opened) -> None:
    filled(opened)
    app = opened(Note)
    if keeps_names(app):
        app.store(Note).create({"id": "b", "text": "t", "size": 7})
        assert opened(Renamed).store(Renamed).read("b").length == 7
        assert opened(Note).store(Note).read("b").size == 7
    else:
        assert mistakes(opened, Renamed) == ["/note/length"]


def test_an_app_with_a_renamed_attribute_starts_after_the_remedy_of_the_error(opened: Opened) -> None:
    app = opened(Note)
    app.store(Note).create({"id": "a", "text": "t", "size": 7})
    if keeps_names(app):
        assert opened(Renamed).store(Renamed).read("a").length == 7
        return
    with pytest.raises(SchemaMismatch) as caught:
        opened(Renamed)
    message = str(caught.value)
    if statement := re.search(r"ALTER TABLE .* RENAME COLUMN .*", message):
        execute(app, statement[0])
    else:
        assert "Declare size and length together" in message
        assert "store.update(item.id, {'length': item.size})" in message
        both = opened(Both).store(Both)
        for item in both.search_all():
            both.update(item.id, {"length": item.size})
    for _ in range(2):
        assert opened(Renamed).store(Renamed).read("a").length == 7


def test_an_attribute_can_be_copied_and_then_removed_on_every_engine(opened: Opened) -> None:
    opened(Note).store(Note).create({"id": "a", "text": "t", "size": 7})
    app = opened(Note)
    if app.url.startswith("postgresql"):
        execute(app, f'ALTER TABLE {place(app)} ADD COLUMN "length" BIGINT NOT NULL DEFAULT 0')
    both = opened(Both).store(Both)
    for item in both.search_all():
        both.update(item.id, {"length": item.size})
    if app.url.startswith(("sqlite", "postgresql")):
        execute(app, f'ALTER TABLE {place(app)} DROP COLUMN "size"')
    if keeps_names(app):
        with pytest.raises(SchemaMismatch, match="remove its former name"):
            opened(Renamed)
        assert opened(RenamedSize).store(RenamedSize).read("a").length == 7
    else:
        assert opened(Renamed).store(Renamed).read("a").length == 7


def test_the_error_for_a_renamed_required_attribute_proposes_its_former_name(opened: Opened) -> None:
    filled(opened)
    with pytest.raises(SchemaMismatch, match='former_names="text"'):
        opened(RenamedText)


def test_an_app_with_a_renamed_class_starts_after_the_statement_of_the_error(opened: Opened) -> None:
    app = filled(opened)
    with pytest.raises(SchemaMismatch) as caught:
        opened(Memo)
    assert "(expected" not in str(caught.value)
    statement = re.search(r'ALTER TABLE .* RENAME TO "memo"', str(caught.value))
    assert (statement is None) == app.url.startswith("dynamodb")
    if statement is not None:
        execute(app, statement[0])
        for _ in range(2):
            assert opened(Memo).store(Memo).read("a").text == "t"


def test_a_unique_index_still_rejects_duplicates_after_its_table_was_renamed(opened: Opened) -> None:
    app = opened(Person)
    if app.url.startswith("dynamodb"):
        return
    app.store(Person).create({"id": "a", "mail": "m"})
    with pytest.raises(SchemaMismatch) as caught:
        opened(Member)
    execute(app, str(caught.value).partition("the table: ")[2].partition(", or abandon")[0])
    members = opened(Member).store(Member)
    with pytest.raises(Conflict):
        members.create({"id": "b", "mail": "m"})


def test_unchanged_schemas_are_neither_written_nor_checked_again(opened: Opened) -> None:
    app = filled(opened)
    [record] = app.applied.all().values()
    opened(Note)
    assert app.applied.all() == {"note": record}
    assert record.hash == Note.__persisty__.schema.hash  # type: ignore[attr-defined]


def test_opening_a_store_of_an_embedded_engine_checks_its_schema(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/shop.db"
    first = App("shop", items=[Note], url=url)
    first.store(Note).create({"id": "a", "text": "t"})
    first.close()
    for item in (Memo, NoteWithTime):
        app = App("shop", items=[item], url=url)
        with pytest.raises(SchemaMismatch):
            app.store(item).count()
        app.close()
    other = App("another", items=[Memo], url=url)  # shares the file
    assert other.store(Memo).count() == 0
    other.close()


@stored(name="note")
class RenamedSize:
    id: str
    text: str
    length: int = 0


@stored(name="note")
class NamedBefore:
    id: str
    text: str
    length: int = Attr(default=0, former_names="size")


@stored(name="note")
class OtherDefault:
    id: str
    text: str
    length: int = 1


def test_a_renamed_attribute_with_a_default_is_reported(opened: Opened) -> None:
    filled(opened)
    with pytest.raises(SchemaMismatch) as caught:
        opened(RenamedSize)
    [fault] = caught.value.faults
    assert fault.path == "/note/length"
    assert 'If it was renamed, declare former_names="size"' in fault.message
    assert 'abandon these values with App(abandoned=["note.size"])' in fault.message
    if keeps_names(opened(Note)):
        opened(NamedBefore)
        return
    with pytest.raises(SchemaMismatch) as caught:
        opened(NamedBefore)
    assert "both columns" not in str(caught.value), "the start added no column before it stopped"


class Before(enum.Enum):
    RED = "red"
    PURPLE = "purple"


class After(enum.Enum):
    RED = "red"


@stored(name="dress")
class OldDress:
    id: str
    color: Before


@stored(name="dress")
class Dress:
    id: str
    color: After


def test_a_removed_enum_member_is_logged_at_each_start_until_a_migration_has_checked_the_items(
    opened: Opened, caplog: pytest.LogCaptureFixture
) -> None:
    opened(OldDress).store(OldDress).create({"id": "1", "color": "red"})
    for times, migrated in ((1, False), (1, True), (0, False)):
        caplog.clear()
        app = opened(Dress)
        assert app.store(Dress).count() == 1
        found = [one.message for one in caplog.records if "/dress/color" in one.message]
        assert len(found) == times
        if migrated:
            Migration(app).apply()
        assert all("purple" in one and "unreadable_item" in one for one in found)


def test_an_abandoned_or_different_attribute_is_not_treated_as_renamed(opened: Opened) -> None:
    app = filled(opened)
    if app.url.startswith("postgresql"):
        execute(app, f'ALTER TABLE {place(app)} ADD COLUMN "length" BIGINT DEFAULT 0 NOT NULL')
        execute(app, f'ALTER TABLE {place(app)} ALTER COLUMN "size" DROP NOT NULL')
    if app.url.startswith("sqlite"):
        execute(app, f'ALTER TABLE {place(app)} DROP COLUMN "size"')
    assert opened(RenamedSize, abandoned=["note.size"]).store(RenamedSize).count() == 1
    if app.url.startswith("dynamodb"):  # no column has the former default
        with pytest.raises(SchemaMismatch, match="would read with another value"):
            opened(OtherDefault)
    else:
        assert opened(OtherDefault).store(OtherDefault).count() == 1
