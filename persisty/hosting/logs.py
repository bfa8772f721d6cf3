"""The log of the process: its own lines and uvicorn's, as people read them at a terminal and as JSON anywhere else.

A line that is written while a request is answered names it by the id that its answer has.
"""

from __future__ import annotations

import logging
import time
from typing import Any

import msgspec
from uvicorn.logging import DefaultFormatter

from .tracing import CURRENT


class JsonFormatter(logging.Formatter):
    """One JSON object a line, with the members of an access log's lines where there are such."""

    def format(self, record: logging.LogRecord) -> str:
        second = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        told: dict[str, Any] = {
            "time": f"{second}.{int(record.msecs):03}Z",
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if (trace := CURRENT.get()) is not None:
            told["request_id"] = trace.request_id
        if record.exc_info:
            told["error"] = self.formatException(record.exc_info)
        return msgspec.json.encode(told).decode()


class TextFormatter(DefaultFormatter):
    """uvicorn's lines, with the request's id behind the message."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        told, trace = super().formatMessage(record), CURRENT.get()
        return told if trace is None else f"{told}  [{trace.request_id}]"


FORMATTERS: dict[bool, dict[str, Any]] = {
    True: {"()": f"{__name__}.TextFormatter", "fmt": "%(levelprefix)s %(message)s"},
    False: {"()": f"{__name__}.JsonFormatter"},
}
"""Whether people read it → what spells it."""


def configuration(level: str, *, people: bool) -> dict[str, Any]:
    """What `logging.config.dictConfig` and uvicorn take: everything goes to standard error."""
    own = {"handlers": ["default"], "level": level, "propagate": False}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"default": FORMATTERS[people]},
        "handlers": {
            "default": {"formatter": "default", "class": "logging.StreamHandler", "stream": "ext://sys.stderr"}
        },
        "loggers": {"uvicorn": own, "persisty": own},
    }
