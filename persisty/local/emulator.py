"""The emulator of AWS: ministack, a process of its own on a free port, with its state in a folder of the project.

ministack pins libraries to other versions than persisty needs. So it has a virtual environment of its own, which the first start makes.
"""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import venv
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .. import settings
from ..drivers import driver
from ..errors import InvalidDeclaration
from . import guarded_process

PROGRAM, VERSION = "ministack", "1.5.33"
ACCOUNT, REGION = "123456789012", "us-east-1"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local"}
START = 60.0
"""Seconds in which the emulator has to answer."""


def free_port() -> int:
    """Return a port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Emulator:
    """AWS at `url`, for processes with `variables`, and for `client(service)` of boto3. `wait()` returns when it answers, or raises
    `InvalidDeclaration`."""

    def __init__(self, url: str, wait: Callable[[], None] = lambda: None) -> None:
        self.url, self.wait = url, wait
        self.variables = {
            "AWS_ENDPOINT_URL": url, "AWS_REGION": REGION, "AWS_DEFAULT_REGION": REGION,
            "CDK_DEFAULT_ACCOUNT": ACCOUNT, "CDK_DEFAULT_REGION": REGION, **CREDENTIALS,
        }  # fmt: skip

    def environment(self) -> dict[str, str]:
        """Return the environment of a process that finds AWS here, whatever AWS account the shell is set up for."""
        inherited = settings.environment(**self.variables).items()
        return {name: value for name, value in inherited if not name.startswith("AWS_") or name in self.variables}

    def client(self, service: str) -> Any:
        """Return a client of boto3."""
        return driver("boto3").client(
            service, endpoint_url=self.url, region_name=REGION,
            aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"], aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
        )  # fmt: skip


def installed(folder: Path) -> Path:
    """Return the emulator's program: that of the path, or that of its own environment below `folder`, which is made if it does not exist.
    `InvalidDeclaration` if it cannot be installed."""
    found = shutil.which(PROGRAM)
    if found is not None:
        return Path(found)
    own = folder / f"{PROGRAM}-{VERSION}"
    program = own / "bin" / PROGRAM
    if not program.is_file():
        venv.create(own, clear=True)  # without a pip of its own, which takes longer than the emulator
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", str(own / "bin" / "python")]
        command = [*pip, "install", "--quiet", "--no-compile", f"{PROGRAM}=={VERSION}"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            reason = (done.stderr.strip() or "pip failed").splitlines()[-1]
            raise InvalidDeclaration(f"The emulator {PROGRAM} {VERSION} cannot be installed in {own}: {reason}")
    return program


@contextmanager
def emulator(program: Callable[[], Path], folder: Path) -> Iterator[Emulator]:
    """Run the emulator with its state in `folder`, and end it with the context. It may not answer yet: see `Emulator.wait`.

    `program` returns its program. It is called in a thread, because it may install the program, and a synth does not need the emulator.
    """
    folder.mkdir(parents=True, exist_ok=True)
    port = str(free_port())
    health, log_file = f"http://localhost:{port}/_ministack/health", folder / "log.txt"
    with ThreadPoolExecutor(1) as pool:
        starting = pool.submit(lambda: _started(program(), folder, port, log_file))
        try:
            yield Emulator(f"http://localhost:{port}", lambda: _wait(starting.result(), health, log_file))
        finally:
            if starting.exception() is None:
                running = starting.result()
                if running.stdin is not None:
                    running.stdin.close()
                running.wait()


def _started(program: Path, folder: Path, port: str, log_file: Path) -> subprocess.Popen[bytes]:
    """Start the emulator's process, which ends when its standard input closes."""
    variables = {
        "GATEWAY_PORT": port, "EDGE_PORT": port, "MINISTACK_ACCOUNT_ID": ACCOUNT, "MINISTACK_REGION": REGION, "BIND_HOST": "127.0.0.1",
        "PERSIST_STATE": "1", "STATE_DIR": str(folder / "state"), **CREDENTIALS,
    }  # fmt: skip
    inherited = settings.environment().items()
    environment = {name: value for name, value in inherited if not name.startswith(("AWS_", "PYTHON"))} | variables
    command = [sys.executable, guarded_process.__file__, str(program)]
    with log_file.open("wb") as log:
        return subprocess.Popen(
            command, env=environment, cwd=folder, stdin=subprocess.PIPE, stdout=log, stderr=log, start_new_session=True
        )


def _wait(running: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + START
    while time.monotonic() < deadline and running.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5) as response:
                json.load(response)
                return
        except urllib.error.HTTPError:
            return
        except (OSError, ValueError):
            time.sleep(0.05)
    raise InvalidDeclaration(f"The emulator does not start: {log} says why")
