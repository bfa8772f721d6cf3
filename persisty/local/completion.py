"""Complete the indexes of an app in the emulator, as `persisty deploy` does: `python -m persisty.local.completion APP STAGE`, in a process of its own.

It loads the app as its files are now. It prints a line for each part that is left to do.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from ..application import load_app
from ..deploy.assembly import PlacedApp
from ..deploy.index_completion import complete_indexes, doubt_indexes, has_defaulted_indexes
from ..errors import PersistyError
from .emulator import Emulator

ENGINE = "dynamodb://"
"""The engine that AWS's variables give."""


def complete(folder: Path, aws: Emulator, apps: Iterable[PlacedApp]) -> Iterator[str]:
    """Complete the indexes of the apps of a project's folder. Yield a line for each part that is left to do."""
    for one in apps:
        done = subprocess.run(
            [sys.executable, "-m", __name__, one.spec, one.stage],
            cwd=folder, env={**aws.environment(), "PYTHONDONTWRITEBYTECODE": "1"}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        yield from (f"{one.spec}: {line}" for line in done.stdout.splitlines() if line.strip())
        if done.returncode:
            reason = (done.stderr.strip() or "the process failed").splitlines()[-1]
            yield f"{one.spec}: The indexes are not completed, so queries do not use them: {reason}"


def completed(spec: str, stage: str) -> Iterator[str]:
    """Complete the indexes of an app in the engine of AWS's variables. Yield a line for each part that is left to do."""
    app = load_app(spec)
    app.stage = stage
    app.use(ENGINE)
    try:
        doubt_indexes(app)  # also for code without indexes, which may be older
        if has_defaulted_indexes(app):
            yield from complete_indexes(app, lambda step, items: None)
    finally:
        app.close()


if __name__ == "__main__":
    try:
        for left in completed(*sys.argv[1:3]):
            sys.stdout.write(f"{left}\n")
    except PersistyError as error:
        sys.exit("; ".join(str(error).splitlines()))
