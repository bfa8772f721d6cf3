"""Members of integer enums are valid values of attributes, like members of other enums."""

from __future__ import annotations

import enum

import pytest

from persisty import App, Attr, Create, InvalidInput, Update, stored


class Level(enum.Enum):
    LOW = 1
    HIGH = 2


@stored
class Alarm:
    id: Attr[str]
    level: Attr[Level]
    before: Attr[list[Level]] = Attr(factory=list)
    by_name: Attr[dict[str, Level]] = Attr(factory=dict)
    last: Attr[Level | None] = Attr(default=None)


APP = App("alarms", items=[Alarm], url="memory://")


@pytest.fixture(params=["memory://", "sqlite://"])
def app(request: pytest.FixtureRequest) -> App:
    APP.use(request.param)
    return APP


def test_members_are_created_changed_and_found(app: App) -> None:
    store = app.store(Alarm)
    made = store.create(Alarm(id="a", level=Level.HIGH, before=[Level.LOW], by_name={"x": Level.HIGH}))
    assert store.read("a") == made
    assert (made.level, made.before, made.by_name) == (Level.HIGH, [Level.LOW], {"x": Level.HIGH})
    assert store.create({"id": "b", "level": Level.LOW, "last": Level.LOW}).last is Level.LOW
    assert store.create({"id": "c", "level": 1}).level is Level.LOW
    changed = store.update("a", {"level": Level.LOW, "before": [Level.HIGH]}, when=Alarm.level == Level.HIGH)
    assert changed is not None
    assert (changed.level, changed.before) == (Level.LOW, [Level.HIGH])
    assert {one.id for one in store.search(Alarm.level.oneof([Level.LOW]))} == {"a", "b", "c"}


def test_batches_accept_members(app: App) -> None:
    store = app.store(Alarm)
    done = store.edit_batch([Create(Alarm(id="d", level=Level.HIGH)), Update("d", {"level": Level.LOW})])
    assert [one.code for one in done] == ["ok", "ok"]


def test_other_faults_are_still_reported(app: App) -> None:
    with pytest.raises(InvalidInput) as refused:
        app.store(Alarm).create({"id": 5, "level": Level.LOW})
    assert [fault.path for fault in refused.value.faults] == ["/id"]
    with pytest.raises(InvalidInput):
        app.store(Alarm).create({"id": "e", "level": 3})
