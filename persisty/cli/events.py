"""`persisty events list|show|replay|drop`: the events of triggers that wait, are held after a failure, are parked or scheduled.

An event has a number in its engine, which `list` prints. With `--stage`, the events are those that a deployment on AWS has given up (`dead_letters.py`). Exit code 0: done. 1: there is no such event. 2: the call is invalid.
"""

from __future__ import annotations

import enum
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from time import time
from typing import Annotated

import msgspec
import typer
from rich.table import Table

from ..application import App
from ..errors import Fault, InvalidDeclaration
from ..store.outbox import Outbox, OutboxEvent, Payload, State
from ..triggers.failure_texts import headline
from . import dead_letters
from .cdk_options import ProfileOption
from .diff import load
from .tables import print_table

SHOWN = 60
"""The most characters of a reason in a list."""
ALL = "all"
OF_ALL = frozenset({"--store", "--action"})
"""The options of `replay all` and `drop all`."""
LISTED, MOST = 100, 1_000_000
"""The most events of a list, and of `all`."""
MOST_DIGITS = 18
"""The most digits of a number that every engine has."""
ALWAYS_COUNTED = (State.READY, State.HELD, State.PARKED)


class What(enum.StrEnum):
    list = "list"
    show = "show"
    replay = "replay"
    drop = "drop"


class Which(enum.StrEnum):
    ready = "ready"
    held = "held"
    parked = "parked"
    scheduled = "scheduled"


def command(
    what: Annotated[What, typer.Argument(help="What to do")],
    numbers: Annotated[
        list[str] | None, typer.Argument(metavar="[NUMBER]…", help="Numbers of events, or `all` parked ones")
    ] = None,
    app: Annotated[str | None, typer.Option(help="The app, as module:attribute")] = None,
    url: Annotated[str | None, typer.Option(help="URL of the engine, instead of the app's")] = None,
    engine: Annotated[str | None, typer.Option(help="Name of another engine of the app")] = None,
    state: Annotated[Which | None, typer.Option(help="List events in this state")] = None,
    store: Annotated[str | None, typer.Option(help="Events of this store")] = None,
    action: Annotated[str | None, typer.Option(help="Events for this action")] = None,
    limit: Annotated[int | None, typer.Option(min=1, max=10_000, help="List at most so many events (100)")] = None,
    stage: Annotated[
        str | None, typer.Option(help="A stage that is deployed to AWS: its events that were given up")
    ] = None,
    profile: ProfileOption = None,
) -> None:
    """List, show, replay or drop the events of triggers."""
    chosen = list(dict.fromkeys(numbers or ()))
    _check(what, chosen, {"--state": state, "--store": store, "--action": action, "--limit": limit})
    loaded, _ = load(app, url, reading=True)
    if stage is not None:
        dead_letters.run(what.value, loaded.name, stage, profile, chosen, store, action)
        return
    outbox = _outbox(loaded, engine)
    outbox.prepare()
    if what is What.list:
        _list(outbox, None if state is None else State[state.name.upper()], store, action, limit or LISTED)
        return
    if what is What.show:
        for one in _numbers(chosen):
            _show(outbox, one)
        return
    if chosen == [ALL]:
        positions = [one.position for one in outbox.search(State.PARKED, store, action, MOST)]
    else:
        positions = _numbers(chosen)
    count = outbox.replay(positions, time()) if what is What.replay else outbox.drop(positions)
    done = "will be handled again" if what is What.replay else "dropped"
    typer.echo(f"{count} {'event' if count == 1 else 'events'} {done}")
    if count < len(positions):
        reason = "parked" if what is What.replay else "parked, held or scheduled"
        typer.echo(f"{len(positions) - count} not found among those that are {reason}", err=True)
        sys.exit(1)


def _check(what: What, chosen: Sequence[str], given: Mapping[str, object]) -> None:
    """Raise `InvalidDeclaration` for an argument or an option that has no effect. A wider effect than the one that was meant could drop events."""
    if what is What.list:
        taken: frozenset[str] = frozenset(given)
        if chosen:
            raise InvalidDeclaration(f"`list` takes no numbers: persisty events show {chosen[0]}")
    elif not chosen:
        raise InvalidDeclaration(f"Give the number of an event: persisty events {what} 7")
    else:
        taken = OF_ALL if chosen == [ALL] and what is not What.show else frozenset()
    faults = [
        Fault(
            f"/{name}",
            f"Has no effect on `persisty events {what} {' '.join(chosen)[:40]}`".rstrip(),
            "no such option",
            str(one),
        )
        for name, one in given.items()
        if one is not None and name not in taken
    ]
    if faults:
        raise InvalidDeclaration("Options do not apply", faults=faults)


def _outbox(app: App, engine: str | None) -> Outbox:
    found = app.outboxes.get(engine)
    if found is None:
        raise InvalidDeclaration(
            f"{app.name} has no triggers with events"
            + (f" in the engine {engine}" if engine else ": there are no events")
        )
    return found


def _numbers(texts: list[str]) -> list[int]:
    for text in texts:
        if not text.isascii() or not text.isdecimal() or len(text) > MOST_DIGITS:
            raise InvalidDeclaration(f"{text[:32]} is not the number of an event")
    return [int(text) for text in texts]


def _list(outbox: Outbox, state: State | None, store: str | None, action: str | None, limit: int) -> None:
    table = Table("number", "state", "store", "kind", "key", "action", "attempt", "due", "reason", box=None)
    events = outbox.search(state, store, action, limit)
    for one in events:
        due = "" if one.due is None else _time(one.due)
        cells = (one.position, one.state.name.lower(), one.store, one.kind, one.key, one.action, one.attempt, due)
        table.add_row(*map(str, cells), headline(one.error or "", SHOWN))
    print_table(table)
    counts = outbox.counts()
    typer.echo(
        ", ".join(f"{count} {one.name.lower()}" for one, count in counts.items() if count or one in ALWAYS_COUNTED)
    )


def _show(outbox: Outbox, position: int) -> None:
    event = outbox.at(position)
    if event is None:
        typer.echo(f"There is no event {position}: it was handled, or dropped", err=True)
        sys.exit(1)
    for name, value in _shown(event):
        typer.echo(f"{name:<9}{value}")
    if event.error:
        typer.echo(f"\n{event.error.rstrip()}")


def _shown(event: OutboxEvent) -> list[tuple[str, str]]:
    payload = msgspec.json.decode(event.payload, type=Payload)
    return [
        ("number", str(event.position)),
        ("id", str(payload.id)),
        ("state", event.state.name.lower()),
        ("store", event.store),
        ("kind", event.kind),
        ("key", event.key),
        ("action", event.action),
        ("attempt", str(event.attempt)),
        ("due", "" if event.due is None else _time(event.due)),
        ("at", payload.at.isoformat()),
        ("caller", payload.caller or ""),
        ("before", bytes(payload.before).decode()),
        ("after", bytes(payload.after).decode()),
    ]


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
