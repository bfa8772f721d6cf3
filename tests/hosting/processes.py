"""Run `persisty serve` in its own process, with an app that the test writes and may change."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx

from .test_identity import environment

SLOW = '''
"""An app with an action that goes on until a file is there."""

import os
import time
from pathlib import Path

from servey.action.action import action
from servey.trigger.web_trigger import WEB_GET

from persisty import App, Create, everyone, public, stored


@stored(access=public)
class Note:
    id: str
    text: str = "x" * 2000


@action(access_control=everyone, triggers=(WEB_GET,))
def slow() -> str:
    Path("running").write_text(str(os.getpid()))
    until = time.monotonic() + 60
    while not Path("go").exists() and time.monotonic() < until:
        time.sleep(0.02)
    return "done"


@action(access_control=everyone, triggers=(WEB_GET,))
def broken() -> str:
    raise RuntimeError("secret of the trace")


app = App("slow", items=[Note], actions=[slow, broken], url="memory://")


def seed(app: App) -> int:
    for start in range(0, 3000, 100):
        app.store(Note).edit_batch([Create({"id": f"{number:05}"}) for number in range(start, start + 100)])
    return 3000
'''
"""The text of a module `slow`."""


class Served:
    """A running server. `out` and `log` have its output so far."""

    def __init__(self, process: subprocess.Popen[bytes], folder: Path) -> None:
        self.process, self._folder = process, folder
        self.url = eventually(lambda: re.search(r"(http://\S+)/openapi.json", self.out) or self._ended())[1]
        self.port = int(self.url.rpartition(":")[2])
        eventually(lambda: not self.refuses() or self._ended())

    def _ended(self) -> None:
        if self.process.poll() is not None:
            raise AssertionError(f"it ended: {self.out}{self.log}")

    @property
    def out(self) -> str:
        return (self._folder / "out").read_text()

    @property
    def log(self) -> str:
        return (self._folder / "log").read_text()

    def get(self, path: str, **options: Any) -> httpx.Response:
        """Return the response."""
        return httpx.get(f"{self.url}{path}", timeout=30, **options)

    def refuses(self) -> bool:
        with socket.socket() as connection:
            return connection.connect_ex(("127.0.0.1", self.port)) != 0


def eventually(found: Callable[[], Any], seconds: float = 30) -> Any:
    """Wait for a result of `found` and return it."""
    until = time.monotonic() + seconds
    while not (known := found()):
        if time.monotonic() > until:
            raise AssertionError("it never came")
        time.sleep(0.02)
    return known


@contextmanager
def serving(folder: Path, app: str, *options: str, **settings: str) -> Iterator[Served]:
    """Start the server of an app whose module is in the folder."""
    written = folder.with_name(f"{folder.name}-written")  # outside of what is watched
    written.mkdir()
    command = [sys.executable, "-m", "persisty", "serve", app, "--port", "0", *options]
    with (written / "out").open("wb") as out, (written / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, env={**environment(), **settings}, stdout=out, stderr=log)
    try:
        yield Served(process, written)
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(10)
        process.kill()
        process.wait(10)
