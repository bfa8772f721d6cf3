"""Random declarations, one after the other, over the same items: the values that both have are those that a model of the changes expects."""

from __future__ import annotations

import enum
import random
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from persisty import Attr, Index, SchemaMismatch, Unique, stored
from persisty.deploy.migration import Migration
from persisty.model.value_conversions import CONVERSIONS, INEXACT

from .conftest import Place, Tables


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Size(enum.Enum):
    SMALL = "s'm"
    LARGE = "l\\a"


VALUES: dict[Any, list[Any]] = {
    str: ["", "it's", '"q"', "5", "ünï\u0000", "%s $1 ? :x", "2026-01-02T00:00:00Z"],
    int: [0, -1, 2**62],
    float: [0.5, -1e100, 3.0],
    bool: [True, False],
    Decimal: [Decimal("0.1"), Decimal(-7), Decimal("12345678901234567890.5")],
    datetime: [datetime(2026, 1, 2, tzinfo=UTC), datetime(1999, 12, 31, 23, 59, 59, 999999, UTC)],
    Level: [Level.LOW, Level.HIGH],
    Size: [Size.SMALL, Size.LARGE],
    bytes: [b"", b"\x00'\xff"],
    list[str]: [[], ["a'b", "\\"]],
}
FORMS = {str: "string", int: "integer", float: "float", bool: "boolean", Decimal: "decimal", datetime: "datetime"}
NAMES = ["plain", "Upper", "table", "group", "camelCase", "a1", "select_"]
UNSET = object()


class Declared:
    """A random declaration: attribute → (type, optional, default), with former names."""

    def __init__(
        self, attributes: dict[str, tuple[Any, bool, Any]], former: dict[str, str], extra: dict[str, Any]
    ) -> None:
        self.attributes, self.former, self.extra = attributes, former, extra

    def item(self) -> type[Any]:
        annotations: dict[str, Any] = {"id": str}
        body: dict[str, Any] = {"__module__": __name__}
        for name, (type_, optional, default) in self.attributes.items():
            annotations[name] = type_ | None if optional else type_
            given: dict[str, Any] = {} if default is UNSET else {"default": default}
            if isinstance(default, list):
                given = {"factory": list}
            if name in self.former:
                given["former_names"] = self.former[name]
            if given:
                body[name] = Attr(**given)
        item: type[Any] = stored(name="order", **self.extra)(
            type("Thing", (), {**body, "__annotations__": annotations})
        )
        return item


def attribute(rand: random.Random) -> tuple[Any, bool, Any]:
    type_ = rand.choice(list(VALUES))
    optional = rand.random() < 0.4
    default = (
        rand.choice([one for one in VALUES[type_] if "\0" not in str(one)])
        if rand.random() < 0.7
        else (None if optional else UNSET)
    )
    return type_, optional, [] if isinstance(default, list) else default


def extras(rand: random.Random, attributes: dict[str, tuple[Any, bool, Any]], *, keys: bool) -> dict[str, Any]:
    able = [name for name, (type_, *_) in attributes.items() if type_ not in (list[str], bytes, bool)]
    indexes = [Index(name) for name in able if rand.random() < 0.3]
    if able and rand.random() < 0.2:
        indexes.append(Unique(rand.choice(able), "id"))
    key = ("id",)
    keyable = [name for name in able if attributes[name][0] in (int, datetime, Level) and not attributes[name][1]]
    if keys and keyable and rand.random() < 0.2:
        key = (rand.choice(keyable), "id")
    return {"indexes": indexes, "key": key}


def changed(rand: random.Random, before: Declared, *, keys: bool) -> Declared:
    attributes, former = {}, {}
    for name, one in before.attributes.items():
        what = rand.random()
        if what < 0.1:
            continue
        if what < 0.25 and (
            free := [other for other in NAMES if other not in before.attributes and other not in attributes]
        ):
            new = rand.choice(free)
            former[new], attributes[new] = name, one
        elif what < 0.45:
            attributes[name] = attribute(rand)
        elif what < 0.6:
            attributes[name] = (one[0], not one[1], UNSET if one[2] is None else one[2])
        else:
            attributes[name] = one
    for name in NAMES:
        if name not in attributes and name not in before.attributes and rand.random() < 0.2:
            attributes[name] = attribute(rand)
    return Declared(attributes, former, extras(rand, attributes, keys=keys))


