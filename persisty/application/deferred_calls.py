"""Calls that an app defers: `App.schedule`, and messages of its queues. Their events are in the outbox of the app's own engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from time import time
from typing import TYPE_CHECKING, Any, Literal, get_args
from uuid import UUID, uuid4

import msgspec
from msgspec import Struct

from ..deferred import deferred
from ..errors import Conflict, Fault, InvalidDeclaration, InvalidInput
from ..store.change_feed import Feed
from ..store.connection import Connection
from ..store.outbox import MESSAGE, SCHEDULED, NewEvent, Payload
from .declaration import Action, are_imported
from .engines import Engines
from .stored_by import StoredBy, no_outbox

if TYPE_CHECKING:
    from ..triggers.declared import DeclaredTriggers
    from ..triggers.detached_triggers import Detached
    from ..triggers.messages import Signature

MAX_KEY = 512
"""The most characters of a key."""
LONGEST = timedelta(days=3660)
"""The longest delay."""
Delay = timedelta | float
"""A time span, or its seconds."""
Priority = Literal["normal", "high"]
_json = msgspec.json.Encoder().encode


class DefersCalls(StoredBy):
    """The part of an `App` that schedules calls and sends messages."""

    _actions: tuple[Action, ...]

    def __init__(self, engines: Engines, feed: Feed, keep: timedelta | None) -> None:
        super().__init__(engines, feed, keep)
        self._detached: Detached | None = None
        self._used_queues: set[str] = set()

    @property
    def declared_triggers(self) -> DeclaredTriggers:
        """The triggers of the actions."""
        raise NotImplementedError

    @property
    def detached(self) -> Detached:
        """The timers, scheduled calls and queues of the actions, compiled once. Imports the modules of the actions.

        `InvalidDeclaration` lists every fault of their declarations.
        """
        if self._detached is None:
            final = are_imported(self._actions, self.name)
            found: Detached = deferred("persisty.triggers.detached").detached_of(self.declared_triggers)
            if found.faults:
                raise InvalidDeclaration("The triggers of the app are not valid", faults=found.faults)
            if not final:  # a module of actions is being imported: it may declare more
                return found
            self._detached = found
        return self._detached

    @property
    def has_actions(self) -> bool:
        """Return whether the app declares custom actions. Imports none of their modules."""
        raise NotImplementedError

    @property
    def has_timers(self) -> bool:
        """Return whether an action of the app has a timer, and the app's own engine stores events. Imports the modules of the actions."""
        return self.has_actions and bool(self.detached.timed) and self.own_engine.outbox is not None

    def schedule(
        self,
        action: Callable[..., Any] | str,
        arguments: Mapping[str, Any] | None = None,
        *,
        at: datetime | None = None,
        delay: Delay | None = None,
        key: str | None = None,
    ) -> UUID:
        """Call an action once, at a time or after a delay, and return the id of the call's event. Workers call it, at least once.

        `action`: a function with the trigger `Scheduled()`, or its name. `arguments`: by the names of its parameters. In a transaction of the app's own engine, the
        call is scheduled if the transaction is committed. `key`: `cancel` finds the call by it; `Conflict` is raised while another call of the action
        with this key is scheduled. Raises `InvalidInput` with every fault of the arguments.
        """
        name, signature = self._scheduled(action)
        faults: list[Fault] = []
        if arguments is not None and not isinstance(arguments, Mapping):
            faults.append(Fault("/arguments", "Not arguments by name", "a dict", type(arguments).__name__))
        due = _due(at, delay, faults)
        if key is not None and not _is_key(key):
            faults.append(_not_a_key("/key", key))
        if faults:
            raise InvalidInput("The call cannot be scheduled", faults=faults)
        payload = Payload(uuid4(), datetime.fromtimestamp(due, UTC), after=signature.encode_arguments(arguments or {}))
        event = NewEvent("", SCHEDULED, key or str(payload.id), name, _json(payload).decode())
        if not self._outbox_connection.schedule(event, due):
            raise Conflict(f"A call of {name} with this key is scheduled", key=key)
        return payload.id

    def cancel(self, action: Callable[..., Any] | str, key: str) -> bool:
        """Cancel a scheduled call. Return whether it was scheduled: then it will not be made. False if it has begun, or was made.

        In a transaction of the app's own engine, the call is cancelled if the transaction is committed.
        """
        name, _ = self._scheduled(action)
        if not _is_key(key):
            raise InvalidInput("There is no such call", faults=[_not_a_key("/key", key)])
        return self._outbox_connection.cancel(("", key, name))

    def _scheduled(self, action: Callable[..., Any] | str) -> tuple[str, Signature]:
        name = _name_of(action)
        signature = self.detached.scheduled.get(name)
        if signature is None:
            raise InvalidDeclaration(f"{name[:80]} is not an action of {self.name} with the trigger Scheduled()")
        return name, signature

    def queue(self, name: str) -> AppQueue:
        """Return a queue of the app. The start fails if no action has the trigger `Queue(name)`."""
        if not isinstance(name, str):
            raise InvalidDeclaration(f"{name!r:.80} is not the name of a queue")
        self._used_queues.add(name)
        return AppQueue(self, name)

    def queue_faults(self) -> list[Fault]:
        """Return a fault for each queue that is used, and that no action handles."""
        if not self._used_queues:
            return []
        handled = self.detached.queues
        expected = "@action(triggers=Queue(name))"
        return [
            Fault(f"/queues/{name[:80]}", "No action handles this queue", expected)
            for name in sorted(self._used_queues - handled.keys())
        ]

    @property
    def _outbox_connection(self) -> Connection:
        connection = self._engines.connected()
        if connection.outbox is None:
            raise InvalidDeclaration(f"The engine of {self.name} stores no events on this host", faults=[no_outbox()])
        return connection

    def _send(self, queue: str, message: Any, options: Options) -> UUID | None:
        handled = self.detached.queues.get(queue)
        if handled is None:
            raise InvalidDeclaration(f"No action of {self.name} handles the queue {queue[:80]}")
        if faults := list(options.faults()):
            raise InvalidInput("The message cannot be sent", faults=faults)
        payload = Payload(uuid4(), datetime.now(UTC), after=handled.signature.encode_message(message))
        key = options.order_key if options.dedupe is None else options.dedupe
        event = NewEvent(
            "", MESSAGE, f"{queue}/{payload.id if key is None else key}", handled.action, _json(payload).decode()
        )
        connection = self._outbox_connection
        if not options.is_scheduled:
            connection.append([event])
        elif not connection.schedule(event, time() + _seconds(options.delay or 0)):
            return None
        return payload.id


