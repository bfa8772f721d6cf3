"""Requirements that name a place instead of a version: a project or file of this machine, a repository, an archive.

pip would build them for this machine, whatever the target. They are therefore built first, and installed as wheels. A lock of a monorepo lists its own
packages in this way: `-e ./packages/common`.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from msgspec import Struct

from persisty.errors import Fault, InvalidDeclaration

BUILT = (".*", "__pycache__", "build", "dist", "*.egg-info", "venv", "node_modules")
"""Files and folders of a project that its wheel does not depend on."""
WHEEL = ".whl"
_EDITABLE = re.compile(r"(-e|--editable)[ =]+")
_REFERENCE = re.compile(
    r"(?:(?P<name>[A-Za-z0-9][\w.-]*)\s*(?P<named>\[[^\]]*\])?\s*@\s*)?(?P<place>[^\s;\[]+)(?P<extras>\[[^\]]*\])?\s*(?:;\s*(?P<marker>.*?))?(?P<options>\s+--.*)?"
)
_LOCAL = re.compile(r"\.{1,2}(/|$)|/|file:")
_REMOTE = re.compile(r"(git|hg|svn|bzr)\+|https?://")


class Reference(Struct, frozen=True):
    """A requirement that names its place. `line`: the requirement as pip builds it; `path`: its place on this machine, None if it is elsewhere; `name`: of the
    package, empty if only its build tells it."""

    line: str
    name: str = ""
    path: str | None = None
    extras: str = ""
    marker: str = ""

    @property
    def files(self) -> dict[str, Path]:
        """Return the files that its wheel depends on, by their names below the folder of the project."""
        if self.path is None:
            return {}
        place = Path(self.path)
        if place.is_file():
            return {place.name: place}
        return {f"{place.name}/{file.relative_to(place).as_posix()}": file for file in sorted(_sources(place))}

    @property
    def key(self) -> tuple[str, ...]:
        """Return its identity without the folder of the project, whose files are read instead."""
        place = self.line if self.path is None else Path(self.path).name
        return (place, self.name, self.extras, self.marker)

    def installed_from(self, wheel: Path, hashes: str) -> str:
        """Return the line that installs it from its wheel."""
        marker = f" ; {self.marker}" if self.marker else ""
        return f"{wheel.name.partition('-')[0]}{self.extras} @ {wheel.as_uri()}{marker}{hashes}"


def reference_in(line: str, folder: Path) -> Reference | None:
    """Return the reference in a line, None for a line that pip can resolve for a target. `InvalidDeclaration` for a path that does not exist.

    `folder`: of the file that has the line. A relative path is one below that folder, or below the working directory.
    """
    found = _REFERENCE.fullmatch(_EDITABLE.sub("", line, count=1))
    if found is None or found["place"].startswith("-"):
        return None
    place, extras = found["place"], found["named"] or found["extras"] or ""
    remote = _REMOTE.match(place)
    if remote is None and not (_LOCAL.match(place) or _EDITABLE.match(line)):
        return None
    if remote is not None:
        if urlsplit(place).path.endswith(WHEEL):
            return None
        return Reference(
            _EDITABLE.sub("", line, count=1), found["name"] or _egg(place), None, extras, found["marker"] or ""
        )
    path = _path(place, folder)
    if path is None:
        raise InvalidDeclaration(
            f"The requirement {line} is not on this machine",
            faults=[Fault("/requirements", "No such project", found=place)],
        )
    return Reference(f"{path}{extras}", found["name"] or project_name(path), str(path), extras, found["marker"] or "")


def project_name(place: Path) -> str:
    """Return the name that a project declares, empty without one."""
    file = place / "pyproject.toml"
    name = tomllib.loads(file.read_text()).get("project", {}).get("name", "") if file.is_file() else ""
    return str(name)


def _path(place: str, folder: Path) -> Path | None:
    if place.startswith("file:"):
        place = url2pathname(urlsplit(place).path)
    candidates = (folder / place, Path.cwd() / place)
    return next((one.resolve() for one in candidates if one.exists()), None)


def _egg(place: str) -> str:
    """Return the name in the fragment of a URL: `#egg=name`."""
    found = re.search(r"[#&]egg=([\w.-]+)", place)
    return found[1] if found else ""


def _sources(folder: Path) -> Iterator[Path]:
    for one in folder.iterdir():
        if not any(fnmatch(one.name, pattern) for pattern in BUILT):
            if one.is_dir():
                yield from _sources(one)
            elif one.is_file():
                yield one
