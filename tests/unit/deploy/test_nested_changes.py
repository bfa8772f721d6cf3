"""Types within objects and lists that change: values that would not be readable are named, and nothing is changed."""

from __future__ import annotations

import enum
import re
from itertools import count
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from msgspec import Struct, field

from persisty import App, SchemaMismatch, meta_of, stored
from persisty.deploy.evolution import evolutions_of
from persisty.deploy.migration import Migration, refused_changes
from persisty.deploy.revision_files import revisions_in
from persisty.deploy.revision_writing import write_revision
from persisty.deploy.revisions import pending, upgrade
from persisty.model.schema_changes import changes_of

from ...postgres import schema_in

STAGES = count()


class Wheel(Struct):
    size: int
    maker: str = "m"


class Sized(Struct):
    inches: int
    maker: str = "m"


class Shorter(Struct):
    size: int


class Longer(Struct):
    size: float
    maker: str = "m"
    worn: bool = False


class Heavier(Struct):
    size: int
    weight: int
    maker: str = "m"


class Marked(Struct):
    size: int
    maker: str = "m"
    mark: UUID = field(default_factory=uuid4)


class Labelled(Struct):
    size: int
    maker: str = "m"
    mark: UUID | None = field(default_factory=uuid4)
    tags: list[str] = field(default_factory=list)


class Tree(Struct):
    name: str
    parts: list[Tree] = []


class Oak(Struct):
    name: int
    parts: list[Oak] = []


class Part(enum.Enum):
    A = "a"
    B = "b"


class Fewer(enum.Enum):
    A = "a"


def thing(type_: Any) -> type[Any]:
    return stored(name="thing")(
        type("Thing", (), {"__annotations__": {"id": str, "value": type_}, "__module__": __name__})
    )


@pytest.mark.parametrize(
    ("before", "after", "named"),
    [
        (Wheel, Sized, "/inches is required now; /size is no longer declared"),
        (Wheel, Shorter, "/maker is no longer declared: its values are not read, and the next write"),
        (list[Wheel], list[Heavier], "/*/weight is required now"),
        (dict[str, Wheel], dict[str, Heavier], "/*/weight is required now"),
        (list[str], list[int], "/* is integer now, was string"),
        (list[Part], list[Fewer], "/* no longer has b"),
        (list[str], list[Part], "/* no longer has any other value"),
        (list[str | None], list[str], "/* is string now, was None"),
        (Tree, Oak, "/name is integer now, was string"),
        (list[Wheel], list[Marked], "/*/mark has no stored value, and a function makes its default"),
        (Wheel, Labelled, None),
        (Wheel, Longer, None),
        (list[Wheel], list[Wheel | None], None),
        (list[int], list[float], None),
        (list[Fewer], list[Part], None),
        (list[Part], list[str], None),
        (Tree, Tree, None),
    ],
)
def test_a_type_that_may_not_fit_the_stored_values_is_slow_with_the_reason(
    before: Any, after: Any, named: str | None
) -> None:
    found = changes_of(meta_of(thing(before)).schema, meta_of(thing(after)), "sqlite")
    narrowed = [one for one in found if one.kind == "nested_narrowed"]
    if named is None:
        assert not narrowed
        assert all(one.effect == "safe" for one in found)
    else:
        [change] = narrowed
        assert change.effect == "slow"
        assert named in change.message


