"""AWS on this machine: a moto server and a ministack server, each a separate process on a free port."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ACCOUNT, REGION = "123456789012", "us-east-1"
MINISTACK = Path(__file__).parents[2] / ".cache" / "ministack" / "bin" / "ministack"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def aws_environment(url: str) -> dict[str, str]:
    """Return the environment in which AWS is at `url`. Its host must be localhost, or moto does not recognise S3's hosts."""
    return {
        **os.environ,
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "CDK_DEFAULT_ACCOUNT": ACCOUNT,
        "CDK_DEFAULT_REGION": REGION,
        "JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION": "20",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }


@contextmanager
def moto_server() -> Iterator[str]:
    """Yield the URL of a moto server that runs until the context ends."""
    port = free_port()
    with _process(
        [sys.executable, "-m", "moto.server", "-p", str(port)], {}, f"http://localhost:{port}/moto-api/"
    ) as url:
        yield url.removesuffix("/moto-api/")


@contextmanager
def ministack_server() -> Iterator[str]:
    """Yield the URL of a ministack server that runs until the context ends. It enforces IAM: a function may do only what its
    role allows."""
    command = os.environ.get("MINISTACK") or (str(MINISTACK) if MINISTACK.exists() else shutil.which("ministack"))
    if not command:
        pytest.fail("ministack is not installed: `make test` does it")
    port = free_port()
    root = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}
    settings = {
        "GATEWAY_PORT": str(port),
        "EDGE_PORT": str(port),
        "MINISTACK_ACCOUNT_ID": ACCOUNT,
        "AUTH": "true",
    } | root
    with _process([command], settings, f"http://localhost:{port}/_ministack/health") as url:
        yield url.removesuffix("/_ministack/health")


@contextmanager
def _process(command: list[str], settings: dict[str, str], health: str) -> Iterator[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")} | settings
    running = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait(running, health)
        yield health
    finally:
        running.terminate()
        try:
            running.wait(10)
        except subprocess.TimeoutExpired:
            running.kill()


def _wait(running: subprocess.Popen[bytes], url: str) -> None:
    for _ in range(240):
        if running.poll() is not None:
            pytest.fail(f"{running.args!r} ended with {running.returncode}")
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.25)
    pytest.fail(f"{running.args!r} did not answer at {url}")
