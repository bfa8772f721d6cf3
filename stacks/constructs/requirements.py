"""The requirements of an app: the libraries that its functions import in addition to persisty.

They are read from a `requirements.txt`, with the files that it includes, or from the dependencies of a `pyproject.toml`. persisty itself and the
libraries of the deployment are left out: functions have persisty in a layer, and do not deploy.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from persisty.deploy.app_files import app_root, top_name
from persisty.errors import Fault, InvalidDeclaration

from .declared_dependencies import dependencies_in
from .direct_references import Reference, reference_in

NAMES = ("requirements.txt", "pyproject.toml")
"""Files with the requirements of an app, the preferred first."""
EXCLUDED = frozenset({"persisty", "aws-cdk-lib", "constructs"})
INCLUDED = {"-r": "-r", "--requirement": "-r", "-c": "-c", "--constraint": "-c"}
"""Option of a line that includes another file → its short form."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_OPTION = re.compile(r"(-[rc]|--requirement|--constraint)[ =]*(\S+)")


class Requirements(Struct, frozen=True):
    """Lines as pip reads them: requirements, and constraints of their versions. `references`: the requirements that name their place. `hashed`: the lines
    have hashes, which pip then verifies."""

    lines: tuple[str, ...] = ()
    constraints: tuple[str, ...] = ()
    references: tuple[Reference, ...] = ()

    @property
    def hashed(self) -> bool:
        return any("--hash" in line for line in self.lines)

    @property
    def key(self) -> str:
        """Return what their installation depends on, besides the files of their references."""
        return repr((self.lines, self.constraints, [one.key for one in self.references]))


def requirements_of(spec: str, file: str | None = None) -> Requirements:
    """Return the requirements of the app at `spec`. `InvalidDeclaration` if `file` does not exist, or if pip cannot read them.

    `file`: a path from the working directory. Without it, the first of `NAMES` is used that exists in the app's top package, then in the folder
    from which the app is imported, then in the working directory.
    """
    root = app_root(spec)
    if file is not None:
        if not Path(file).is_file():
            raise InvalidDeclaration(
                f"There is no file {file} with the requirements of functions",
                faults=[Fault("/requirements", "No such file", found=file)],
            )
        return read_requirements(Path(file), root)
    for folder in dict.fromkeys((root / top_name(spec), root, Path.cwd())):
        for name in NAMES:
            if (folder / name).is_file():
                return read_requirements(folder / name, root)
    return Requirements()


def read_requirements(file: Path, root: Path | None = None) -> Requirements:
    """Return the requirements in a file.

    `root`: the folder from which an app is imported. The project around it (`-e .`) stands for its dependencies, because functions have the app's modules as
    their code. A lock lists the dependencies itself.
    """
    lines, constraints, references = list[str](), list[str](), list[Reference]()
    for kind, line, folder in _listed(file):
        reference = None if kind else reference_in(line, folder)
        if name_of(line if reference is None else reference.name) in EXCLUDED:
            continue
        if reference is None:
            (constraints if kind else lines).append(line)
        elif root is None or reference.path is None or not root.resolve().is_relative_to(reference.path):
            references.append(reference)
        elif (own := Path(reference.path) / "pyproject.toml").is_file() and own != file.resolve():
            around = read_requirements(own)
            lines += [] if any("--hash" in one for one in lines) else around.lines
            references += [one for one in around.references if one not in references]
    return Requirements(tuple(lines), tuple(constraints), tuple(references))


def _listed(file: Path) -> Iterator[tuple[str, str, Path]]:
    """Return the lines of a file, each with `-c` if it is a constraint, and with the folder of the file that has it."""
    if file.suffix == ".toml":
        yield from (("", line, file.parent) for line in dependencies_in(file))
    else:
        yield from _lines(file, "", (file.resolve(),))


def _lines(file: Path, kind: str, through: tuple[Path, ...]) -> Iterator[tuple[str, str, Path]]:
    """Return the lines of a file and of those that it includes. Comments are dropped, continued lines joined."""
    text = re.sub(r"\\\r?\n", " ", file.read_text())
    for line in (re.sub(r"(^|\s)#.*", "", one).strip() for one in text.splitlines()):
        included = _OPTION.fullmatch(line)
        if included is None:
            if line:
                yield kind, line, file.parent
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
