"""The assemblies of synths. A start uses the last one again while nothing has changed that it was made of.

Only assemblies of `persisty_cdk` are used again: a CDK app of the project's own may read anything. What they are made of is the app's plan and files, the
configuration of the project, its requirements with the files that they include, persisty's own packages, the CDK, Python, and variables of the shell.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from .. import settings
from ..deploy.app_files import module_place, top_name
from .declaration import Declaration
from .deployed import assets_of

SUFFIXES = frozenset({".json", ".toml", ".txt", ".in", ".lock"})
"""Suffixes of files that may be configuration or requirements."""
IGNORED = frozenset({"cdk.out", "node_modules", "venv", "dist", "build", "__pycache__"})
"""Folders without configuration of the project. Hidden folders have none either."""
PACKAGES = ("persisty", "persisty_cdk", "persisty_lambdas")
VARIABLES = ("PERSISTY_", "CDK_", "PIP_", "UV_")
"""Prefixes of variables that the synth, or what it runs, may read."""
USER_CONFIGURATION = Path.home() / ".cdk.json"
RECORD = "assembly.json"
_PROJECT = re.compile(
    r"^\s*(?:(?:-e|--editable)[ =]+|(?:[\w.-]+(?:\[[^\]]*\])?\s*@\s*)?file://(?=/)|(?=\.{0,2}/))([^\s;\[+]+)(?![^\s;\[])",
    re.MULTILINE,
)
"""A line of requirements that names a project or file of this machine."""
_INCLUDED = re.compile(r"^\s*(?:-[rc]|--requirement|--constraint)[ =]*(\S+)", re.MULTILINE)


class Record(Struct, frozen=True):
    """The last assembly whose inputs are known, and their digest."""

    name: str
    inputs: str


class Assemblies:
    """Assemblies below `place`, of the project in `folder`. `words` and `command`: the arguments of the CDK CLI, and the CLI."""

    def __init__(self, place: Path, folder: Path, words: Sequence[str], command: Sequence[str]) -> None:
        self._place, self._folder = place, folder
        self._words, self._command = words, command

    def new(self) -> Path:
        """Return the folder of a new assembly."""
        return self._place / f"cdk.out.{time.time_ns()}"

    @property
    def recorded(self) -> bool:
        """Return whether there is an assembly that a start may use again."""
        return (self._place / RECORD).is_file()

    def unchanged(self, declaration: Declaration, options: Mapping[str, Any]) -> Path | None:
        """Return the last assembly if a synth would make the same one."""
        try:
            record = msgspec.json.decode((self._place / RECORD).read_bytes(), type=Record)
        except (FileNotFoundError, msgspec.DecodeError):
            return None
        assembly = self._place / record.name
        if not (assembly / "manifest.json").is_file():
            return None
        if not all(folder.exists() for folder in assets_of(assembly).values()):
            return None  # the built code was deleted
        found, _ = self._inputs(declaration, options)
        return assembly if found == record.inputs else None

    def record(self, assembly: Path, declaration: Declaration, options: Mapping[str, Any], begun: float) -> None:
        """Record that an assembly is made of the present inputs. It is not recorded if one of them has changed since `begun`, a time of `time.time`,
        at which the synth and the declaration had not been started."""
        digest, newest = self._inputs(declaration, options)
        if newest < begun:
            (self._place / RECORD).write_bytes(msgspec.json.encode(Record(assembly.name, digest)))
        else:
            (self._place / RECORD).unlink(missing_ok=True)

    def delete_others(self, assembly: Path) -> None:
        """Delete all assemblies but this one."""
        for folder in self._place.glob("cdk.out.*"):
            if folder != assembly:
                shutil.rmtree(folder, ignore_errors=True)

    def _inputs(self, declaration: Declaration, options: Mapping[str, Any]) -> tuple[str, float]:
        """Return a digest of what a synth reads, and the time at which the newest file of the project was changed."""
        variables = {name: value for name, value in settings.environment().items() if name.startswith(VARIABLES)}
        program = Path(self._command[0]).resolve()
        inputs = (
            declaration.plan, list(self._words), sorted(variables.items()),
            sys.version, sys.executable, version("aws-cdk-lib"), list(self._command), _state(program),
        )  # fmt: skip
        digest, newest = sha256(repr(inputs).encode()), 0.0
        for name in PACKAGES:
            for place, size, changed in _package(name):
                digest.update(f"{name}/{place} {size} {changed}\n".encode())
        root = Path(declaration.root)
        files = {root / one for one in declaration.files}
        files |= {*_configuration(self._folder), *_among(root), *_among(root / top_name(str(options.get("app", ""))))}
        files |= {USER_CONFIGURATION, self._folder / str(options.get("requirements") or "requirements.txt")}
        files.add(Path(sys.prefix) / "pip.conf")
        for file in sorted(_with_included(files, root)):
            digest.update(f"{file}\0".encode() + file.read_bytes() + b"\0")
            newest = max(newest, file.stat().st_mtime)
        return digest.hexdigest(), newest


def _state(file: Path) -> tuple[int, int] | None:
    """Return the size and the time of a file, None if it does not exist."""
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns


def _package(name: str) -> Iterator[tuple[str, int, int]]:
    """Return the path, size and time of each file of an installed package."""
    place = module_place(name)
    if place is None:
        return
    for file in sorted(place.parent.rglob("*")):
        if "__pycache__" not in file.parts and file.is_file():
            found = file.stat()
            yield file.relative_to(place.parent).as_posix(), found.st_size, found.st_mtime_ns


def _configuration(folder: Path) -> Iterator[Path]:
    """Return the files of a project that may be configuration or requirements."""
    for parent, folders, files in os.walk(folder):
        folders[:] = [one for one in folders if one not in IGNORED and not one.startswith(".")]
        yield from (Path(parent, one) for one in files if Path(one).suffix in SUFFIXES)


def _among(folder: Path) -> Iterator[Path]:
    """Return the files directly in a folder that may be requirements."""
    yield from (file for file in folder.glob("*") if file.suffix in SUFFIXES)


def _with_included(files: set[Path], root: Path) -> set[Path]:
    """Return the files that exist, with the files that requirements include, and those of the projects that they name. The project around `root` is
    that of the app."""
    left, found = list(files), set[Path]()
    while left:
        file = left.pop()
        if file in found or not file.is_file():
            continue
        found.add(file)
        if file.suffix in (".txt", ".in"):
            text = file.read_text(errors="replace")
            left += [(file.parent / name).resolve() for name in _INCLUDED.findall(text)]
            projects = ((file.parent / name).resolve() for name in _PROJECT.findall(text))
            found |= {one for project in projects if not root.is_relative_to(project) for one in _of_project(project)}
    return found


def _of_project(place: Path) -> Iterator[Path]:
    """Return the files of a project that a layer contains, or a wheel itself."""
    if place.is_file():
        yield place
    for parent, folders, files in os.walk(place):
        folders[:] = [one for one in folders if one not in IGNORED and not one.startswith(".")]
        yield from (Path(parent, one) for one in files)
