"""How often one caller may ask: a token bucket for each, in the memory of this process, which is bounded.

A bucket is one number, the moment at which it will be full again (the generic cell rate algorithm, ITU-T I.371). One that is full
need not be kept; where there are more callers than places, whoever asked longest ago is forgotten.

Who is known is counted by name, anybody else by address. That is known only behind the look at credentials, and a request whose
credentials do not count never gets there: what has not been counted on the way back is counted by address.
"""

from __future__ import annotations

import re
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address, ip_network

from msgspec import Struct

from ..api.http.authentication import Handle
from ..api.http.messages import Request, Response
from ..api.http.problem import problem, problem_response
from ..errors import Fault, InvalidDeclaration, RateLimited
from .tracing import CURRENT

PLACES = 20_000
"""Callers that are remembered."""
SECONDS = {"s": 1, "m": 60, "h": 3600}
_RATE = re.compile(r"([1-9]\d{0,8})/([smh])(?: burst ([1-9]\d{0,8}))?", re.ASCII)


class Rate(Struct, frozen=True):
    """So many `requests` in so many `seconds`, of which `burst` may come at once."""

    requests: int
    seconds: int
    burst: int


def rate_of(configured: str | None) -> Rate | None:
    """What `100/s`, `1000/m burst 50` or `5000/h` say; without `burst` all may come at once. `InvalidDeclaration` for anything else."""
    if configured is None:
        return None
    found = _RATE.fullmatch(configured.strip())
    if found is None:
        fault = Fault("/rate_limit", "Not a rate", "100/s, 1000/m burst 50, 5000/h", configured[:64])
        raise InvalidDeclaration("PERSISTY_RATE_LIMIT makes no sense", faults=[fault])
    return Rate(int(found[1]), SECONDS[found[2]], int(found[3] or found[1]))


class Buckets:
    """A bucket for each name. Safe for threads."""

    def __init__(self, rate: Rate, places: int = PLACES, clock: Callable[[], float] = time.monotonic) -> None:
        self._interval = rate.seconds / rate.requests
        self._room = self._interval * (rate.burst - 1)
        self._places, self._clock = places, clock
        self._full: OrderedDict[str, float] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._full)

    def take(self, name: str) -> float | None:
        """Count a request. The seconds after which it may be made, if it may not be now."""
        with self._lock:
            now = self._clock()
            full = max(self._full.get(name, now), now)
            wait = full - now - self._room
            if wait > 1e-9:  # a wait that was just long enough is, but for rounding
                return wait
            self._full[name] = full + self._interval
            self._full.move_to_end(name)
            if len(self._full) > self._places:
                self._full.popitem(last=False)
            return None


class Limited:
    """A surface, `outside` and `inside` of the look at credentials, that answers 429 to whoever asks too often."""

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
        wait = self._buckets.take(f"subject {subject}" if subject is not None else f"address {neighbourhood(address)}")
        return None if wait is None else problem_response(problem(RateLimited(retry_after=round(wait, 3))))


def neighbourhood(address: str | None) -> str | None:
    """The address; of IPv6, where one client has a whole network of them, that network."""
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
