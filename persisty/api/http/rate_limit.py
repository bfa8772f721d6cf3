"""The rate limit: a token bucket for each caller, in the memory of this process.

A bucket is one number, the time at which it is full again (generic cell rate algorithm, ITU-T I.371). The number of buckets is bounded: beyond it,
the least recently used bucket is dropped.

An authenticated caller is counted by subject, any other by address. The subject is known only after authentication. A request with invalid
credentials does not pass it, and is counted by address after it was rejected.
"""

from __future__ import annotations

import re
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address, ip_network

from msgspec import Struct

from ...errors import Fault, InvalidDeclaration, RateLimited
from .authentication import Handle
from .messages import Request, Response
from .problem import problem, problem_response
from .request_trace import CURRENT

MAX_BUCKETS = 20_000
"""The most buckets in memory."""
SECONDS = {"s": 1, "m": 60, "h": 3600}
_RATE = re.compile(r"([1-9]\d{0,8})/([smh])(?: burst ([1-9]\d{0,8}))?", re.ASCII)


class Rate(Struct, frozen=True):
    """A limit of `requests` in `seconds`, of which `burst` may arrive at once."""

    requests: int
    seconds: int
    burst: int


def rate_of(configured: str | None) -> Rate | None:
    """Parse `100/s`, `1000/m burst 50` or `5000/h`. Without `burst`, all requests may arrive at once. Raises `InvalidDeclaration` for other texts."""
    if configured is None:
        return None
    found = _RATE.fullmatch(configured.strip())
    if found is None:
        fault = Fault("/rate_limit", "Not a rate", "100/s, 1000/m burst 50, 5000/h", configured[:64])
        raise InvalidDeclaration("PERSISTY_RATE_LIMIT is not valid", faults=[fault])
    return Rate(int(found[1]), SECONDS[found[2]], int(found[3] or found[1]))


class Buckets:
    """One bucket for each name. Thread-safe."""

    def __init__(self, rate: Rate, places: int = MAX_BUCKETS, clock: Callable[[], float] = time.monotonic) -> None:
        self._interval = rate.seconds / rate.requests
        self._room = self._interval * (rate.burst - 1)
        self._places, self._clock = places, clock
        self._full: OrderedDict[str, float] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._full)

    def take(self, name: str) -> float | None:
        """Count a request. Return None if it is allowed now, else the seconds to wait."""
        with self._lock:
            now = self._clock()
            full = max(self._full.get(name, now), now)
            wait = full - now - self._room
            if wait > 1e-9:  # less is an error of rounding after an exact wait
                return wait
            self._full[name] = full + self._interval
            self._full.move_to_end(name)
            if len(self._full) > self._places:
                self._full.popitem(last=False)
            return None


class Limited:
    """Answers 429 to a caller that exceeds the limit. Wraps a surface twice: `inside` of authentication, and `outside` of it."""

    def __init__(self, buckets: Buckets) -> None:
        self._buckets = buckets

    def inside(self, handle: Handle) -> Handle:
        def limited(request: Request) -> Response:
            return self._refused(request.caller.subject) or handle(request)

        return limited

    def outside(self, handle: Handle) -> Handle:
        def limited(request: Request) -> Response:
            response = handle(request)
            trace = CURRENT.get()
            counted = trace is None or trace.counted
            return response if counted else self._refused(None) or response

        return limited

    def _refused(self, subject: str | None) -> Response | None:
        trace = CURRENT.get()
        address = None
        if trace is not None:
            trace.counted, address = True, trace.address
        wait = self._buckets.take(
            f"subject {subject}" if subject is not None else f"address {counted_address(address)}"
        )
        return None if wait is None else problem_response(problem(RateLimited(retry_after=round(wait, 3))))


def counted_address(address: str | None) -> str | None:
    """Return the address that is counted: the /64 network of an IPv6 address, because one client has a whole network."""
    if address is None or ":" not in address:
        return address
    try:
        known = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if not isinstance(known, IPv6Address):
        return address
    mapped = known.ipv4_mapped
    return str(mapped or ip_network((known, 64), strict=False))
