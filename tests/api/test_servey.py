"""Operations as servey's Actions: their names and signatures, and the same results as over REST."""

from __future__ import annotations

import inspect
from typing import Any
from uuid import UUID

import pytest
from servey.action.action import Action
from servey.security.authorization import Authorization, get_inject_at
from servey.trigger.web_trigger import WebTrigger

from persisty import Access, App, Attr, owned, scope, stored
from persisty.api.actions import operations
from persisty.api.servey import servey_actions
from persisty.errors import Forbidden, Unauthenticated

from .conftest import Caller


@pytest.fixture
def actions(app: App) -> dict[str, Action]:
    return {one.name: one for one in servey_actions(app)}


def test_every_operation_is_an_action_with_its_web_trigger(app: App, actions: dict[str, Action]) -> None:
    offered = operations(app)
    assert set(actions) == {*offered, "not_offered"}
    for name, operation in offered.items():
        [trigger] = [one for one in actions[name].triggers if isinstance(one, WebTrigger)]
        assert trigger.method.value.upper() == operation.method


def test_signatures_are_complete_and_typed(actions: dict[str, Action]) -> None:
    for action in actions.values():
        signature = inspect.signature(action.fn)
        assert signature.return_annotation is not inspect.Signature.empty
        assert all(one.annotation is not inspect.Parameter.empty for one in signature.parameters.values())


def test_actions_return_the_same_values_as_rest(actions: dict[str, Action], call: Caller) -> None:
    kind: Any = inspect.signature(actions["thing_create"].fn).parameters["item"].annotation
    made = actions["thing_create"].fn(item=kind(name="x", weight=3))
    status, item = call("GET", f"/api/thing/{made.id}")
    assert (status, item["name"], item["weight"], item["version"]) == (200, "x", 3, 1)
    changed = actions["thing_update"].fn(key=str(made.id), changes={"weight": 4}, when={"weight": {"eq": 3}})
    assert (changed.weight, changed.version) == (4, 2)
    page = actions["thing_search"].fn(where={"name": {"eq": "x"}}, limit=5)
    assert ([one.id for one in page.items], page.cursor) == ([made.id], None)
    assert actions["thing_count"].fn() == 1
    assert actions["thing_read"].fn(key="nothing") is None
    assert actions["thing_read_batch"].fn(keys=["nothing", str(made.id)])[1].id == made.id
    results = actions["thing_edit_batch"].fn(edits=[{"delete": {"key": str(made.id)}}, {"delete": {"key": "nothing"}}])
    assert [one["code"] for one in results] == ["ok", "not_found"]
    edits = [{"store": "thing", "create": {"name": "y"}}, {"store": "thing", "delete": {"key": "nothing"}}]
    assert [one["code"] for one in actions["edit_batch"].fn(edits=edits)] == ["ok", "not_found"]
    assert actions["add"].fn(left=1).total == 2


@stored(access=Access(read=owned("owner") | scope("admin"), create=owned("owner"), update=owned("owner")))
class Diary:
    id: UUID
    owner: str
    text: str
    mood: str | None = Attr(default=None, readable=owned("owner"))
    digest: str = Attr(default="x", readable=False, creatable=False, updatable=False)


def test_a_store_s_actions_are_called_on_behalf_of_the_host_s_caller() -> None:
    app = App("diaries", items=[Diary], url="memory://")
    actions = {one.name: one.fn for one in servey_actions(app)}
    assert all(get_inject_at(fn) == "authorization" for fn in actions.values())
    ann, ben, admin = (
        Authorization(name, frozenset(scopes), None, None)
        for name, scopes in (("ann", ()), ("ben", ()), ("root", ("admin",)))
    )
    create = inspect.signature(actions["diary_create"]).parameters["item"].annotation
    made = actions["diary_create"](item=create(text="secret", mood="low"), authorization=ann)
    assert (made.owner, made.mood) == ("ann", "low")
    assert not hasattr(made, "digest")
    key = str(made.id)
    assert actions["diary_read"](key=key, authorization=ben) is None
    assert actions["diary_read"](key=key, authorization=admin).mood is None
    with pytest.raises(Unauthenticated):
        actions["diary_read"](key=key)
    with pytest.raises(Forbidden):
        actions["diary_update"](key=key, changes={"text": "x"}, authorization=admin)
    assert actions["diary_update"](key=key, changes={"text": "mine"}, authorization=ann).text == "mine"