def expected(before: Declared, after: Declared, row: dict[str, Any]) -> dict[str, Any]:
    """Return the values of an item after the change. `LookupError` where there is none."""
    found = {"id": row["id"]}
    for name, (type_, optional, default) in after.attributes.items():
        source = after.former.get(name, name)
        if source not in before.attributes:
            value: Any = default
        else:
            old, value = before.attributes[source][0], row[source]
            if value is not None and old != type_:
                value = converted(old, type_, value)
            if value is None and not optional and before.attributes[source][1]:
                value = default
        if value is UNSET or (value is None and not optional):
            if value is UNSET and optional:
                value = None
            else:
                raise LookupError(name)
        found[name] = value
    return found


def converted(old: Any, new: Any, value: Any) -> Any:
    base = {Level: int, Size: str}
    plain = value.value if isinstance(value, enum.Enum) else value
    forms = FORMS.get(base.get(old, old)), FORMS.get(base.get(new, new))
    if None in forms:
        raise LookupError(value)
    if forms[0] != forms[1]:
        try:
            plain = CONVERSIONS[forms](plain)  # type: ignore[index]
        except (*INEXACT, KeyError) as error:
            raise LookupError(value) from error
    try:
        return new(plain) if new in (Level, Size) else plain
    except ValueError as error:
        raise LookupError(value) from error


def play(place: Place, seed: int, rounds: int = 4, *, keys: bool = True) -> None:
    rand = random.Random(seed)
    names = rand.sample(NAMES, 4)
    declared = Declared({name: attribute(rand) for name in names}, {}, {})
    item = declared.item()
    app = place.filled(item)
    rows: dict[str, dict[str, Any]] = {}
    for number in range(4):
        row = {"id": str(number)} | {
            name: None if optional and rand.random() < 0.3 else rand.choice(VALUES[type_])
            for name, (type_, optional, _) in declared.attributes.items()
        }
        app.store(item).create(row)
        rows[row["id"]] = row
    for _ in range(rounds):
        after = changed(rand, declared, keys=keys)
        try:
            wanted = {key: expected(declared, after, row) for key, row in rows.items()}
        except LookupError:
            with pytest.raises(SchemaMismatch):
                place.migrated(after.item())
        else:
            try:
                _, planned = place.migrated(after.item())
                left = tuple(str(change.allow) for one in planned for change in one.left)
                app, planned = place.migrated(after.item(), allow=left, unknown_allowed=True)
                left = tuple(str(change.allow) for one in Migration(app).plan() for change in one.left)
                app, _ = place.migrated(after.item(), allow=left)  # columns of former names
            except SchemaMismatch as error:
                keys = after.extra.get("key", ("id",))
                if keys != ("id",) or "share" in str(error):
                    item = declared.item()
                    continue
                raise
            declared, rows = after, wanted
        item = declared.item()
        app = place.app(item)
        app.prepare()
        found = {
            one.id: {name: getattr(one, name) for name in ("id", *declared.attributes)}
            for one in app.store(item).search_all()
        }
        assert found == rows, (seed, found, rows)
        for name in declared.attributes:
            for value in {repr(row[name]): row[name] for row in rows.values()}.values():
                if isinstance(value, list):
                    continue
                compared = getattr(item, name)
                where = compared.is_null() if value is None else compared == value
                matches = {one.id for one in app.store(item).search_all(where)}
                assert matches == {key for key, row in rows.items() if row[name] == value}, (seed, name, value)


@pytest.mark.parametrize("seed", range(6))
def test_random_changes_of_a_declaration_keep_every_value(place: Place, seed: int) -> None:
    play(place, seed)


@pytest.mark.parametrize("seed", [0, 1, 29, 33, 44, 80])
def test_random_changes_of_a_declaration_keep_every_value_on_dynamodb(moto_endpoint: str, seed: int) -> None:
    tables = Tables(f"dynamodb://us-east-1?endpoint={moto_endpoint}&partiql=0")
    play(tables, seed, keys=False)
    assert tables.opened is not None
    tables.opened.close()
