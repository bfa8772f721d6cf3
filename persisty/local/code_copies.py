"""The code of functions that runs: copies of the assembly's folders, into which changed files of the app are copied without a new deployment.

The files of the app are those that were loaded without a mistake. A file that is saved later, for example while an assembly is made, does not run before it was loaded too.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from msgspec import structs

from ..deploy.resources import HANDLERS
from .functions import FunctionCode


class CodeCopies:
    """Copies in `folder`. Each deployment has new ones."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._number = folder, 0
        self._copies: dict[Path, Path] = {}

    def begin(self) -> None:
        """Make new copies from now on. The old ones stay until the next time: functions still run from them."""
        self._number += 1
        for old in self._folder.glob("*"):
            if old not in self._copies.values():
                shutil.rmtree(old)
        self._copies = {}

    def of(self, function: FunctionCode) -> FunctionCode:
        """Return a function that runs from a copy of its code."""
        task = function.paths[0]
        if task not in self._copies:
            copy = self._folder / f"{task.name.removeprefix('asset.')[:12]}-{self._number}"
            shutil.rmtree(copy, ignore_errors=True)
            shutil.copytree(task, copy)
            self._copies[task] = copy
        return structs.replace(function, paths=(self._copies[task], *function.paths[1:]))

    def update(self, contents: Mapping[Path, bytes]) -> int:
        """Write the files of the app that have changed, and delete those that are gone. `contents`: all of them, by their places. Return the number of changes."""
        changed = 0
        for copy in self._copies.values():
            if not (copy / HANDLERS).is_dir():
                continue
            copied = {file.relative_to(copy) for file in copy.rglob("*") if file.is_file()}
            outdated = {
                file
                for file in copied - contents.keys()
                if file.parts[0] != HANDLERS and "__pycache__" not in file.parts
            }
            for file, content in contents.items():
                target = copy / file
                if not target.is_file() or target.read_bytes() != content:
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.write_bytes(content)
                    _forget_byte_code(target)
                    changed += 1
            for file in outdated:
                (copy / file).unlink()
                _forget_byte_code(copy / file)
                changed += 1
        return changed


def _forget_byte_code(file: Path) -> None:
    """Delete the byte code of a module. It was built without a check of its source."""
    for one in (file.parent / "__pycache__").glob(f"{file.stem}.*.pyc"):
        one.unlink()
