"""`persisty local` in a separate project: the deployed functions answer at the declared URLs, follow the files, and leave no process behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest
from websockets.sync.client import connect

from tests.e2e.emulators import MINISTACK, free_port

from .project import ROOT, call

APP = """
from uuid import UUID
from persisty import GENERATED, App, Attr, public, stored


@stored(access=public)
class Product:
    id: Attr[UUID] = GENERATED
    name: Attr[str]


app = App("shop", items=[Product])
"""
CDK = {"app": "python3 -m persisty_cdk", "context": {"app": "shop:app"}}
PATIENCE = 400
"""Seconds to wait for a command on a machine that does much else."""


class Running:
    """A running `persisty local`. `url`: of its server."""

    def __init__(self, folder: Path, python: Path, *options: str) -> None:
        self.url, self._folder = f"http://127.0.0.1:{free_port()}", folder
        path = os.pathsep.join(
            [str(python.parent), str(ROOT / "node_modules/.bin"), os.environ["PATH"], str(MINISTACK.parent)]
        )
        known = {
            name: one for name, one in os.environ.items() if not name.startswith(("AWS_", "PYTHONPATH", "PERSISTY_"))
        }
        self.log = folder.parent / "local.txt"
        port = self.url.rpartition(":")[2]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [str(python), "-W", "ignore", "-m", "persisty", "local", "shop:app", "--port", port, "--verbose", *options],
                cwd=folder, env={**known, "PATH": path}, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip

    def wait(self, text: str, times: int = 1) -> None:
        """Wait until the command has printed a text so many times."""
        deadline = time.monotonic() + PATIENCE
        while self.log.read_text().count(text) < times:
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.1)

    def printed(self, name: str) -> str:
        """Return the value that the command has printed after a name."""
        return next(
            line.partition(": ")[2] for line in self.log.read_text().splitlines() if line.startswith(f"{name}: ")
        )


@contextmanager
def running(folder: Path, python: Path, *options: str) -> Iterator[Running]:
    found = Running(folder, python, *options)
    try:
        yield found
    finally:
        if found.process.poll() is None:
            found.process.send_signal(signal.SIGINT)
        assert found.process.wait(60) in (0, 130, 1), found.log.read_text()
        assert not any(line.startswith("Traceback") for line in found.log.read_text().splitlines())
        assert _left(folder) == []


def _left(folder: Path) -> list[str]:
    """Return the processes that run in a folder."""
    found = []
    for place in Path("/proc").glob("[0-9]*/cwd"):
        try:
            if place.resolve().is_relative_to(folder):
                found.append((place.parent / "cmdline").read_text().replace("\0", " "))
        except OSError:
            continue
    return found


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "shop.py").write_text(APP)
    (folder / "cdk.json").write_text(json.dumps(CDK))
    return folder


def graphql(local: Running, document: str) -> Any:
    """Send a document to AppSync with its API key."""
    command = ["curl", "-s", f"{local.url}/appsync/graphql", "-H", f"x-api-key: {local.printed('AppSync API key')}"]
    body = json.dumps({"query": document})
    done = subprocess.run(
        [*command, "-H", "content-type: application/json", "-d", body], capture_output=True, check=True
    )
    return json.loads(done.stdout)


def test_an_app_runs_as_on_aws_and_follows_its_files(project: Path, python: Path) -> None:
    begun = time.monotonic()
    with running(project, python) as local:
        local.wait("Ready in")
        first = time.monotonic() - begun
        assert call("POST", f"{local.url}/api/product", name="one")[0] == 201
        assert call("POST", f"{local.url}/graphql", query="{ productCount }") == (200, {"data": {"productCount": 1}})
        _subscribe(local)
        # new code runs at once, a new declaration is deployed afterwards
        begun = time.monotonic()
        (project / "shop.py").write_text(
            APP.replace(
                "    name: Attr[str]\n",
                "    name: Attr[str]\n    note: Attr[str | None] = Attr(default=None)\n    stars: Attr[int] = Attr(default=3)\n",
            )
            .replace("access=public", "access=public, indexes=[Index('stars')]")
            .replace("Attr, public", "Attr, Index, public")
        )
        local.wait("Reloaded in")
        reloaded = time.monotonic() - begun
        assert call("POST", f"{local.url}/api/product", name="two", note="new")[0] == 201
        local.wait("Stacks updated in")
        updated = time.monotonic() - begun
        assert sorted(
            one["note"] or ""
            for one in graphql(local, "{ productSearch { items { note } } }")["data"]["productSearch"]["items"]
        ) == ["", "", "new"]
        # the new index has the items that were stored before its attribute
        assert stars(project) == ["3", "3", "3"]
        # a mistake leaves the old code running
        (project / "shop.py").write_text("raise RuntimeError('no such luck')")
        local.wait("Not reloaded: RuntimeError: no such luck")
        assert call("GET", f"{local.url}/api/product")[0] == 200
    (project / "shop.py").write_text(APP)
    begun = time.monotonic()
    with running(project, python) as local:
        local.wait("Ready in")
        again = time.monotonic() - begun
        names = [one["name"] for one in call("GET", f"{local.url}/api/product")[1]["items"]]
        assert sorted(names) == ["heard", "one", "two"]
    # without a change the templates are those of the last start
    begun = time.monotonic()
    with running(project, python) as local:
        local.wait("Ready in")
        unchanged = time.monotonic() - begun
        assert "synth" not in local.log.read_text()
        assert len(call("GET", f"{local.url}/api/product")[1]["items"]) == 3
    # nested stacks are not needed here, and an empty account has no items
    (project / "cdk.json").write_text(json.dumps({**CDK, "context": {**CDK["context"], "split": "on"}}))
    begun = time.monotonic()
    with running(project, python, "--fresh") as local:
        local.wait("Ready in")
        fresh = time.monotonic() - begun
        assert "synth" in local.log.read_text()
        assert call("GET", f"{local.url}/api/product")[1]["items"] == []
        assert call("POST", f"{local.url}/api/product", name="one")[0] == 201
    print(
        f"ready {first:.1f} s, again {again:.1f} s, unchanged {unchanged:.1f} s, fresh {fresh:.1f} s, "
        f"reload {reloaded:.1f} s, stacks {updated:.1f} s"
    )


def stars(project: Path) -> list[str]:
    """Return the values in the index of the emulated table."""
    lines = (project / ".persisty" / "local" / "environment").read_text().splitlines()
    variables = dict(line.removeprefix("export ").split("=", 1) for line in lines)
    dynamodb = boto3.client(
        "dynamodb", endpoint_url=variables["AWS_ENDPOINT_URL"], region_name="us-east-1",
        aws_access_key_id="local", aws_secret_access_key="local",
    )  # fmt: skip
    return [one["stars"]["N"] for one in dynamodb.scan(TableName="shop-dev-product", IndexName="by-stars")["Items"]]


def _subscribe(local: Running) -> None:
    """A change by REST reaches a subscription, through the table's stream and the deployed function."""
    key = {"x-api-key": local.printed("AppSync API key")}
    header = b64encode(json.dumps(key).encode()).decode()
    url = f"{local.printed('AppSync subscriptions')}?header={header}&payload=e30="
    with connect(url, subprotocols=["graphql-ws"]) as socket:  # type: ignore[list-item]
        socket.send(json.dumps({"type": "connection_init"}))
        assert json.loads(socket.recv(60))["type"] == "connection_ack"
        data = json.dumps({"query": "subscription { productCreated { name } }"})
        start = {"id": "1", "type": "start", "payload": {"data": data, "extensions": {"authorization": key}}}
        socket.send(json.dumps(start))
        assert json.loads(socket.recv(60)) == {"id": "1", "type": "start_ack"}
        assert call("POST", f"{local.url}/api/product", name="heard")[0] == 201
        names = []
        while "heard" not in names:  # the streams may still deliver earlier items
            names.append(json.loads(socket.recv(60))["payload"]["data"]["productCreated"]["name"])
        assert set(names) <= {"one", "two", "heard"}


def test_mistakes_are_one_line(project: Path, python: Path) -> None:
    (project / "cdk.json").write_text(json.dumps({"context": {"app": "shop:app", "memory": 1}}))
    local = Running(project, python)
    assert local.process.wait(PATIENCE) == 2
    said = local.log.read_text()
    assert "/memory: Expected int >= 128" in said
    assert "Traceback" not in said
    assert _left(project) == []
