"""A deployed function, run as Lambda runs it: its own zip and layers, AWS's runtime client, and no code of this checkout.

The Runtime API that the client polls is served here. Source: "Using the Lambda runtime API for custom runtimes" in the
AWS Lambda Developer Guide.
"""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

CLIENT = ("awslambdaric", "simplejson", "snapshot-restore-py")
"""The runtime client and what it needs: on Lambda they come with the runtime, not with the function."""
TIMEOUT = 60
DEADLINE = 900_000
"""Milliseconds that an invocation may take: the maximum of Lambda."""


class ProcessEnded(Exception):
    """The process of a function has ended during an invocation."""


class LambdaProcess:
    """A function. `invoke(event)` invokes it, and `log` is its output."""

    def __init__(self, folder: Path, handler: str, variables: dict[str, str]) -> None:
        self._events: queue.Queue[bytes | None] = queue.Queue()
        self._answers: queue.Queue[tuple[str, Any]] = queue.Queue()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.log = folder / "log.txt"
        runtime = folder / "runtime"
        _link_client(runtime)
        environment = {
            **variables,
            "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{self._server.server_address[1]}",
            "AWS_LAMBDA_FUNCTION_NAME": handler.replace(".", "-"),
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1024",
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "LAMBDA_TASK_ROOT": str(folder / "task"),
            "PYTHONPATH": f"{folder / 'task'}:{folder / 'opt' / 'python'}:{runtime}",
        }
        with self.log.open("wb") as log:  # -S: no site-packages, so what the layers lack is lacking
            self._process = subprocess.Popen(
                [sys.executable, "-S", "-m", "awslambdaric", handler],
                cwd=folder / "task",
                env=environment,
                stdout=log,
                stderr=log,
            )

    def invoke(self, event: dict[str, Any]) -> Any:
        """Return the function's result. A failure shows its error and log. `ProcessEnded` if it was killed."""
        self._events.put(json.dumps(event).encode())
        kind, answer = self._answer()
        if kind != "response":
            raise AssertionError(f"{kind}: {answer}\n{self.log.read_text()}")
        return answer

    def _answer(self) -> tuple[str, Any]:
        until = time.monotonic() + TIMEOUT
        while time.monotonic() < until:
            ended = self._process.poll() is not None
            try:
                return self._answers.get(timeout=0.05)
            except queue.Empty:
                if ended:
                    raise ProcessEnded from None
        return "no answer", None

    def kill(self) -> None:
        """End the process, as Lambda ends an instance."""
        self._process.kill()

    def close(self) -> None:
        self._events.put(None)
        self._process.terminate()
        self._process.wait(10)
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        events, answers = self._events, self._answers

        class RuntimeApi(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:  # the client requests the next event and waits
                event = events.get()
                if event is None:
                    self.close_connection = True
                    return
                self.send_response(200)
                self.send_header("Lambda-Runtime-Aws-Request-Id", "00000000-0000-4000-8000-000000000000")
                self.send_header(
                    "Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:us-east-1:123456789012:function:f"
                )
                self.send_header("Lambda-Runtime-Deadline-Ms", str(int(time.time() * 1000) + DEADLINE))
                self.send_header("Lambda-Runtime-Trace-Id", "Root=1-00000000-000000000000000000000000;Sampled=0")
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(event)))
                self.end_headers()
                self.wfile.write(event)

            def do_POST(self) -> None:  # …/{id}/response, …/{id}/error, …/init/error
                body = self.rfile.read(int(self.headers["Content-Length"]))
                answers.put((self.path.rpartition("/")[2], json.loads(body)))
                self.send_response(202)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Log no requests."""

        return RuntimeApi


@contextmanager
def running(folder: Path, handler: str, variables: dict[str, str]) -> Iterator[LambdaProcess]:
    process = LambdaProcess(folder, handler, variables)
    try:
        yield process
    finally:
        process.close()


def _link_client(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in CLIENT:
        package = distribution(name)
        for top in {file.parts[0] for file in package.files or () if not file.parts[0].startswith("..")}:
            if not top.endswith(".dist-info") and not (folder / top).exists() and top != "__pycache__":
                (folder / top).symlink_to(Path(str(package.locate_file(top))))
