"""`persisty events … --stage STAGE`: the dead letters of a deployed stage, which are the events that no handler has handled on AWS."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import msgspec
import typer
from rich.table import Table

from ..deploy.dead_letters import DeadLetter, DeadLetters
from ..deploy.deployed_tables import aws_errors
from ..drivers import driver
from ..errors import InvalidDeclaration, PersistyError
from ..triggers.failure_texts import headline
from .tables import print_table

SHOWN, ID = 60, 8
"""The most characters of a reason in a list, and those of an id."""
ALL = "all"


def run(
    what: str, app: str, stage: str, profile: str | None, chosen: Sequence[str], store: str | None, action: str | None
) -> None:
    """List, show, replay or drop dead letters. `chosen`: their ids, the beginnings of those, or `all`. Ends with exit code 1 if one was not found or not handled."""
    if what != "list" and not chosen:
        raise InvalidDeclaration(f"Give the id of an event, or the beginning of it: persisty events {what} 1f3a")
    with aws_errors():
        letters = DeadLetters(app, stage, driver("boto3").Session(profile_name=profile))
        found = letters.read()
    left = list(found)
    try:
        some = [one for one in found if (store or one.store) == one.store and (not action or action in one.actions)]
        if what == "list":
            _list(some)
            return
        wanted = some if list(chosen) == [ALL] else [one for one in some if one.id.startswith(tuple(chosen))]
        named = () if list(chosen) == [ALL] else chosen
        missing = [id_ for id_ in named if not any(one.id.startswith(id_) for one in wanted)]
        failed = 0
        for one in wanted:
            if what == "show":
                _show(one)
                continue
            try:
                (letters.replay if what == "replay" else letters.drop)(one)
            except PersistyError as error:
                failed += 1
                typer.echo(f"{one.id}: {error.message}", err=True)
            else:
                left.remove(one)
    finally:
        letters.release(left)
    if what != "show":
        count = len(wanted) - failed
        typer.echo(f"{count} {'event' if count == 1 else 'events'} {'replayed' if what == 'replay' else 'dropped'}")
    for id_ in missing:
        typer.echo(f"There is no dead letter {id_}", err=True)
    if missing or failed:
        sys.exit(1)


def _list(letters: Sequence[DeadLetter]) -> None:
    table = Table("id", "store", "kind", "key", "action", "attempts", "reason", box=None)
    for one in letters:
        cells = (one.id[:ID], one.store, one.kind, one.key, " ".join(one.actions), str(one.attempts))
        table.add_row(*cells, headline(one.reason, SHOWN))
    print_table(table)
    typer.echo(f"{len(letters)} given up")


def _show(letter: DeadLetter) -> None:
    given = {
        "id": letter.id,
        "store": letter.store,
        "kind": letter.kind,
        "key": letter.key,
        "action": " ".join(letter.actions),
        "attempts": str(letter.attempts),
        "function": letter.function,
    }
    for name, value in given.items():
        typer.echo(f"{name:<10}{value}")
    images = letter.body.get("record", {}).get("dynamodb", {})
    for name, image in (("before", "OldImage"), ("after", "NewImage")):
        if image in images:
            typer.echo(f"{name:<10}{msgspec.json.encode(images[image]).decode()}")
    typer.echo(f"\n{letter.reason.rstrip()}\n")
