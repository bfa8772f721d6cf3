"""A revision file that removes an index over a renamed attribute is undone: the index is built again, and the former code finds every item."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from persisty import Attr, Index, stored
from persisty.deploy.evolution import evolutions_of
from persisty.deploy.revision_files import revisions_in
from persisty.deploy.revision_writing import write_revision
from persisty.deploy.revisions import downgrade, upgrade

from .conftest import Place


def car(attributes: dict[str, tuple[Any, Any]], *indexes: Index) -> type[Any]:
    types = {"id": str, **{name: type_ for name, (type_, _) in attributes.items()}}
    values = {name: value for name, (_, value) in attributes.items()}
    body = {"__module__": __name__, "__annotations__": types, **values}
    item: type[Any] = stored(name="car", indexes=list(indexes))(type("Car", (), body))
    return item


FIRST = car({"n": (str | None, Attr(default=""))})
RENAMED = {"n2": (str | None, Attr(default="", former_names="n")), "u": (int, Attr(default=5))}


@pytest.mark.parametrize("indexes", [(Index("n2"),), (Index("u", "n2"),), (Index("n2"), Index("u"))])
def test_an_index_over_a_renamed_attribute_is_built_again(
    database: Place, tmp_path: Path, indexes: tuple[Index, ...]
) -> None:
    folder, indexed, bare = tmp_path / "migrations", car(RENAMED, *indexes), car(RENAMED)
    database.filled(FIRST, {"id": "a", "n": "x"}, {"id": "b"})
    for item, why in ((indexed, "rename"), (bare, "no index")):
        assert write_revision(database.app(item), why, [], folder)
        upgrade(database.app(item), revisions_in(folder)[-1], lambda step, items: None)
    database.app(bare).store(bare).create({"id": "c", "n2": "z", "u": 6})
    downgrade(database.app(bare), revisions_in(folder)[-1], [], lambda step, items: None)
    app = database.app(indexed)
    assert not [change for one in evolutions_of(app) for change in one.changes if change.allow is None]
    app.prepare()
    cars = app.store(indexed)
    assert {one.id: (one.n2, one.u) for one in cars.search_all()} == {"a": ("x", 5), "b": ("", 5), "c": ("z", 6)}
    assert [one.id for one in cars.search((indexed.u == 5) & (indexed.n2 == "x"))] == ["a"]
