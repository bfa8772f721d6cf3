"""Log an outage of the engine that workers use: when it begins, at most once in ten seconds while it lasts, and when it is over."""

from __future__ import annotations

import logging
from time import monotonic

log = logging.getLogger("persisty")
AGAIN = 10.0
"""The least seconds between two lines about an outage."""
WELL = 2.0
"""Seconds without an error after which an outage is over. Workers look at the engine once a second, and not in every step."""


class Outage:
    """The outage of an engine, if there is one. `who`: the subject of the lines."""

    def __init__(self, who: str) -> None:
        self._who = who
        self._began: float | None = None
        self._well: float | None = None
        self._logged = 0.0

    def failed(self, error: Exception) -> None:
        """Note that the engine could not be reached."""
        now = monotonic()
        self._well = None
        if self._began is None:
            self._began = now
        elif now < self._logged + AGAIN:
            return
        self._logged = now
        log.warning("%s cannot reach the engine: %s", self._who, error)

    def worked(self) -> None:
        """Note a step without an error."""
        if self._began is None:
            return
        now = monotonic()
        self._well = now if self._well is None else self._well
        if now >= self._well + WELL:
            log.warning("%s reaches the engine again, after %.0f seconds", self._who, self._well - self._began)
            self._began = None
