"""Write the revision files that stand for others: one that joins two branches, and one that replaces all files so far.

Neither changes a schema by itself. A merge has the schemas in which the changes of both branches are joined. A squash has the schemas after the
last file, so an empty database runs it alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from msgspec import Struct

from ..errors import Fault, InvalidDeclaration
from ..model.schema import Schema
from ..model.schema_merge import merged
from .revision_files import REPLACED, Revision, check_heads, common_to, heads, up_to
from .revision_writing import NAME_LENGTH, written

MERGE = "No schema changes: joins the files of two branches. BEFORE and AFTER are the items that both have changed."
SQUASH = (
    "Stands for the files in REPLACES. An empty database runs this file instead of them. A database that has run some of them runs the others from the folder "
    "`replaced`. Delete that folder when every database has recorded this file."
)


class Changed(Struct, frozen=True):
    """An item that files have changed. `before`: the schema before the first of them, None for a new item. `after`: that after the last, None if
    it was removed."""

    before: Schema | None
    after: Schema | None


def changed_by(revisions: Iterable[Revision]) -> dict[str, Changed]:
    """Return the items that these files change, by the first name that each had."""
    found: dict[str, Changed] = {}
    first: dict[str, str] = {}
    for one in revisions:
        before = {schema.name: schema for schema in one.schemas("BEFORE")}
        continued = set[str]()
        for after in one.schemas("AFTER"):
            names = (after.name, *reversed(after.former_names))
            was = next((name for name in names if name in before), None)
            continued |= {was or ""}
            name = after.name if was is None else first.pop(was, was)
            former = None if was is None else before[was]
            first[after.name] = name
            found[name] = Changed(found[name].before if name in found else former, after)
        for gone in before.keys() - continued:
            name = first.pop(gone, gone)
            found[name] = Changed(found[name].before if name in found else before[gone], None)
    return found


def write_merge(revisions: Sequence[Revision], folder: Path) -> Path | None:
    """Write a file that follows the last files of several branches, and return its path. Return None if there is one last file. Raises `InvalidDeclaration` if
    two branches change the same part of an item."""
    last = heads(revisions)
    if len(last) < 2:
        return None
    common = common_to(revisions, last)
    branches = [changed_by(one for one in up_to(head, revisions) if one.name not in common) for head in last]
    joined, paths = dict[str, Changed](), list[str]()
    shared = set[str]()
    for branch in branches:
        for name, change in branch.items():
            if name in joined:
                shared.add(name)
                joined[name], clashes = _joined(name, joined[name], change)
                paths += clashes
            else:
                joined[name] = change
    if paths:
        names = " and ".join(str(one.path) for one in last)
        message = (
            f"{names} change the same parts of an item. Delete one of them, run `persisty migrate` in a database that has not run it, "
            f'and write the change again: persisty migrate --revision "why"'
        )
        raise InvalidDeclaration(
            message, faults=[Fault(path, "Two branches change this") for path in dict.fromkeys(paths)]
        )
    schemas = [after for name in sorted(shared) if (after := joined[name].after) is not None]
    why = "Merge " + " and ".join(one.name for one in last)
    return written(folder, why, MERGE, schemas, schemas, follows=[one.name for one in last], name=_merge_name(last))


def _merge_name(last: Iterable[Revision]) -> str:
    """Return the words of a merge's file name: those of the joined files, unless they are too long. The docstring of the file has their full names."""
    name = "merge_" + "_and_".join(one.name.partition("_")[2] or one.number for one in last)
    return name if len(name) <= NAME_LENGTH else "merge"


def _joined(name: str, one: Changed, other: Changed) -> tuple[Changed, list[str]]:
    """Return the item with the changes of two branches, and the paths that both change in different ways."""
    if one.after is None or other.after is None:
        return one, [] if one.after is other.after else [f"/{name}"]
    if one.before is None or other.before is None:
        return one, [] if one.after == other.after else [f"/{name}"]
    schema, paths = merged(one.before, other.after, one.after)
    return Changed(one.before, schema), paths


def write_squash(revisions: Sequence[Revision], folder: Path) -> Path:
    """Write a file that replaces all files, move these into the folder `replaced`, and return the path of the new one."""
    check_heads(revisions)
    after = [one.after for one in changed_by(revisions).values() if one.after is not None]
    names = [one.name for one in revisions]
    path = written(folder, "Squashed", SQUASH, (), after, follows=(), replaces=names)
    (folder / REPLACED).mkdir(exist_ok=True)
    for one in revisions:
        one.path.rename(folder / REPLACED / one.path.name)
    return path
