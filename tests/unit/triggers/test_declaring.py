"""Declaring triggers of changes: what chooses the changes, what the handlers get, and the faults that stop a start."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import pytest
from msgspec import Struct
from servey.action.action import action
from servey.trigger.web_trigger import WEB_GET, WEB_POST

from persisty import (
    After,
    AfterCreate,
    AfterDelete,
    AfterUpdate,
    App,
    Attr,
    Before,
    BeforeCreate,
    BelongsTo,
    Caller,
    Cron,
    Event,
    InvalidDeclaration,
    Queue,
    Retry,
    Scheduled,
    current_event,
    everyone,
    link,
    meta_of,
    settings,
    stored,
)
from persisty.api.actions import action_operations
from persisty.application.working import drain
from persisty.deploy.app_checks import Checked, findings
from persisty.deploy.deployed_settings import Deployed
from persisty.deploy.plan import plan_of
from persisty.errors import InternalError
from persisty.hosting.server import Server
from persisty.store.store import context_of
from persisty.triggers.registry import trigger_faults
from persisty.triggers.unmet_triggers import unmet_triggers

ROOT = Path(__file__).parents[3]


class Place(Struct):
    city: str


@stored
class Shelf:
    id: Attr[str]
    name: Attr[str] = Attr(default="")


@stored
class Order:
    id: Attr[str]
    status: Attr[Literal["open", "paid", "closed"]] = Attr(default="open")
    total: Attr[int] = Attr(default=0)
    place: Attr[Place | None] = Attr(default=None)
    shelf_id: Attr[str | None] = Attr(default=None)
    shelf: BelongsTo[Shelf] = link(by="shelf_id", on_delete="ignore")


@stored
class Elsewhere:
    id: Attr[str]


def app_of(*actions: Any, url: str = "memory://") -> App:
    return App("shop", items=[Shelf, Order], actions=actions, url=url, idempotency=None)


def printed_by(script: str, folder: Path) -> str:
    """Return what a script prints in a process of its own. It can import the modules in a folder."""
    known = {"PYTHONPATH": f"{ROOT}:{folder}"}
    run = subprocess.run(
        [sys.executable, "-c", script], cwd=folder, env=known, capture_output=True, text=True, check=False
    )
    return run.stdout + run.stderr


def events_of(trigger: Any) -> list[str]:
    """Return the events of the changes below, as `kind status`."""
    found: list[str] = []

    @action(triggers=trigger)
    def handler(event: Event[Order]) -> None:
        found.append(f"{event.kind} {event.item.status}")

    app = app_of(handler)
    orders = app.store(Order)
    orders.create(Order(id="a", place=Place("Rome")))
    orders.create(Order(id="b"))
    for change in ({"status": "paid"}, {"status": "paid", "total": 5}, {"status": "closed"}):
        orders.update("a", change)
    orders.update("a", {"place": Place("Bari")})
    orders.delete("a")
    drain(app)
    return found


PAID = AfterUpdate(Order, before=Order.status != "paid", after=Order.status == "paid")
CHOSEN: dict[str, tuple[Any, list[str]]] = {
    "every create": (AfterCreate(Order), ["created open", "created open"]),
    "creates of a city": (AfterCreate(Order, where=Order.place.city == "Rome"), ["created open"]),
    "became paid": (PAID, ["updated paid"]),
    "changed": (AfterUpdate(Order, changed=["status"]), ["updated paid", "updated closed"]),
    "changed, nested": (AfterUpdate(Order, changed=["place.city"]), ["updated closed"]),
    "changed, one of": (AfterUpdate(Order, changed=[Order.total, Order.place]), ["updated paid", "updated closed"]),
    "every delete": (AfterDelete(Order, where=Order.status == "closed"), ["deleted closed"]),
    "no delete": (AfterDelete(Order, where=Order.status == "open"), []),
    "several verbs": (
        After(Order, on=["create", "delete"], where=Order.place.is_null(False)),
        ["created open", "deleted closed"],
    ),
    "several triggers": ((AfterDelete(Order), PAID), ["updated paid", "deleted closed"]),
    "one event of two triggers": (
        (PAID, AfterUpdate(Order, after=Order.total == 0)),
        ["updated paid", "updated closed"],
    ),
    "by name": (AfterDelete("order"), ["deleted closed"]),
}


@pytest.mark.parametrize("name", CHOSEN)
def test_a_trigger_chooses_its_changes(name: str) -> None:
    trigger, expected = CHOSEN[name]
    found = events_of(trigger)
    if name == "one event of two triggers":
        assert found == ["updated paid"]
    else:
        assert found == expected


def test_a_handler_may_be_async_and_take_no_event() -> None:
    got: list[Any] = []

    @action(triggers=AfterCreate(Order))
    async def with_event(event: Event[Order]) -> None:
        await asyncio.sleep(0)
        got.append((event.item.id, current_event() is event))

    @action(triggers=AfterCreate(Order))
    def without() -> None:
        event = current_event()
        got.append(event and event.key)

    app = app_of(with_event, without)
    app.store(Order).create(Order(id="a"))
    drain(app)
    assert sorted(got, key=str) == [("a", True), "a"]
    assert current_event() is None


def test_a_handler_without_an_event_may_also_be_called_by_the_web() -> None:
    @action(access_control=everyone, triggers=(WEB_POST, AfterCreate(Order)))
    def count() -> int:
        return 3

    app = app_of(count)
    assert list(action_operations(app)) == ["count"]
    app.store(Order).create(Order(id="a"))
    assert drain(app) == 1


def test_a_handler_has_the_timeout_of_its_action_and_the_retries_of_its_trigger() -> None:
    @action(triggers=AfterCreate(Order, retry=Retry(attempts=3, pause=0.5)), timeout=7)
    def mail(event: Event[Order]) -> None:
        raise ValueError("no")

    @action(triggers=AfterCreate(Order))
    def other(event: Event[Order]) -> None: ...

    app = app_of(mail, other)
    handler, default = app.triggers.handler("mail"), app.triggers.handler("other")
    assert handler is not None
    assert default is not None
    assert (handler.timeout, handler.attempts, handler.pause) == (7, 3, 0.5)
    assert (default.timeout, default.attempts, default.pause) == (15, 12, 1)
    assert app.triggers.handler("third") is None


def test_an_async_handler_is_cancelled_after_its_timeout() -> None:
    @action(triggers=AfterCreate(Order), timeout=0.01)  # type: ignore[arg-type]
    async def slow(event: Event[Order]) -> None:
        await asyncio.sleep(30)

    app = app_of(slow)
    app.store(Order).create(Order(id="a"))
    assert drain(app) == 0


@action(triggers=AfterCreate(Order, where=Order.shelf.name == "x"))
def through_a_link(event: Event[Order]) -> None: ...


@action(triggers=(AfterUpdate(Order, before=Order.total == "many", changed=["colour", "status"]), AfterCreate(Order)))  # type: ignore[arg-type]
def unknown_names(event: Event[Order]) -> None: ...


@action(triggers=(AfterCreate(Elsewhere), AfterCreate("nothing")))
def unknown_items(event: Event[Any]) -> None: ...


@action(triggers=AfterCreate(Order))
def of_others(event: Event[Shelf]) -> None: ...


@action(triggers=AfterCreate(Order))
def no_event(order: Order) -> None: ...


@action(triggers=AfterCreate(Order))
def two(event: Event[Order], caller: Caller) -> None: ...


@action(access_control=everyone, triggers=(WEB_GET, BeforeCreate(Order)))
def by_web(event: Event[Order]) -> None: ...


@action(triggers=(AfterCreate(Order, retry=Retry(2)), AfterDelete(Order, retry=Retry(3))))
def two_policies(event: Event[Order]) -> None: ...


@action(triggers=AfterCreate(Order), name="two_policies")
def same_name(event: Event[Order]) -> None: ...


def generator(event: Event[Order]) -> Any:
    yield event


async def async_generator(event: Event[Order]) -> Any:
    yield event


for _function in (generator, async_generator):
    action(triggers=(BeforeCreate(Order), AfterCreate(Order)))(_function)


FAULTS: dict[str, tuple[Any, list[str]]] = {
    "a link": (through_a_link, ["/actions/through_a_link/triggers/0/where"]),
    "names": (
        unknown_names,
        ["/actions/unknown_names/triggers/0/before/total/eq", "/actions/unknown_names/triggers/0/changed/0"],
    ),
    "items": (unknown_items, [f"/actions/unknown_items/triggers/{n}/item" for n in (0, 1)]),
    "of other items": (of_others, ["/actions/of_others/triggers/0"]),
    "no event": (no_event, ["/actions/no_event/parameters/order"]),
    "two parameters": (two, ["/actions/two/parameters"]),
    "the web": (by_web, ["/actions/by_web/parameters"]),
    "retries": (two_policies, ["/actions/two_policies/triggers"]),
    "a generator": (generator, ["/actions/generator"]),
    "an async generator": (async_generator, ["/actions/async_generator"]),
}


@pytest.mark.parametrize("name", FAULTS)
def test_an_invalid_trigger_stops_the_start_and_the_first_write(name: str) -> None:
    function, paths = FAULTS[name]
    for start in (Server, action_operations, lambda app: app.store(Order).create(Order(id="a")), App.prepare):
        with pytest.raises(InvalidDeclaration) as caught:
            start(app_of(function))
        assert [one.path for one in caught.value.faults] == paths


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), float("inf"), "1", None, True])
@pytest.mark.parametrize(
    "trigger", [BeforeCreate(Order), AfterCreate(Order), Cron("0 8 * * *"), Queue("q"), Scheduled()]
)
def test_a_timeout_is_a_number_of_seconds(trigger: Any, timeout: Any) -> None:
    def call(event: Event[Any]) -> None: ...

    made = action(triggers=trigger, timeout=timeout)(call)
    for start in (Server, lambda app: app.store(Order).create(Order(id="a")), App.prepare):
        with pytest.raises(InvalidDeclaration) as caught:
            start(app_of(made))
        assert [one.path for one in caught.value.faults] == ["/actions/call/timeout"]


def test_a_function_that_returns_a_generator_fails() -> None:
    def many(event: Event[Order]) -> Any:
        return (one for one in [event])

    app = app_of(action(triggers=BeforeCreate(Order))(many))
    with pytest.raises(InternalError):
        app.store(Order).create(Order(id="a"))


def test_every_fault_is_reported_at_once() -> None:
    with pytest.raises(InvalidDeclaration) as caught:
        Server(app_of(through_a_link, of_others, two_policies, same_name))
    assert sorted(one.path for one in caught.value.faults) == [
        "/actions/of_others/triggers/0",
        "/actions/through_a_link/triggers/0/where",
        "/actions/two_policies",
        "/actions/two_policies/triggers",
    ]


MISTAKES: dict[str, Callable[[], Any]] = {
    "/on": lambda: After(Order, on=["created"]),  # type: ignore[list-item]
    "/changed": lambda: AfterUpdate(Order, changed=[]),
    "/attempts": lambda: Retry(attempts=0),
    "/pause": lambda: Retry(pause=-1),
}


@pytest.mark.parametrize("path", MISTAKES)
def test_a_trigger_checks_its_arguments(path: str) -> None:
    with pytest.raises(InvalidDeclaration) as caught:
        MISTAKES[path]()
    assert [one.path for one in caught.value.faults] == [path]


def test_an_item_that_a_trigger_names_cannot_be_removed() -> None:
    @action(triggers=AfterUpdate(Order, changed=["total"]))
    def handler(event: Event[Order]) -> None: ...

    app = app_of(handler)
    with pytest.raises(InvalidDeclaration) as caught:
        app.remove(Order)
    assert [one.path for one in caught.value.faults] == ["/actions/handler/triggers/0/item"]
    app.add(Elsewhere)
    app.store(Order).create(Order(id="a"))
    app.store(Order).update("a", {"total": 1})
    assert drain(app) == 1


@pytest.mark.usefixtures("credentials")
def test_a_trigger_of_an_engine_without_events_stops_the_server() -> None:
    @action(triggers=AfterCreate(Order))
    def handler(event: Event[Order]) -> None: ...

    with pytest.raises(InvalidDeclaration) as caught:
        Server(app_of(handler, url="dynamodb://us-east-1?endpoint=http://localhost:1"))
    assert [one.path for one in caught.value.faults] == ["/order"]


def test_triggers_that_can_never_fire_are_found() -> None:
    @action(
        triggers=(
            AfterCreate(Order, where=(Order.status == "open") & (Order.status == "paid")),
            AfterUpdate(Order, changed=["id"]),
            AfterUpdate(Order, before=Order.status == "paid", after=Order.status == "paid", changed=["status"]),
            AfterUpdate(Order, before=Order.id == "a", after=Order.id == "b"),
            AfterCreate(Order, where=Order.status == "payed"),
            PAID,
        )
    )
    def handler(event: Event[Order]) -> None: ...

    app = app_of(handler)
    found = [one.path for one in unmet_triggers(app.declared_triggers, app.metas)]
    assert found == [f"/actions/handler/triggers/{number}" for number in range(5)]
    configured = settings.load()
    checked = findings(Checked(app, "shop:app", configured, Deployed(configured, {}), deploys=False))
    assert [(one.severity, one.fault.path) for one in checked if one.check == "triggers"] == [
        ("warning", path) for path in found
    ]


def test_an_app_with_actions_imports_them_at_the_first_write_and_no_earlier(tmp_path: Path) -> None:
    (tmp_path / "late.py").write_text(
        "from __future__ import annotations\n"
        "from servey.action.action import action\n"
        "from persisty import BeforeCreate, Conflict, Event\n"
        "from late_app import Note\n"
        "@action(triggers=BeforeCreate(Note))\n"
        "def refuse(event: Event[Note]) -> None:\n"
        "    raise Conflict('refused')\n"
    )
    (tmp_path / "late_app.py").write_text(
        "from persisty import App, Attr, stored\n"
        "@stored\n"
        "class Note:\n"
        "    id: Attr[str]\n"
        "app = App('late', items=[Note], actions=['late'], url='memory://', idempotency=None)\n"
    )
    script = (
        "import sys\nfrom late_app import Note, app\nnotes = app.store(Note)\nnotes.read('a'), notes.search()\n"
        "print('late' in sys.modules, 'servey' in sys.modules, 'persisty.triggers.registry' in sys.modules)\n"
        "try:\n    notes.create(Note(id='a'))\nexcept Exception as error:\n    print(error)\n"
    )
    assert printed_by(script, tmp_path) == "False False False\nrefused\n"


def test_functions_whose_app_has_no_before_trigger_do_not_load_the_actions_for_writes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    @action(access_control=everyone, triggers=WEB_GET)
    def by_caller() -> int:
        return 1

    @action(triggers=BeforeCreate(Order))
    def before(event: Event[Order]) -> None: ...

    variable = "PERSISTY_BEFORE_TRIGGERS"
    environments = [one.environment for one in plan_of(app_of(by_caller), "shop:app").functions]
    assert {one.get(variable) for one in environments} == {"off"}
    environments = [one.environment for one in plan_of(app_of(by_caller, before), "shop:app").functions]
    assert not any(variable in one for one in environments)

    monkeypatch.setenv(variable, "off")
    app = App("shop", items=[Shelf, Order], actions=["no.such.module"], url="memory://", idempotency=None)
    app.store(Order).create(Order(id="a"))
    with pytest.raises(InvalidDeclaration, match=variable):
        Server(app_of(before))


def test_a_delete_reads_nothing_before_if_the_engine_stores_no_events(monkeypatch: pytest.MonkeyPatch) -> None:
    @action(triggers=AfterDelete(Order))
    def handler(event: Event[Order]) -> None: ...

    app = app_of(handler)
    app.store(Order).create(Order(id="a"))
    path = context_of(app.store(Order)).path
    monkeypatch.setattr(path.transactions, "outbox", None)  # as on DynamoDB
    monkeypatch.setattr(path, "_read_before", None)
    assert app.store(Order).delete("a")


def test_a_module_of_actions_that_writes_while_it_is_imported_declares_its_triggers_afterwards(tmp_path: Path) -> None:
    (tmp_path / "busy.py").write_text(
        "from __future__ import annotations\n"
        "from servey.action.action import action\n"
        "from persisty import App, Attr, BeforeCreate, Conflict, Event, stored\n"
        "@stored\n"
        "class Note:\n"
        "    id: Attr[str]\n"
        "app = App('busy', items=[Note], actions=['busy'], url='memory://', idempotency=None)\n"
        "app.store(Note).create(Note(id='first'))\n"
        "@action(triggers=BeforeCreate(Note))\n"
        "def refuse(event: Event[Note]) -> None:\n"
        "    raise Conflict('refused')\n"
    )
    script = (
        "from busy import Note, app\n"
        "try:\n    app.store(Note).create(Note(id='a'))\nexcept Exception as error:\n    print(error)\n"
    )
    assert printed_by(script, tmp_path) == "refused\n"


def test_an_action_without_web_trigger_has_no_caller_and_needs_no_access_control() -> None:
    @action(triggers=Before(Order, on=["create"]))
    def handler(event: Event[Order]) -> None: ...

    app = app_of(handler)
    assert action_operations(app) == {}
    Server(app)


def test_a_trigger_that_was_made_before_servey_was_loaded_is_found() -> None:
    @action(triggers=())
    def handler(event: Event[Order]) -> None: ...

    object.__setattr__(handler.__servey_action__, "triggers", AfterCreate(Order))
    assert app_of(handler).triggers.stores == {meta_of(Order).name}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ("museum", "A link is not an attribute of the item"),
        ("museum.name", "A link is not an attribute of the item"),
        ("nme", "Unknown attribute"),
    ],
)
def test_the_attributes_of_changed_are_no_links(changed: str, message: str) -> None:
    @stored
    class Museum:
        id: Attr[str]
        name: Attr[str]

    @stored
    class Picture:
        id: Attr[str]
        museum_id: Attr[str]
        museum: BelongsTo[Museum] = link()

    @action(triggers=AfterUpdate(Picture, changed=[changed]))
    def moved() -> None: ...

    app = App("museum", items=[Museum, Picture], actions=[moved], url="memory://")
    [fault] = trigger_faults(app.declared_triggers, app.metas)
    assert (fault.path, fault.message) == ("/actions/moved/triggers/0/changed/0", message)
    assert fault.expected == "one of id, museum_id"