@pytest.fixture(params=["sqlite", "postgresql", "dynamodb-moto", "dynamodb-local"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    match request.param:
        case "sqlite":
            return f"sqlite:///{tmp_path}/shop.db"
        case "postgresql":
            return schema_in(request.getfixturevalue("postgres_url"))
        case "dynamodb-moto":
            return f"dynamodb://us-east-1?endpoint={request.getfixturevalue('moto_endpoint')}&partiql=0"
    return f"dynamodb://us-east-1?endpoint={request.getfixturevalue('local_endpoint')}&index_attributes=2"


@pytest.fixture
def stage() -> str:
    return f"n{next(STAGES)}"


@pytest.mark.parametrize(
    ("before", "after", "good", "bad"),
    [
        (list[str], list[int], [], ["x"]),
        (Wheel, Sized, None, Wheel(3)),
        (list[Wheel], list[Heavier], [], [Wheel(3)]),
        (list[Part], list[Fewer], [Part.A], [Part.A, Part.B]),
    ],
)
def test_values_of_another_nested_type_are_named_and_nothing_is_changed(
    url: str, stage: str, before: Any, after: Any, good: Any, bad: Any
) -> None:
    old, new = thing(before), thing(after)
    app = App("shop", items=[old], url=url, stage=stage)
    app.prepare()
    if good is not None:
        app.store(old).create({"id": "good", "value": good})
    app.store(old).create({"id": "bad", "value": bad})
    app.close()
    app = App("shop", items=[new], url=url, stage=stage)
    [evolution] = evolutions_of(app)
    assert [("found bad" in why) for why in refused_changes(app, evolution).values()] == [True]
    with pytest.raises(SchemaMismatch) as caught:
        Migration(app).apply()
    [fault] = caught.value.faults
    assert fault.path == "/thing/value"
    assert re.fullmatch(r"bad \('.+'\)", str(fault.found)), "the key and the value"
    app.close()
    app = App("shop", items=[old], url=url, stage=stage)
    app.prepare()
    app.store(old).delete("bad")
    app.close()
    app = App("shop", items=[new], url=url, stage=stage)
    Migration(app).apply()
    assert evolutions_of(app) == []
    assert len(list(app.store(new).search_all())) == (good is not None)
    app.close()


class Turned(Struct):
    """A class whose check runs code of the app, which a revision file does not have."""

    size: int
    turns: int
    marks: list[Part] = field(default_factory=lambda: [Part.A])

    def __post_init__(self) -> None:
        if self.turns < 0:
            raise ValueError("turns")


@pytest.mark.parametrize(
    ("before", "after", "good", "bad"),
    [
        (list[str], list[int], [], ["x"]),
        (Wheel, Sized, None, Wheel(3)),
        (list[Wheel], list[Heavier], [], [Wheel(3)]),
        (list[Part], list[Fewer], [Part.A], [Part.A, Part.B]),
        (dict[str, Wheel], dict[str, Turned], {}, {"a": Wheel(3)}),
    ],
)
def test_a_revision_file_checks_nested_values_too(
    url: str, stage: str, tmp_path: Path, before: Any, after: Any, good: Any, bad: Any
) -> None:
    old, new = thing(before), thing(after)
    app = App("shop", items=[old], url=url, stage=stage)
    app.prepare()
    if good is not None:
        app.store(old).create({"id": "good", "value": good})
    app.close()
    app = App("shop", items=[new], url=url, stage=stage)
    path = write_revision(app, "narrow", [], tmp_path)
    app.close()
    assert path is not None
    assert "/thing/value: value has another nested type" in path.read_text()
    [revision] = revisions_in(tmp_path)
    app = App("shop", items=[old], url=url, stage=stage)
    app.store(old).create({"id": "bad", "value": bad})
    app.close()
    app = App("shop", items=[new], url=url, stage=stage)
    with pytest.raises(SchemaMismatch) as caught:
        upgrade(app, revision, lambda step, items: None)
    [fault] = caught.value.faults
    assert fault.path == "/thing/value"
    assert re.fullmatch(r"bad \('.+'\)", str(fault.found)), "the key and the value"
    assert pending(app, [revision]) == [revision]
    app.close()
    app = App("shop", items=[old], url=url, stage=stage)
    app.prepare()
    app.store(old).delete("bad")
    app.close()
    app = App("shop", items=[new], url=url, stage=stage)
    upgrade(app, revision, lambda step, items: None)
    assert pending(app, [revision]) == []
    assert len(list(app.store(new).search_all())) == (good is not None)
    app.close()


def test_the_values_of_a_large_table_are_checked_in_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("persisty.backends.sql.stored_values.BATCH", 2)
    old, new = thing(list[str]), thing(list[int])
    url = f"sqlite:///{tmp_path}/shop.db"
    app = App("shop", items=[old], url=url)
    app.prepare()
    for n in range(6):
        app.store(old).create({"id": f"{n}'", "value": ["x"] if n == 4 else []})
    app.close()
    app = App("shop", items=[new], url=url)
    with pytest.raises(SchemaMismatch) as caught:
        Migration(app).apply()
    assert [one.found for one in caught.value.faults] == ["""4' ('["x"]')"""]
    app.close()
