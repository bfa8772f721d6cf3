"""Orders with lines, and a registry of after triggers that records what its handlers get."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Sequence
from time import monotonic, sleep
from typing import Any

from persisty import App, Attr, BelongsTo, Unique, link, stored
from persisty.application.working import Workers, drain
from persisty.store.outbox import Outbox, State
from persisty.store.trigger_registry import AfterTrigger, Handler
from persisty.triggers.event import Event

KINDS = ("created", "updated", "deleted")


@stored(indexes=[Unique("number")])
class Order:
    id: Attr[str]
    status: Attr[str] = Attr(default="open")
    number: Attr[int | None] = Attr(default=None)


@stored
class Line:
    id: Attr[str]
    order_id: Attr[str]
    of: BelongsTo[Order] = link(by="order_id", on_delete="cascade")


@stored
class Remark:
    id: Attr[str]
    order_id: Attr[str | None] = Attr(default=None)
    of: BelongsTo[Order] = link(by="order_id", on_delete="nullify")


@stored
class Note:
    id: Attr[str]
    text: Attr[str] = Attr(default="")


class Registry:
    """After triggers of a test: action → its triggers and its handler. The default action `log` wants every change."""

    def __init__(self) -> None:
        self.stores: set[str] = {"order", "line", "remark", "note"}
        self.rows: dict[tuple[str, str], list[AfterTrigger]] = defaultdict(list)
        self.handlers: dict[str, Handler] = {}
        self.events: list[Event[Any]] = []
        self.lock = threading.Lock()
        self.add("log", self.log)

    def add(
        self,
        action: str,
        call: Callable[[Any], Any],
        *,
        kinds: Sequence[str] = KINDS,
        wants: Callable[[Any, Any], bool] = lambda before, after: True,
        **options: Any,
    ) -> None:
        self.handlers[action] = Handler(call, **{"pause": 0.02, **options})
        for store in self.stores:
            for kind in kinds:
                self.rows[store, kind].append(AfterTrigger(action, wants))

    def only(self, action: str, call: Callable[[Any], Any], **options: Any) -> None:
        """Replace the default action."""
        self.rows.clear()
        self.handlers.clear()
        self.add(action, call, **options)

    def after(self, store: str, kind: str) -> Sequence[AfterTrigger]:
        return self.rows.get((store, kind), ())

    def handler(self, action: str) -> Handler | None:
        return self.handlers.get(action)

    def log(self, event: Event[Any]) -> None:
        with self.lock:
            self.events.append(event)

    @property
    def seen(self) -> list[tuple[str, str, str]]:
        """The handled changes: store, kind, key."""
        return [(one.store, one.kind, one.key) for one in self.events]


def app_at(url: str) -> tuple[App, Registry]:
    """Return an app of orders, with the default action."""
    app, registry = App("shop", items=[Order, Line, Remark, Note], url=url, idempotency=None), Registry()
    app.triggers = registry
    app.prepare()
    return app, registry


def outbox_of(app: App) -> Outbox:
    [outbox] = app.outboxes.values()
    return outbox


def waiting(app: App) -> int:
    """Return the number of events that are not handled."""
    return sum(outbox_of(app).counts().values())


def parked(app: App) -> Sequence[Any]:
    return outbox_of(app).search(State.PARKED, None, None, 100)


def eventually(condition: Callable[[], Any], seconds: float = 10.0) -> bool:
    """Return whether the condition becomes true in time."""
    until = monotonic() + seconds
    while not condition():
        if monotonic() > until:
            return False
        sleep(0.01)
    return True


__all__ = ["Workers", "drain"]
