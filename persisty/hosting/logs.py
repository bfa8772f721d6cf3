"""The log of the process: lines of persisty and of uvicorn, as text at a terminal and as JSON otherwise.

A line that is written during a request has the id of the request, which its response has as well.
"""

from __future__ import annotations

import logging
import time
from typing import Any

import msgspec
from uvicorn.logging import DefaultFormatter

from ..api.http.request_trace import CURRENT
from ..errors import encodable


class JsonFormatter(logging.Formatter):
    """Formats a line as one JSON object. Its members have the names that the access log uses."""

    def format(self, record: logging.LogRecord) -> str:
        second = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        members: dict[str, Any] = {
            "time": f"{second}.{int(record.msecs):03}Z",
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if (trace := CURRENT.get()) is not None:
            members["request_id"] = trace.request_id
        if record.exc_info:
            members["error"] = self.formatException(record.exc_info)
        return msgspec.json.encode(encodable(members)).decode()


class TextFormatter(DefaultFormatter):
    """Formats a line as uvicorn does, followed by the id of the request."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        text, trace = super().formatMessage(record), CURRENT.get()
        return text if trace is None else f"{text}  [{trace.request_id}]"


FORMATTERS: dict[bool, dict[str, Any]] = {
    True: {"()": f"{__name__}.TextFormatter", "fmt": "%(levelprefix)s %(message)s"},
    False: {"()": f"{__name__}.JsonFormatter"},
}
"""`people` of `configuration` → the formatter."""


SOCKETS = "uvicorn.error.websocket"
"""Logger of WebSockets. At INFO it would log the query string of each connection, in which there may be a token."""


def configuration(level: str, *, people: bool) -> dict[str, Any]:
    """Return the configuration for `logging.config.dictConfig` and uvicorn. All lines go to standard error."""
    own = {"handlers": ["default"], "level": level, "propagate": False}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"default": FORMATTERS[people]},
        "handlers": {
            "default": {"formatter": "default", "class": "logging.StreamHandler", "stream": "ext://sys.stderr"}
        },
        "loggers": {"uvicorn": own, "persisty": own, SOCKETS: {"level": "WARNING"}},
    }