class Options(Struct, frozen=True):
    """The options of a message, see `AppQueue.send`."""

    delay: Delay | None
    priority: Priority
    dedupe: str | None
    order_key: str | None

    @property
    def is_scheduled(self) -> bool:
        """Return whether workers look for the message by its time, instead of by its position among all events."""
        return self.delay is not None or self.dedupe is not None or self.priority != "normal"

    def faults(self) -> Iterator[Fault]:
        """Yield the faults of the options."""
        if self.delay is not None and not _is_delay(self.delay):
            yield _not_a_delay(self.delay)
        if self.priority not in get_args(Priority):
            expected = "one of " + ", ".join(get_args(Priority))
            yield Fault("/priority", "Not a priority", expected, repr(self.priority)[:80])
        for path, key in (("/dedupe", self.dedupe), ("/order_key", self.order_key)):
            if key is not None and not _is_key(key):
                yield _not_a_key(path, key)
        if self.order_key is not None and self.is_scheduled:
            expected = "no delay, no priority and no dedupe key"
            yield Fault("/order_key", "Ordered messages are handled in the order in which they are sent", expected)


class AppQueue:
    """A queue of an app. Messages are stored in the app's own engine, and workers handle each at least once."""

    def __init__(self, app: DefersCalls, name: str) -> None:
        self._app, self.name = app, name

    def send(
        self,
        message: Any,
        *,
        delay: Delay | None = None,
        priority: Priority = "normal",
        dedupe: str | None = None,
        order_key: str | None = None,
    ) -> UUID | None:
        """Send a message, and return the id of its event. In a transaction of the app's own engine, it is sent if the transaction is committed.

        `delay`: the message is handled after this time. `priority`: `high` overtakes the messages that wait in the engine, and starts within about a
        second. `dedupe`: nothing is sent, and None is returned, while a message of this queue with this key waits. `order_key`: messages with this key are
        handled one at a time, in the order in which they were sent. Raises `InvalidInput` with every fault of the message.
        """
        return self._app._send(self.name, message, Options(delay, priority, dedupe, order_key))


def _name_of(action: Callable[..., Any] | str) -> str:
    if isinstance(action, str):
        return action
    marked = getattr(action, "__servey_action__", None)
    if marked is None:
        raise InvalidDeclaration(f"{action!r:.80} is not marked by @action")
    return str(marked.name)


def _due(at: datetime | None, delay: Delay | None, faults: list[Fault]) -> float:
    """Return the time in seconds since 1970."""
    if (at is None) == (delay is None):
        faults.append(Fault("/at", "The time is not clear", "either at or delay"))
    elif delay is not None:
        if _is_delay(delay):
            return time() + _seconds(delay)
        faults.append(_not_a_delay(delay))
    elif not isinstance(at, datetime) or at.tzinfo is None:
        faults.append(Fault("/at", "Not a datetime with a time zone", "datetime.now(UTC) + …", str(at)[:80]))
    elif at > datetime.now(UTC) + LONGEST:
        faults.append(Fault("/at", "Too late", f"within {LONGEST.days} days", str(at)[:80]))
    else:
        return max(0.0, at.timestamp())
    return 0.0


def _is_delay(delay: Any) -> bool:
    if not isinstance(delay, timedelta) and type(delay) not in (int, float):
        return False
    return 0 <= (delay.total_seconds() if isinstance(delay, timedelta) else delay) <= LONGEST.total_seconds()


def _seconds(delay: Delay) -> float:
    return delay.total_seconds() if isinstance(delay, timedelta) else float(delay)


def _not_a_delay(delay: Any) -> Fault:
    return Fault("/delay", "Not a delay", f"0 seconds to {LONGEST.days} days", str(delay)[:80])


def _is_key(key: Any) -> bool:
    return isinstance(key, str) and 1 <= len(key) <= MAX_KEY and key.isprintable()


def _not_a_key(path: str, key: Any) -> Fault:
    return Fault(path, "Not a key", f"a string of 1 to {MAX_KEY} printable characters", repr(key)[:80])
