"""The revision files of a project and their order: which file follows which, and the files that were replaced by one.

```
0001_first ◄── 0002_price ◄──────── 0004_merge      FOLLOWS of a file: the files before it
          ◄── 0002_seats ◄── 0003_keys ◄──┘
```

Files that no other file follows are heads. Two heads come from two branches: one of the two was written without the schema of the other, so `persisty migrate`
runs none of them before a file follows both. `0150_squashed` with `REPLACES` stands for the files that it names, which are in the folder `replaced`.
"""

from __future__ import annotations

import runpy
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct, structs

from ..errors import Fault, InvalidDeclaration
from ..model.schema import Schema
from .revision_schemas import schemas_of

FOLDER = "migrations"
REPLACED = "replaced"
"""Folder of the replaced files, within that of the revision files."""
MEMBERS = ("BEFORE", "AFTER", "ALLOWED", "upgrade", "downgrade")
"""Members that every revision file has."""
PATTERN = "[0-9]*.py"


class Revision(Struct, frozen=True):
    """A revision file. `name`: that of the file without the suffix. Revisions are run in the order of their names. `branches`: the files of other branches,
    which neither follow this one nor are followed by it."""

    name: str
    path: Path
    members: Mapping[str, Any]
    branches: tuple[Revision, ...] = ()

    @property
    def atomic(self) -> bool:
        """Return whether the writes of the file's code are one transaction: unless it says `ATOMIC = False`."""
        return bool(self.members.get("ATOMIC", True))

    @property
    def number(self) -> str:
        return self.name.partition("_")[0]

    @property
    def replaces(self) -> tuple[str, ...]:
        """The names of the files that this one replaces."""
        return tuple(self.members.get("REPLACES", ()))

    @property
    def replaced_folder(self) -> Path:
        """The folder of the files that this one replaces. A file that was replaced itself is in the same folder."""
        folder = self.path.parent
        return folder if folder.name == REPLACED else folder / REPLACED

    def schemas(self, member: str) -> list[Schema]:
        """Return the schemas of `BEFORE` or `AFTER`."""
        before, after = schemas_of(self.members["BEFORE"], self.members["AFTER"])
        return before if member == "BEFORE" else after

    def has_item(self, name: str) -> bool:
        """Return whether a file names an item."""
        return any(one.name == name for member in ("BEFORE", "AFTER") for one in self.schemas(member))


def revisions_in(folder: Path) -> list[Revision]:
    """Return the revision files of a folder in order. `InvalidDeclaration` for a file without the members of a revision, or one that follows no file of
    the folder."""
    found = []
    for path in sorted(folder.glob(PATTERN)):
        members = runpy.run_path(str(path))
        missing = [name for name in MEMBERS if name not in members]
        if missing:
            raise InvalidDeclaration(f"{path} is not a revision", faults=[Fault(f"/{missing[0]}", "Missing")])
        found.append(Revision(path.stem, path, members))
    ancestors = _ancestors(found)
    return [
        structs.replace(
            one,
            branches=tuple(
                other
                for other in found
                if other is not one and other.name not in ancestors[one.name] and one.name not in ancestors[other.name]
            ),
        )
        for one in found
    ]


def has_revisions(folder: Path) -> bool:
    """Return whether a folder has revision files."""
    return any(folder.glob(PATTERN))


def heads(revisions: Sequence[Revision]) -> list[Revision]:
    """Return the files that no other file follows: one, unless files were written on several branches."""
    followed = {name for one in revisions for name in _follows(one, revisions)}
    return [one for one in revisions if one.name not in followed]


def check_heads(revisions: Sequence[Revision]) -> None:
    """Raise `InvalidDeclaration` for files of several branches that no file joins."""
    found = heads(revisions)
    if len(found) > 1:
        names = " and ".join(str(one.path) for one in found)
        message = f"{names} were written on different branches. Join them: persisty migrate --merge"
        raise InvalidDeclaration(message, faults=[Fault(f"/{one.name}", "No file follows this one") for one in found])


def common_to(revisions: Sequence[Revision], some: Collection[Revision]) -> set[str]:
    """Return the names of the files that all of these follow, directly or not."""
    ancestors = _ancestors(revisions)
    return set.intersection(*(ancestors[one.name] for one in some))


def up_to(revision: Revision, revisions: Sequence[Revision]) -> list[Revision]:
    """Return a file and those that it follows, directly or not, in order."""
    names = {*_ancestors(revisions)[revision.name], revision.name}
    return [one for one in revisions if one.name in names]


def replaced_by(revision: Revision) -> list[Revision]:
    """Return the files that a file replaces, as far as they still exist."""
    return [one for one in revisions_in(revision.replaced_folder) if one.name in revision.replaces]


def after_number(revisions: Sequence[Revision], number: str) -> list[Revision]:
    """Return the files after those with a number, in order. `0` stands for the beginning. `InvalidDeclaration` if no file has the number."""
    numbers = {one.number.zfill(4) for one in revisions}
    wanted = number and number.zfill(4)  # an empty text is no number
    if wanted not in {"0000", *numbers}:
        expected = "0" + (f", or that of {', '.join(one.name for one in revisions)}" if revisions else "")
        fault = Fault("/back-to", "No revision file has this number", expected, number)
        raise InvalidDeclaration("Nothing is undone", faults=[fault])
    return [one for one in revisions if one.number.zfill(4) > wanted]


def _follows(revision: Revision, revisions: Sequence[Revision]) -> Iterator[str]:
    """Yield the names of the files before a file. A file of an older version follows all files of the number before it."""
    names = revision.members.get("FOLLOWS")
    if names is None:
        before = [one.number for one in revisions if one.number < revision.number]
        yield from (one.name for one in revisions if before and one.number == max(before))
        return
    replacing = {name: one.name for one in revisions for name in one.replaces}
    places = {one.name: place for place, one in enumerate(revisions)}
    for name in names:
        found = name if name in places else replacing.get(name)
        if found is None or places[found] >= places[revision.name]:
            message = f"{revision.path} follows {name}, which is not a file before it"
            raise InvalidDeclaration(message, faults=[Fault("/FOLLOWS", "No such file before this one", found=name)])
        yield found


def _ancestors(revisions: Sequence[Revision]) -> dict[str, set[str]]:
    """Return the names of the files that each file follows, directly or not."""
    found: dict[str, set[str]] = {}
    for one in revisions:
        before = list(_follows(one, revisions))
        found[one.name] = {*before, *(each for name in before for each in found[name])}
    return found
