"""`persisty work`, `persisty serve` with its workers, and `persisty events`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from persisty import App, InvalidDeclaration
from persisty.hosting.server import Server
from persisty.store.outbox import State
from persisty.testing import drain
from tests.unit.cli.conftest import Persisty, persisty  # noqa: F401

from . import recording
from .orders import Registry, eventually
from .recording import Memo

SPEC = "tests.unit.triggers.recording:app"


def environment(url: str, folder: Path) -> dict[str, str]:
    return {**os.environ, "RECORDING_URL": url, "EVENTS": str(folder / "events")}


def lines(folder: Path) -> list[str]:
    path = folder / "events"
    return path.read_text().splitlines() if path.exists() else []


@pytest.fixture
def written(shared_url: str, tmp_path: Path) -> App:
    app = App("memos", items=[Memo], url=shared_url, idempotency=None)
    app.triggers = recording.Recorder()
    app.prepare()
    return app


def test_work_handles_events_and_stops_cleanly(written: App, shared_url: str, tmp_path: Path) -> None:
    written.store(Memo).create(Memo(id="a"))
    process = subprocess.Popen(
        [sys.executable, "-m", "persisty", "work", SPEC, "--threads", "2"],
        env=environment(shared_url, tmp_path), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert eventually(lambda: lines(tmp_path) == ["created a"], 30)
        written.store(Memo).create(Memo(id="b"))
        assert eventually(lambda: lines(tmp_path) == ["created a", "created b"])
    finally:
        process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "2 threads handle events" in out
    [outbox] = written.outboxes.values()
    outbox.beat("other", 10, new=True)
    assert len(outbox.claim("other", 64)) == 64, "the lanes are free at once"
    written.close()


@pytest.mark.parametrize("workers", [1, 2])
def test_serve_handles_events_of_its_requests(shared_url: str, tmp_path: Path, workers: int) -> None:
    command = [sys.executable, "-m", "persisty", "serve", SPEC, "--port", "0", "--workers", str(workers)]
    output = tmp_path / "out"
    with output.open("wb") as out:
        process = subprocess.Popen(command, env=environment(shared_url, tmp_path), stdout=out, stderr=out)
        try:
            assert eventually(lambda: "/openapi.json" in output.read_text(), 40)
            url = output.read_text().partition("OpenAPI  ")[2].split()[0].replace("/openapi.json", "")
            with httpx.Client(base_url=url, timeout=20) as client:
                assert eventually(lambda: _ready(client), 40)
                for number in range(10):
                    assert client.post("/api/memo", json={"id": str(number)}).status_code == 201
            assert eventually(lambda: len(lines(tmp_path)) == 10)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(40)
    assert sorted(lines(tmp_path)) == [f"created {number}" for number in range(10)]


def _ready(client: httpx.Client) -> bool:
    try:
        return client.get("/ready").status_code == 200
    except httpx.TransportError:
        return False


def test_a_server_without_work_leaves_events_to_others(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/memos.db"
    app = App("memos", items=[Memo], url=url, idempotency=None)
    app.triggers = recording.Recorder()
    assert Server(app, work=None)._workers is None
    assert Server(app)._workers
    app.close()


def test_events_are_listed_shown_replayed_and_dropped(
    written: App,
    shared_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    persisty: Persisty,  # noqa: F811
) -> None:
    monkeypatch.setenv("EVENTS", str(tmp_path / "events"))
    monkeypatch.setattr("persisty.triggers.retries.LONGEST", 0.0)
    for key in ("a", "b"):
        written.store(Memo).create(Memo(id=key, text="bad"))
    while drain(written) or any(one.due is not None for one in _search(written)):
        pass
    options = ("--app", SPEC, "--url", shared_url)
    listed = persisty("events", "list", *options, "--state", "parked")
    assert listed.code == 0
    first, second = [line.split() for line in listed.out.splitlines()[1:3]]
    assert first[1:7] == ["parked", "memo", "created", "a", "record", "2"]
    assert listed.out.splitlines()[-1] == "0 ready, 0 held, 2 parked"
    shown = persisty("events", "show", first[0], *options)
    assert "ValueError: it is bad" in shown.out
    assert '{"id":"a","text":"bad"}' in shown.out
    replayed = persisty("events", "replay", first[0], *options)
    assert (replayed.code, replayed.out) == (0, "1 event will be handled again\n")
    dropped = persisty("events", "drop", "all", *options)
    assert (dropped.code, dropped.out) == (0, "1 event dropped\n")
    again = persisty("events", "drop", second[0], *options)
    assert (again.code, again.err) == (1, "1 not found among those that are parked, held or scheduled\n")
    assert persisty("events", "show", second[0], *options).code == 1
    assert persisty("events", "replay", *options).code == 2
    for number in ("seven", "9" * 19):
        assert persisty("events", "show", number, *options).code == 2
    written.close()


@pytest.mark.parametrize(
    ("given", "options"),
    [
        (["drop", "all", "--state", "ready"], ["/--state"]),
        (["drop", "1", "--action", "other", "--store", "memo"], ["/--store", "/--action"]),
        (["replay", "1", "--limit", "1"], ["/--limit"]),
        (["show", "all", "--action", "record"], ["/--action"]),
        (["list", "1"], []),
    ],
)
def test_an_option_that_has_no_effect_is_refused(
    given: list[str],
    options: list[str],
    written: App,
    shared_url: str,
    monkeypatch: pytest.MonkeyPatch,
    persisty: Persisty,  # noqa: F811
) -> None:
    monkeypatch.setattr("persisty.triggers.retries.LONGEST", 0.0)
    written.store(Memo).create(Memo(id="a", text="bad"))
    while drain(written) or any(one.due is not None for one in _search(written)):
        pass
    refused = persisty("events", *given, "--app", SPEC, "--url", shared_url)
    assert refused.code == 2
    assert [option for option in ("/--state", "/--store", "/--action", "/--limit") if option in refused.err] == options
    assert [one.state for one in _search(written)] == [State.PARKED]
    written.close()


def test_a_list_creates_no_database(persisty: Persisty, tmp_path: Path) -> None:  # noqa: F811
    listed = persisty("events", "list", "--app", SPEC, "--url", f"sqlite:///{tmp_path}/missing.db")
    assert listed.out.splitlines()[-1] == "0 ready, 0 held, 0 parked"
    assert list(tmp_path.iterdir()) == []


def test_dead_letters_need_a_region(persisty: Persisty, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    refused = persisty("events", "list", "--app", SPEC, "--stage", "prod")
    assert refused.code == 2
    assert "region" in refused.err


def _search(app: App) -> Any:
    [outbox] = app.outboxes.values()
    return outbox.search(None, None, None, 10)


def test_work_refuses_memory_and_apps_without_triggers(persisty: Persisty) -> None:  # noqa: F811
    assert persisty("work", SPEC, "--url", "memory://").code == 2
    assert persisty("work", "tests.unit.cli.shop:app", "--url", "sqlite://").code == 2


def test_a_server_refuses_after_triggers_of_an_engine_without_events() -> None:
    app = App("memos", items=[Memo], url="dynamodb://eu-west-1?transport=boto3", idempotency=None)
    registry = Registry()
    registry.stores = {"memo"}
    app.triggers = registry
    with pytest.raises(InvalidDeclaration) as caught:
        Server(app)
    assert [fault.path for fault in caught.value.faults] == ["/memo"]
