"""The requirements of an app: the libraries that its functions import in addition to persisty.

They are read from a `requirements.txt`, with the files that it includes, or from the dependencies of a `pyproject.toml`. persisty itself and the
libraries of the deployment are left out: functions have persisty in a layer, and do not deploy.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from persisty.deploy.app_files import app_root, top_name
from persisty.errors import Fault, InvalidDeclaration

NAMES = ("requirements.txt", "pyproject.toml")
"""Files with the requirements of an app, the preferred first."""
EXCLUDED = frozenset({"persisty", "aws-cdk-lib", "constructs"})
INCLUDED = {"-r": "-r", "--requirement": "-r", "-c": "-c", "--constraint": "-c"}
"""Option of a line that includes another file → its short form."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_OPTION = re.compile(r"(-[rc]|--requirement|--constraint)[ =]*(\S+)")
_LOCAL = re.compile(r"(-e|--editable)\b|\.{1,2}/|/|file:")


class Requirements(Struct, frozen=True):
    """Lines as pip reads them: requirements, and constraints of their versions. `hashed`: the lines have hashes, which pip then verifies."""

    lines: tuple[str, ...] = ()
    constraints: tuple[str, ...] = ()

    @property
    def hashed(self) -> bool:
        return any("--hash" in line for line in self.lines)


def requirements_of(spec: str, file: str | None = None) -> Requirements:
    """Return the requirements of the app at `spec`. `InvalidDeclaration` if `file` does not exist, or names a folder of this machine.

    `file`: a path from the working directory. Without it, the first of `NAMES` is used that exists in the app's top package, then in the folder
    from which the app is imported, then in the working directory.
    """
    if file is not None:
        if not Path(file).is_file():
            raise InvalidDeclaration(
                f"There is no file {file} with the requirements of functions",
                faults=[Fault("/requirements", "No such file", found=file)],
            )
        return read_requirements(Path(file))
    root = app_root(spec)
    for folder in dict.fromkeys((root / top_name(spec), root, Path.cwd())):
        for name in NAMES:
            if (folder / name).is_file():
                return read_requirements(folder / name)
    return Requirements()


def read_requirements(file: Path) -> Requirements:
    """Return the requirements in a file."""
    if file.suffix == ".toml":
        declared = tomllib.loads(file.read_text()).get("project", {}).get("dependencies", [])
        found = [("", line) for line in declared]
    else:
        found = list(_lines(file, "", (file.resolve(),)))
    faults = [
        Fault("/requirements", "A path of this machine", "a name", line) for _, line in found if _LOCAL.match(line)
    ]
    if faults:
        raise InvalidDeclaration(
            f"{file.name}: functions cannot have a project of this machine. Import its modules from the folder of the app, or publish it",
            faults=faults,
        )
    needed = [(kind, line) for kind, line in found if name_of(line) not in EXCLUDED]
    return Requirements(*(tuple(line for kind, line in needed if kind == one) for one in ("", "-c")))


def _lines(file: Path, kind: str, through: tuple[Path, ...]) -> Iterator[tuple[str, str]]:
    """Return the lines of a file and of those that it includes, each with `-c` if it is a constraint. Comments are dropped, continued lines joined."""
    text = re.sub(r"\\\r?\n", " ", file.read_text())
    for line in (re.sub(r"(^|\s)#.*", "", one).strip() for one in text.splitlines()):
        included = _OPTION.fullmatch(line)
        if included is None:
            if line:
                yield kind, line
            continue
        other = (file.parent / included[2]).resolve()
        if not other.is_file():
            raise InvalidDeclaration(f"{file.name} includes {included[2]}, which does not exist")
        if other not in through:
            yield from _lines(other, "-c" if INCLUDED[included[1]] == "-c" else kind, (*through, other))


def name_of(line: str) -> str:
    """Return the normalized name of the package that a line requires, or an empty text. Source: PEP 503."""
    found = _NAME.match(line)
    return re.sub(r"[._-]+", "-", found[0]).lower() if found else ""
