"""A process that is started ahead of its work: it loads its libraries, and waits for its arguments on standard input.

It ends when its input closes, which the system does however this process ends.
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Lock
from typing import Any

import msgspec


class Standby:
    """Runs `command` in `folder` again and again, each time in a process that may have been started before."""

    def __init__(self, command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> None:
        self._command, self._folder, self._environment = command, folder, environment
        self._waiting: subprocess.Popen[bytes] | None = None
        self._lock = Lock()

    def start(self) -> None:
        """Start the process of the next run, if none waits."""
        with self._lock:
            if self._waiting is None or self._waiting.poll() is not None:
                self._waiting = self._started()

    def run(self, arguments: Any) -> tuple[int, str]:
        """Do the work with these arguments. Return the exit code and the output."""
        with self._lock:
            waiting, self._waiting = self._waiting, None
        if waiting is None or waiting.poll() is not None:
            waiting = self._started()
        try:
            output, _ = waiting.communicate(msgspec.json.encode(arguments) + b"\n")
        except BaseException:  # an interruption of this command
            waiting.kill()
            raise
        return waiting.returncode, output.decode(errors="replace")

    def close(self) -> None:
        """End the process that waits."""
        with self._lock:
            waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting.communicate()

    def _started(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            list(self._command), cwd=self._folder, env=dict(self._environment),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
