"""Send hostile requests to a served app while another process polls `/health`, and report the effects.

Each request depends only on the seed and its number, so it can be sent again. A request that was under way while `/health` was slow
is sent again alone: it is at fault only if `/health` is slow again, and not because the machine was busy.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from random import Random
from urllib.request import urlopen

from msgspec import Struct

from persisty.application import load_app
from persisty.security.caller import Caller

from . import combinations, floods, requests, sockets
from .requests import Tokens

ROOT = Path(__file__).parents[2]
SECRET = "a secret of these tests, and of nothing else in the whole wide world"
CALLERS = (
    Caller("ann"),
    Caller("bob", frozenset({"staff"})),
    Caller("eve", claims={"tenant": "t1"}),
    Caller("x" * 500, claims={"tenant": ["a", "b"]}),
)
SLOW_HEALTH = 250.0
"""Milliseconds that `/health` may take."""
MAX_MEMORY = 300.0
"""Megabytes that the server may have at its peak."""
SLOWEST = 12
"""Slow answers of `/health` that a report lists."""
SAMPLE = 2_500
"""Requests after which the memory is noted."""
CLOSING = b"\r\nconnection: close\r\n\r\n"

Way = Callable[[Random, Tokens], bytes]


def _plain(make: Callable[[Random], bytes]) -> Way:
    return lambda random, _: make(random).replace(b"\r\n\r\n", CLOSING, 1)


WAYS: dict[str, Way] = {
    **{
        make.__name__: _plain(make)
        for make in (
            requests.rest_create, requests.rest_change, requests.rest_read, requests.rest_search, requests.rest_cursor, requests.rest_batch, requests.rest_body, requests.rest_append,
            requests.graphql_document, requests.graphql_variables, requests.graphql_envelope, requests.graphql_get, requests.header, requests.target,
            combinations.rest_fields, combinations.rest_text, combinations.rest_repeated, combinations.compressed, combinations.folder, combinations.graphql_wide,
        )
    },
    "rest_token": lambda random, tokens: requests.rest_token(random, tokens).replace(b"\r\n\r\n", CLOSING, 1),
    "raw": lambda random, _: requests.raw(random),
    "rest_forged": lambda random, tokens: combinations.rest_forged(random, tokens).replace(b"\r\n\r\n", CLOSING, 1),
    "smuggled": lambda random, _: combinations.smuggled(random),
    "websocket": sockets.conversation,
    "websocket_storm": sockets.storm,
    "websocket_deflated": sockets.deflated,
    "trickle": floods.trickled,
    "idle": floods.held,
}  # fmt: skip
PATIENCE = {"raw": 0.3, "smuggled": 0.3, "trickle": 5.0, "idle": 2.0, **dict.fromkeys(sockets.HANDSHAKES, 10.0)}
"""Seconds that an answer may take, if the connection stays open."""
UNANSWERED = frozenset({"raw", "smuggled", "trickle", "idle"})
"""Ways in that may end without an answer."""
ENOUGH = 45.0


class Sent(Struct, frozen=True):
    """The effect of a request. `status` is None without a response, and the code of the last close frame for a WebSocket."""

    number: int
    way: str
    begun: float
    ended: float
    size: int
    received: int
    status: int | None


class Report(Struct):
    """The results of a run. `slow`: milliseconds of `/health` that a request costs when it is sent again alone, with its number. `slowest`: the slowest
    answers of the run, with the requests under way. `grown`: requests sent so far, megabytes of memory then, and the peak."""

    sent: list[Sent]
    health: float
    asked: int
    slow: list[tuple[float, tuple[int, ...]]]
    slowest: list[tuple[float, tuple[int, ...]]]
    grown: list[tuple[int, float, float]]
    memory: float
    alive: bool
    log: str

    def faults(self) -> list[str]:
        """Return the violations."""
        wrong = [
            f"{one.way} {one.number}: {one.status}"
            for one in self.sent
            if one.status is not None and (500 <= one.status < 600 or one.status == 1011)
        ]
        unanswered = [
            f"{one.way} {one.number}: no answer after {one.ended - one.begun:.1f} s"
            for one in self.sent
            if one.status is None and one.way not in UNANSWERED
        ]
        slow = [f"/health took {spent:.0f} ms during {numbers}" for spent, numbers in self.slow]
        memory = [f"{self.memory:.0f} MB of memory"] if self.memory > MAX_MEMORY else []
        traces = [f"{self.log.count('Traceback')} tracebacks in the log"] if "Traceback" in self.log else []
        return [*wrong, *unanswered, *slow, *memory, *traces, *([] if self.alive else ["the server has ended"])]

    def table(self) -> str:
        """Return a row for each way in: requests, the slowest in ms, most bytes received, statuses."""
        rows = [f"{'way in':<20}{'sent':>8}{'slowest':>9}{'largest':>10}  statuses"]
        by_way: dict[str, list[Sent]] = defaultdict(list)
        for one in self.sent:
            by_way[one.way].append(one)
        for way, sent in by_way.items():
            slowest, largest = max(1_000 * (one.ended - one.begun) for one in sent), max(one.received for one in sent)
            statuses = " ".join(
                f"{status}:{count}" for status, count in sorted(Counter(one.status or 0 for one in sent).items())
            )
            rows.append(f"{way:<20}{len(sent):>8}{slowest:>9.0f}{largest:>10}  {statuses}")
        known = {one.number: one for one in self.sent}
        for spent, numbers in self.slowest:
            around = ", ".join(
                f"{known[number].way} {number} ({known[number].size} bytes, {1_000 * (known[number].ended - known[number].begun):.0f} ms)"
                for number in numbers
            )
            rows.append(f"/health {spent:.0f} ms: {around}")
        rows.append("memory: " + ", ".join(f"{count}: {now:.0f}/{peak:.0f} MB" for count, now, peak in self.grown))
        rows.append(f"/health: {self.asked} times, at most {self.health:.0f} ms; memory: at most {self.memory:.0f} MB")
        return "\n".join(rows)


class Target:
    """A server that runs, its log, and tokens that it accepts."""

    def __init__(self, folder: Path) -> None:
        self.log = folder / "server.log"
        command = [
            sys.executable,
            "-m",
            "persisty",
            "serve",
            "tests.hostile.target:app",
            "--port",
            "0",
            "--url",
            f"sqlite:///{folder}/a.db",
            "--seed",
            "tests.hostile.target:seed",
            "--no-access-log",
        ]
        kept = {name: one for name, one in os.environ.items() if not name.startswith("PERSISTY_")}
        settings = {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", "PERSISTY_TOKEN_SECRET": SECRET}
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(command, cwd=folder, env={**kept, **settings}, stdout=log, stderr=log)
        self.port = self._port()
        app = load_app("tests.hostile.target:app")
        os.environ["PERSISTY_TOKEN_SECRET"] = SECRET
        try:
            self.tokens = Tokens([app.authenticator.token(caller) for caller in CALLERS], self._cursor())
        finally:
            del os.environ["PERSISTY_TOKEN_SECRET"]

    def _port(self) -> int:
        until = time.monotonic() + 60
        while time.monotonic() < until and self.process.poll() is None:
            text = self.log.read_text()
            if "/openapi.json" in text and "startup complete" in text:
                return int(text.partition("http://127.0.0.1:")[2].partition("/")[0])
            time.sleep(0.05)
        raise AssertionError(self.log.read_text())

    def _cursor(self) -> str:
        with urlopen(f"http://127.0.0.1:{self.port}/api/product?limit=1") as page:
            return str(json.load(page)["cursor"])

    def memory(self) -> tuple[float, float]:
        """Return the memory of the process and its peak, in megabytes."""
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        now, peak = (int(text.partition(name)[2].split()[0]) / 1024 for name in ("VmRSS:", "VmHWM:"))
        return now, peak

    def request(self, seed: int, number: int) -> tuple[str, bytes]:
        """Return the way in and the bytes of a request."""
        random = Random(f"{seed} {number}")
        way = random.choice(tuple(WAYS))
        return way, WAYS[way](random, self.tokens)


@contextmanager
def serving(folder: Path) -> Iterator[Target]:
    """Run a server of the hostile app in a separate process."""
    target = Target(folder)
    try:
        yield target
    finally:
        target.process.terminate()
        with suppress(subprocess.TimeoutExpired):
            target.process.wait(10)
        target.process.kill()
        target.process.wait(10)


async def send(target: Target, number: int, way: str, content: bytes) -> Sent:
    """Send a request and read the whole response."""
    begun, answer = time.monotonic(), bytearray()
    if way in floods.SENDERS:
        status = await floods.SENDERS[way](target.port, content)
        return Sent(number, way, begun, time.monotonic(), len(content), 0, status)
    with suppress(OSError, TimeoutError):
        async with asyncio.timeout(PATIENCE.get(way, ENOUGH)):
            reader, writer = await asyncio.open_connection("127.0.0.1", target.port, limit=1 << 22)
            try:
                with suppress(OSError):  # the server may answer before it has read everything
                    if way in sockets.HANDSHAKES:  # frames follow the answer to the handshake
                        writer.write(sockets.HANDSHAKES[way])
                        answer += await reader.readuntil(b"\r\n\r\n")
                    writer.write(content)
                    await writer.drain()
                while part := await reader.read(1 << 20):
                    answer += part
            finally:
                writer.transport.abort()
    return Sent(number, way, begun, time.monotonic(), len(content), len(answer), _status(way, bytes(answer)))


def _status(way: str, answer: bytes) -> int | None:
    """Return the status of the answer, or the code in the last frame if that closes a WebSocket."""
    if not answer.startswith(b"HTTP/1.1 "):
        return None
    status = int(answer[9:12])
    if way not in sockets.HANDSHAKES or status != 101:
        return status
    at = answer.partition(b"\r\n\r\n")[2]
    while len(at) >= 2:
        size, offset = at[1] & 127, 2
        if size >= 126:
            offset = 4 if size == 126 else 10
            size = int.from_bytes(at[2:offset], "big")
        if at[0] & 15 == 8:
            return int.from_bytes(at[offset : offset + 2], "big") or 1005
        at = at[offset + size :]
    return None


async def _send_all(
    target: Target, seed: int, numbers: Iterator[int], together: int, grown: list[tuple[int, float, float]]
) -> list[Sent]:
    sent: list[Sent] = []

    async def one_after_the_other() -> None:
        for number in numbers:
            answered = await send(target, number, *target.request(seed, number))
            sent.append(answered)
            if len(sent) % SAMPLE == 0 and target.process.poll() is None:
                grown.append((len(sent), *target.memory()))

    await asyncio.gather(*(one_after_the_other() for _ in range(together)))
    return sent


class Probe:
    """Poll `/health` in a separate process until `end`, which returns (the slowest in ms, the number of polls, slow responses)."""

    def __init__(self, port: int) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.hostile.probe", str(port)], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def end(self) -> tuple[float, int, list[tuple[float, float]]]:
        out, _ = self._process.communicate("end", timeout=120)
        *slow, last = [line.split() for line in out.splitlines()]
        return float(last[1]), int(last[2]), [(float(ended), float(spent)) for ended, spent in slow]


def attack(target: Target, seed: int, count: int, together: int = 4) -> Report:
    """Send `count` requests. Then send each request again alone during which `/health` was slow."""
    probe = Probe(target.port)
    grown: list[tuple[int, float, float]] = []
    sent = asyncio.run(_send_all(target, seed, iter(range(count)), together, grown))
    health, asked, slow = probe.end()
    around = [
        (spent, tuple(one.number for one in sent if one.begun <= ended and one.ended >= ended - spent / 1_000))
        for ended, spent in sorted(slow, key=lambda one: -one[1])
    ]
    suspects = {number for spent, numbers in around if spent > SLOW_HEALTH for number in numbers}
    proven = [found for number in sorted(suspects) if (found := _again(target, seed, number)) is not None]
    alive = target.process.poll() is None
    return Report(
        sent,
        health,
        asked,
        proven,
        around[:SLOWEST],
        grown,
        target.memory()[1] if alive else 0.0,
        alive,
        target.log.read_text(errors="replace"),
    )


def _again(target: Target, seed: int, number: int) -> tuple[float, tuple[int, ...]] | None:
    """Send one request alone, up to three times. Return the least time of `/health`, if it is slow each time."""
    least = float("inf")
    for _ in range(3):
        probe = Probe(target.port)
        time.sleep(0.3)
        asyncio.run(_send_all(target, seed, iter((number,)), 1, []))
        least = min(least, probe.end()[0])
        if least <= SLOW_HEALTH:
            return None
    return least, (number,)
