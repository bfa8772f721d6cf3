"""Write revision files: of the changes that a database needs, or of code that repairs values and changes no schema.

`revisions` reads the files and runs them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec import structs

from ..application import App
from ..errors import InvalidDeclaration, SchemaMismatch
from ..model.schema import Schema
from ..naming import snake
from .evolution import records_of
from .migration import NOT_BEGUN, Migration, Planned
from .revision_files import PATTERN, heads, revisions_in
from .revision_schemas import texts_of

REPAIR = 'Repair the values first, with the code that has the former declaration, or in a file that runs before: persisty migrate --revision "Repair values" --data'
"""The way to repair values that a change refuses, if `Migration.repairable`."""
ELSEWHERE = "No file is written. If another database needs the change, write the file for that database: add its --url"
"""The way to write a destructive change of which this database has nothing, such as of a column that only PostgreSQL has."""
TEMPLATE = '''"""{why}

{changes}
{statements}"""

{order}
ALLOWED = {allowed}


def upgrade(run):
    run.change()
    # Code for items goes here: for item in run.store("...").search_all(): ...


def downgrade(run):
    run.change()


# The schemas of the changed items. AFTER has what differs from BEFORE.
BEFORE = r"""
{before}
"""
AFTER = r"""
{after}
"""
'''
NAME_LENGTH = 32
"""Most characters of the words in the name of a file."""
NO_CHANGES = "No schema changes: the code in `upgrade` repairs values. Leave out of BEFORE and AFTER the items that it does not use."


def write_revision(app: App, why: str, allowed: Sequence[str], folder: Path) -> Path | None:
    """Write the file of the changes that the app's database needs, and return its path. Return None if there are no changes. Raises `InvalidDeclaration` for an
    allowance that matches no change of this database, and `SchemaMismatch` if stored items do not survive a change."""
    migration = Migration(app, allowed)
    try:
        planned = migration.plan()
    except SchemaMismatch as error:
        remedy = f". {REPAIR}" if migration.repairable else ""
        raise SchemaMismatch(f"{error.message}, and no file is written{remedy}", faults=error.faults) from error
    except InvalidDeclaration as error:
        if error.message != NOT_BEGUN:
            raise
        raise InvalidDeclaration(ELSEWHERE, faults=error.faults) from error
    made = [one for one in planned if one.steps or _changes(one, allowed)]
    return _write_changes(folder, why, made, allowed, app.url.partition(":")[0]) if made else None


def write_data_revision(app: App, why: str, folder: Path) -> Path | None:
    """Write a file that changes no schema, for code that repairs values, and return its path. Return None if the database has no items of the app.

    `BEFORE` and `AFTER` are the schemas that were applied last, so the code runs before the changes that the declarations need.
    """
    schemas = [one.schema for one in records_of(app).values() if not one.left]
    if not schemas:
        return None
    return written(folder, why, NO_CHANGES, schemas, schemas)


def written(
    folder: Path,
    why: str,
    changes: str,
    before: Sequence[Schema],
    after: Sequence[Schema],
    *,
    statements: str = "",
    allowed: Sequence[str] = (),
    follows: Sequence[str] | None = None,
    replaces: Sequence[str] = (),
    name: str | None = None,
) -> Path:
    """Write a file with the next number, and return its path. `follows`: the names of the files before it; None: the last file of the folder. `replaces`: the
    names of the files that it stands for. `name`: the words of the file's name, None for those of `why`."""
    if follows is None:
        follows = [one.name for one in heads(revisions_in(folder))]
    order = f"FOLLOWS = {_json(follows)}" + (f"\nREPLACES = {_json(replaces)}" if replaces else "")
    texts = texts_of(before, after)
    text = TEMPLATE.format(
        why=_ascii(why),
        changes=changes,
        statements=statements,
        order=order,
        allowed=_json(allowed),
        before=texts[0],
        after=texts[1],
    )
    number = 1 + max((int(one.stem.partition("_")[0]) for one in folder.glob(PATTERN)), default=0)
    folder.mkdir(exist_ok=True)
    path = folder / f"{number:04}_{name or _short(snake(why)) or 'change'}.py"
    path.write_text(text)
    return path


def _json(names: Sequence[str]) -> str:
    return msgspec.json.format(msgspec.json.encode([*names]), indent=0).decode()


def _short(name: str) -> str:
    """Return the first words of a name, at most `NAME_LENGTH` characters."""
    if len(name) <= NAME_LENGTH:
        return name
    return name[: NAME_LENGTH + 1].rpartition("_")[0] or name[:NAME_LENGTH]


def _changes(planned: Planned, allowed: Sequence[str]) -> list[Any]:
    return [one for one in planned.evolution.changes if one.allow is None or one.allow in allowed]


def _write_changes(folder: Path, why: str, planned: Sequence[Planned], allowed: Sequence[str], engine: str) -> Path:
    evolutions = [one.evolution for one in planned]
    lines = [f"{one.path}: {one.message} ({one.effect.value})" for each in planned for one in _changes(each, allowed)]
    statements = [statement for each in planned for step in each.steps for statement in step.statements]
    shown = [f"    {line}" for statement in statements for line in (statement + ";").splitlines()]
    return written(
        folder,
        why,
        "\n".join(map(_ascii, lines)),
        [before for one in planned if (before := _before(one, allowed)) is not None],
        [one.declared.schema for one in evolutions if one.declared is not None],
        statements="\n".join([f"\nStatements on {engine}:\n", *map(_ascii, shown), ""]) if shown else "",
        allowed=allowed,
    )


def _before(planned: Planned, allowed: Sequence[str]) -> Schema | None:
    """Return the stored schema without the columns that former declarations have left and that the file does not delete: undoing it must not declare them."""
    stored, applied = planned.evolution.stored, planned.evolution.applied
    if stored is None or applied is None:
        return stored
    names = {one.name for one in applied.attributes} | {
        str(name) for one in _changes(planned, allowed) for name in (one.name, one.before)
    }
    return structs.replace(
        stored,
        attributes=tuple(one for one in stored.attributes if one.name in names),
        indexes=tuple(one for one in stored.indexes if names.issuperset(one.attributes)),
    )


def _ascii(text: str) -> str:
    """Return text that does not end a docstring."""
    return text.replace("\\", "\\\\").replace('"""', "'''")
