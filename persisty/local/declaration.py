"""The declaration of an app, read in a process of its own: `python -m persisty.local.declaration OPTIONS`, with the deployment's options as JSON.

It prints a hash of the plan and the files that functions need, with a hash of their contents. So a change of the code is known to need a deployment, or none,
before anything is synthesised, and a mistake in the app ends that process alone. Only files with these contents run: others were not loaded yet.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from .. import settings
from ..application import load_app
from ..deploy.app_files import app_files, app_root
from ..deploy.options import NAMES, options_of
from ..deploy.plan_from_options import planned
from ..errors import InvalidDeclaration, PersistyError
from ..model.missing_values import late_indexes

ATTEMPTS = 3
"""Most times that a declaration is read while its files are being saved."""
MARGIN = 0.02
"""Seconds by which the time of a saved file may be early."""


class Declaration(Struct, frozen=True):
    """`plan`: a hash of what is deployed. `files`: relative to `root`. `contents`: a hash of their contents. `newest`: when the last of them was saved.
    `completes_indexes`: an index may miss items that were stored before it was deployed."""

    plan: str
    root: str
    files: tuple[str, ...]
    contents: str = ""
    newest: float = 0.0
    completes_indexes: bool = False


def read_declaration(folder: Path, options: Mapping[str, Any]) -> Declaration:
    """Return the declaration of the app in a project's folder as its files are now. `InvalidDeclaration` with the last line of the error if
    the app cannot be loaded."""
    recognized = {name: value for name, value in options.items() if name in NAMES}
    for _ in range(ATTEMPTS):
        begun = time.time()
        done = subprocess.run(
            [sys.executable, "-m", __name__, msgspec.json.encode(recognized).decode()],
            cwd=folder, env=settings.environment(PYTHONDONTWRITEBYTECODE="1"), capture_output=True, check=False,
        )  # fmt: skip
        if done.returncode:
            lines = done.stderr.decode(errors="replace").strip().splitlines()
            raise InvalidDeclaration(lines[-1] if lines else "The app cannot be loaded")
        found = msgspec.json.decode(done.stdout.splitlines()[-1], type=Declaration)
        if found.newest < begun - MARGIN:  # else a file was saved while the app was loaded
            break
    return found


def declared(given: Mapping[str, Any]) -> Declaration:
    """Return the declaration of the app that the options name."""
    options = options_of(given)
    plan, _ = planned(options)
    root = app_root(plan.modules[0])
    files = app_files(root, plan.modules, [] if plan.documents is None else [plan.documents])
    return Declaration(
        plan=sha256(msgspec.json.encode(plan, order="deterministic")).hexdigest(),
        root=str(root),
        files=tuple(file.as_posix() for file in files),
        contents=hash_of({file: (root / file).read_bytes() for file in files}),
        newest=max((root / file).stat().st_mtime for file in files),
        completes_indexes=any(late_indexes(None, meta) for meta in load_app(options.app).metas.values()),
    )


def contents_of(declaration: Declaration) -> dict[Path, bytes] | None:
    """Return the contents of the files of a declaration, None if one of them was saved since it was read."""
    root = Path(declaration.root)
    try:
        found = {Path(file): (root / file).read_bytes() for file in declaration.files}
    except OSError:  # deleted
        return None
    return found if hash_of(found) == declaration.contents else None


def hash_of(contents: Mapping[Path, bytes]) -> str:
    """Return a hash of files by their contents."""
    parts: Iterable[bytes] = (
        part for file in sorted(contents) for part in (file.as_posix().encode(), sha256(contents[file]).digest())
    )
    return sha256(b"".join(parts)).hexdigest()


if __name__ == "__main__":
    try:
        found = declared(msgspec.json.decode(sys.argv[1]))
    except PersistyError as error:
        sys.exit("; ".join(str(error).splitlines()))
    sys.stdout.buffer.write(msgspec.json.encode(found) + b"\n")
