"""A project that `persisty init` writes, its commands, and an account of AWS for it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3

from tests.e2e.deployment import ASSETS
from tests.e2e.emulators import ACCOUNT, REGION, aws_environment, free_port

ROOT = Path(__file__).parents[2]
LOCAL = ("--target", "local", "-c", "live=off")
"""Options of a deployment to the emulator. It has no subscriptions: the emulator takes the policy of their queue for a refusal of plain HTTP."""


class Project:
    """A project in `folder`, whose virtual environment has `python`. `url`: that of the emulator of AWS."""

    def __init__(self, folder: Path, python: Path, url: str) -> None:
        self.folder, self._python, self._url = folder, python, url
        path = os.pathsep.join([str(python.parent), str(ROOT / "node_modules/.bin"), os.environ["PATH"]])
        others = aws_environment(url).items()
        self.environment = {name: one for name, one in others if not name.startswith(("PYTHONPATH", "PERSISTY_"))}
        self.environment |= {"PATH": path, "COLUMNS": "200"}

    def run(self, *arguments: str, code: int = 0, **variables: str) -> str:
        """Run a module of Python in the project, and return what it prints."""
        command = [str(self._python), "-W", "ignore", "-m", *arguments]
        done = subprocess.run(
            command, cwd=self.folder, env={**self.environment, **variables},
            capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip
        assert done.returncode == code, f"{arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr
        return done.stdout + done.stderr

    def persisty(self, *arguments: str, code: int = 0, **variables: str) -> str:
        return self.run("persisty", *arguments, code=code, **variables)

    def deploy(self, *arguments: str, code: int = 0) -> str:
        return self.persisty("deploy", *LOCAL, *arguments, code=code)

    @contextmanager
    def served(self) -> Iterator[str]:
        """Run `persisty serve`. Yield its URL."""
        port = free_port()
        command = [str(self._python), "-m", "persisty", "serve", "--seed", "my_shop.seeds:seed", "--port", str(port)]
        server = subprocess.Popen(
            command, cwd=self.folder, env=self.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            deadline = time.monotonic() + 60
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port), 1).close()
                    break
                except OSError:
                    assert server.poll() is None, "the server has ended"
                    assert time.monotonic() < deadline, "the server does not listen"
                    time.sleep(0.1)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()
            server.wait(20)

    def edit(self, changes: dict[str, str], *files: str) -> None:
        """Replace texts in files of the project. Each text must be in one of them."""
        found = set()
        for file in files:
            path = self.folder / file
            text = path.read_text()
            for before, after in changes.items():
                found |= {before} if before in text else set()
                text = text.replace(before, after)
            path.write_text(text)
        assert found == changes.keys()

    def bootstrap(self) -> None:
        """Prepare the account for deployments."""
        command = ["cdk", "bootstrap", f"aws://{ACCOUNT}/{REGION}", "--app", "cdk.out"]
        subprocess.run(command, cwd=self.folder, env=self.environment, check=True, capture_output=True, timeout=120)
        # bootstrap's bucket refuses plain HTTP, which is all that an emulator speaks
        self.client("s3").delete_bucket_policy(Bucket=ASSETS)

    def client(self, service: str) -> Any:
        return boto3.client(
            service, endpoint_url=self._url, region_name=REGION,
            aws_access_key_id="testing", aws_secret_access_key="testing",
        )  # fmt: skip

    def api(self, printed: str) -> str:
        """Return where the emulator serves the HTTP API whose URL a deployment has printed: its host does not resolve."""
        [url] = [line.partition(": ")[2] for line in printed.splitlines() if line.startswith("HttpUrl: ")]
        return f"{self._url}/_aws/execute-api/{urlsplit(url).netloc.partition('.')[0]}/$default"

    def indexes(self, table: str) -> set[str]:
        """Return the names of the indexes of a deployed table."""
        described = self.client("dynamodb").describe_table(TableName=table)["Table"]
        return {one["IndexName"] for one in described.get("GlobalSecondaryIndexes", ())}


def call(method: str, url: str, token: str | None = None, **body: Any) -> tuple[int, Any]:
    """Send a request with JSON. Return its status and the content of its response: JSON, or text."""
    headers = {"content-type": "application/json", **({} if token is None else {"authorization": f"Bearer {token}"})}
    data = json.dumps(body).encode() if body else None
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data, headers, method=method), timeout=60) as response:
            status, content = response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        status, content = error.code, error.read().decode()
    return status, json.loads(content) if content[:1] in ("{", "[") else content
