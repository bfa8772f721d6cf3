"""Write revision files: of the changes that a database needs, or of code that repairs values and changes no schema.

`revisions` reads the files and runs them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from ..application import App
from ..errors import SchemaMismatch
from ..model.schema import Schema
from ..model.schema_json import document_of, schema_to_json
from ..naming import snake
from .evolution import records_of
from .migration import Migration, Planned

REPAIR = 'Repair the values first, with the code that declares the old type, or in a file that runs before: persisty migrate --revision "Repair values" --data'
"""The way to repair values that a change refuses."""
TEMPLATE = '''"""{why}

{changes}
{statements}
Review this file, change it where needed, and commit it. `persisty migrate` runs it once in each database.
"""

ALLOWED = {allowed}
"""The destructive changes that an upgrade makes."""
BEFORE = r"""
{before}
"""
AFTER = r"""
{after}
"""


def upgrade(run):
    run.change()
    # Code for items goes here: for item in run.store("...").search_all(): ...


def downgrade(run):
    run.change()
'''
NO_CHANGES = "No schema changes: the code in `upgrade` repairs values. Leave out of BEFORE and AFTER the items that it does not use."


def write_revision(app: App, why: str, allowed: Sequence[str], folder: Path) -> Path | None:
    """Write the file of the changes that the app's database needs, and return its path. Return None if there are no changes."""
    try:
        planned = Migration(app, allowed).plan()
    except SchemaMismatch as error:
        raise SchemaMismatch(f"{error.message}, and no file is written. {REPAIR}", faults=error.faults) from error
    made = [one for one in planned if one.steps or _changes(one, allowed)]
    return _write(folder, why, _text(why, made, allowed, app.url.partition(":")[0])) if made else None


def write_data_revision(app: App, why: str, folder: Path) -> Path | None:
    """Write a file that changes no schema, for code that repairs values, and return its path. Return None if the database has no items of the app.

    `BEFORE` and `AFTER` are the schemas that were applied last, so the code runs before the changes that the declarations need.
    """
    schemas = [one.schema for one in records_of(app).values() if not one.left]
    if not schemas:
        return None
    document = _document(schemas)
    text = TEMPLATE.format(
        why=_ascii(why), changes=NO_CHANGES, statements="", allowed="[]", before=document, after=document
    )
    return _write(folder, why, text)


def _write(folder: Path, why: str, text: str) -> Path:
    """Write a file with the next number, and return its path."""
    number = 1 + max((int(one.stem.partition("_")[0]) for one in folder.glob("[0-9]*.py")), default=0)
    folder.mkdir(exist_ok=True)
    path = folder / f"{number:04}_{snake(why)[:50] or 'change'}.py"
    path.write_text(text)
    return path


def _changes(planned: Planned, allowed: Sequence[str]) -> list[Any]:
    return [one for one in planned.evolution.changes if one.allow is None or one.allow in allowed]


def _text(why: str, planned: Sequence[Planned], allowed: Sequence[str], engine: str) -> str:
    evolutions = [one.evolution for one in planned]
    lines = [f"{one.path}: {one.message} ({one.effect.value})" for each in planned for one in _changes(each, allowed)]
    statements = [statement for each in planned for step in each.steps for statement in step.statements]
    shown = [f"    {line}" for statement in statements for line in (statement + ";").splitlines()]
    return TEMPLATE.format(
        why=_ascii(why),
        changes="\n".join(map(_ascii, lines)),
        statements="\n".join([f"\nStatements on {engine}, with the items of today:\n", *map(_ascii, shown), ""]),
        allowed=msgspec.json.encode([*allowed]).decode(),
        before=_document(one.stored for one in evolutions),
        after=_document(one.declared.schema for one in evolutions if one.declared is not None),
    )


def _ascii(text: str) -> str:
    """Return text that does not end a docstring."""
    return text.replace("\\", "\\\\").replace('"""', "'''")


def _document(schemas: Iterable[Schema | None]) -> str:
    text = schema_to_json(document_of([one for one in schemas if one is not None]))
    return msgspec.json.format(text, indent=1).decode().replace('"""', '\\"\\"\\"')
