"""The declaration of an app, read in a process of its own: `python -m persisty.local.declaration OPTIONS`, with the deployment's options as JSON.

It prints a hash of the plan and the files that functions need. So a change of the code is known to need a deployment, or none, before anything is
synthesised, and a mistake in the app ends that process alone.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from .. import settings
from ..deploy.app_files import app_files, app_root
from ..deploy.options import NAMES, options_of
from ..deploy.plan_from_options import planned
from ..errors import InvalidDeclaration, PersistyError


class Declaration(Struct, frozen=True):
    """`plan`: a hash of what is deployed. `files`: relative to `root`."""

    plan: str
    root: str
    files: tuple[str, ...]


def read_declaration(folder: Path, options: Mapping[str, Any]) -> Declaration:
    """Return the declaration of the app in a project's folder as its files are now. `InvalidDeclaration` with the last line of the error if
    the app cannot be loaded."""
    recognized = {name: value for name, value in options.items() if name in NAMES}
    done = subprocess.run(
        [sys.executable, "-m", __name__, msgspec.json.encode(recognized).decode()],
        cwd=folder, env=settings.environment(PYTHONDONTWRITEBYTECODE="1"), capture_output=True, check=False,
    )  # fmt: skip
    if done.returncode:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        raise InvalidDeclaration(lines[-1] if lines else "The app cannot be loaded")
    return msgspec.json.decode(done.stdout.splitlines()[-1], type=Declaration)


def declared(given: Mapping[str, Any]) -> Declaration:
    """Return the declaration of the app that the options name."""
    plan, _ = planned(options_of(given))
    root = app_root(plan.modules[0])
    files = app_files(root, plan.modules, [] if plan.documents is None else [plan.documents])
    return Declaration(
        plan=sha256(msgspec.json.encode(plan, order="deterministic")).hexdigest(),
        root=str(root),
        files=tuple(file.as_posix() for file in files),
    )


if __name__ == "__main__":
    try:
        found = declared(msgspec.json.decode(sys.argv[1]))
    except PersistyError as error:
        sys.exit("; ".join(str(error).splitlines()))
    sys.stdout.buffer.write(msgspec.json.encode(found) + b"\n")
