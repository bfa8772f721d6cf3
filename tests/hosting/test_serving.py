"""`persisty serve` as a process: its log, its metrics, its workers, and its shutdown."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import threading
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from persisty.hosting.websocket import PROTOCOL

from .processes import SLOW, Served, eventually, serving
from .test_identity import run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "app"
    folder.mkdir()
    (folder / "slow.py").write_text(SLOW)
    return folder


def lines(served: Served) -> list[dict[str, Any]]:
    return [json.loads(line) for line in served.log.splitlines()]


def requests(served: Served) -> list[dict[str, Any]]:
    return [line for line in lines(served) if "route" in line]


class Asked(threading.Thread):
    """A request that runs meanwhile. `told`: all that came."""

    def __init__(self, port: int, path: str) -> None:
        super().__init__()
        self._port, self._path = port, path
        self.told = b""
        self.start()

    def run(self) -> None:
        with socket.create_connection(("127.0.0.1", self._port), 30) as connection:
            connection.sendall(f"GET {self._path} HTTP/1.1\r\nhost: a\r\naccept: */*\r\n\r\n".encode())
            while piece := connection.recv(65536):
                self.told += piece


def test_every_log_line_is_json_without_secrets(folder: Path) -> None:
    with serving(folder, "slow:app", "--seed", "slow:seed") as served:
        hidden = {"authorization": "Bearer in-a-header", "x-request-id": "mine", "user-agent": "in-an-agent"}
        assert served.get("/api/note/00001?fields=in-a-query", headers=hidden).status_code == 401
        assert served.get("/api/note/00001?text=in-a-query", headers={"x-request-id": "mine"}).status_code == 400
        page = served.get("/api/note?limit=2")
        assert served.get("/api/n%0Aothing").status_code == 404
        assert served.get("/actions/broken", headers={"x-request-id": "it-broke"}).status_code == 500
        port = page.url.port
        with connect(f"ws://127.0.0.1:{port}/graphql?token=in-a-socket", subprotocols=[Subprotocol(PROTOCOL)]):
            pass
        eventually(lambda: len(requests(served)) == 5)
        assert not re.findall("in-a-|user-agent", served.log)
        found = [(line["method"], line["path"], line["route"], line["status"]) for line in requests(served)]
        assert found == [
            ("GET", "/api/note/00001", "/api/note/{key}", 401),
            ("GET", "/api/note/00001", "/api/note/{key}", 400),
            ("GET", "/api/note", "/api/note", 200),
            ("GET", "/api/n\nothing", "unmatched", 404),
            ("GET", "/actions/broken", "/actions/broken", 500),
        ]
        assert requests(served)[0]["request_id"] == "mine"
        known = requests(served)[2]
        assert known["request_id"] == page.headers["x-request-id"]
        assert known["bytes"] == int(page.headers["content-length"])
        assert 0 < known["ms"] < 30_000
        error = next(line for line in lines(served) if "error" in line)
        assert (error["request_id"], error["logger"], error["level"]) == ("it-broke", "persisty", "ERROR")
        assert "secret of the trace" in error["error"]  # from the thread that the action ran in


def test_the_access_log_can_be_off(folder: Path) -> None:
    with serving(folder, "slow:app", "--no-access-log") as served:
        assert served.get("/api/note").status_code == 200
        assert served.get("/metrics").status_code == 404
        served.process.send_signal(signal.SIGTERM)
        served.process.wait(30)
        assert "Finished server process" in served.log
        assert requests(served) == []


def test_metrics_are_served_if_they_are_on(folder: Path) -> None:
    with serving(folder, "slow:app", PERSISTY_METRICS="on", PERSISTY_ACCESS_LOG="off") as served:
        assert "/metrics" in served.out
        for number in range(30):
            served.get(f"/api/note/{number}")
        told = served.get("/metrics").text
        assert 'persisty_http_requests_total{method="GET",route="/api/note/{key}",status="404"} 30.0' in told
        assert "process_resident_memory_bytes" in told
        assert requests(served) == []


def test_shutdown_finishes_running_requests_and_accepts_no_new_ones(folder: Path) -> None:
    with serving(folder, "slow:app") as served:
        running = Asked(served.port, "/actions/slow")
        eventually((folder / "running").exists)
        served.process.send_signal(signal.SIGTERM)
        eventually(served.refuses)
        assert served.process.poll() is None
        assert running.told == b""
        (folder / "go").touch()
        running.join(20)
        assert running.told.startswith(b"HTTP/1.1 200")
        assert running.told.endswith(b'\r\n\r\n"done"')
        served.process.wait(20)
        assert requests(served)[-1]["status"] == 200
        assert "Application shutdown complete" in served.log  # so the engine was closed after that


def test_shutdown_sends_a_running_stream_to_its_end(folder: Path) -> None:
    with (
        serving(folder, "slow:app", "--seed", "slow:seed") as served,
        socket.socket() as connection,
    ):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(30)
        connection.connect(("127.0.0.1", served.port))
        connection.sendall(b"GET /api/note HTTP/1.1\r\nhost: a\r\naccept: application/x-ndjson\r\n\r\n")
        told = connection.recv(1000)
        served.process.send_signal(signal.SIGTERM)
        eventually(served.refuses)
        while piece := connection.recv(65536):
            told += piece
        assert told.count(b'"id"') == 3000
        assert told.endswith(b"0\r\n\r\n")


def test_shutdown_aborts_requests_after_its_timeout(folder: Path) -> None:
    with serving(folder, "slow:app", "--drain-timeout", "0.5") as served:
        Asked(served.port, "/actions/slow")
        eventually((folder / "running").exists)
        served.process.send_signal(signal.SIGTERM)
        served.process.wait(30)
        assert not (folder / "go").exists()
        assert "timeout graceful shutdown exceeded" in served.log


def test_ready_is_503_before_connections_are_refused(folder: Path) -> None:
    with serving(folder, "slow:app", PERSISTY_DRAIN_DELAY="600") as served:
        assert served.get("/ready").json() == {"status": "ready"}
        served.process.send_signal(signal.SIGTERM)
        told = eventually(lambda: (answer := served.get("/ready")).status_code == 503 and answer)
        assert (told.json()["code"], told.json()["reason"]) == ("not_ready", "draining")
        assert served.get("/health").status_code == served.get("/api/note").status_code == 200
        served.process.send_signal(signal.SIGTERM)  # which does not wait any more
        eventually(served.refuses)
        served.process.wait(20)


def test_workers_share_the_socket_and_the_data(folder: Path) -> None:
    url = f"sqlite:///{folder}/notes.db"
    with serving(folder, "slow:app", "--workers", "2", "--seed", "slow:seed", "--url", url) as served:
        eventually(lambda: served.log.count("Application startup complete") == 2)
        assert {served.get("/api/note-count").json()["count"] for _ in range(10)} == {3000}
        assert served.out.count("seeded") == 1
        served.process.send_signal(signal.SIGTERM)
        served.process.wait(30)
        assert served.log.count("Application shutdown complete") == 2


def test_every_worker_serves_the_metrics_of_all_and_a_dead_one_has_no_running_requests(folder: Path) -> None:
    url = f"sqlite:///{folder}/notes.db"
    with serving(folder, "slow:app", "--workers", "2", "--metrics", "--url", url) as served:
        eventually(lambda: served.log.count("Application startup complete") == 2)
        for _ in range(20):
            assert served.get("/api/note-count").status_code == 200
        count = 'persisty_http_requests_total{method="GET",route="/api/note-count",status="200"}'

        def shown() -> set[str]:
            return {line for line in served.get("/metrics").text.splitlines() if line.startswith(count)}

        assert [shown() for _ in range(10)] == [{f"{count} 20.0"}] * 10
        Asked(served.port, "/actions/slow")
        eventually((folder / "running").exists)
        running = "persisty_http_requests_in_progress"
        assert f"{running} 2.0" in served.get("/metrics").text  # the slow one, and this
        os.kill(int((folder / "running").read_text()), signal.SIGKILL)
        eventually(lambda: f"{running} 1.0" in served.get("/metrics").text)
        assert shown() == {f"{count} 20.0"}


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--workers", "2"), "its own memory"),
        (("--workers", "2", "--reload"), "leave out --workers"),
    ],
)
def test_options_that_exclude_each_other_are_usage_errors(folder: Path, options: tuple[str, ...], told: str) -> None:
    done = run(folder, "serve", "slow:app", "--port", "0", *options)
    assert (done.returncode, told in done.stderr) == (2, True), done.stderr
