"""The lines of the log of a server that is not at a terminal."""

from __future__ import annotations

import json
import logging
import sys

from persisty.hosting.logs import JsonFormatter


def test_a_line_of_json_is_written_although_an_exception_has_half_a_surrogate_pair() -> None:
    try:
        raise ValueError("half \ud800")
    except ValueError:
        record = logging.LogRecord("persisty", logging.ERROR, "", 1, "failed: %s", ("\udc00",), sys.exc_info())
    line = JsonFormatter().format(record)
    line.encode()
    assert json.loads(line)["message"] == "failed: \ufffd"
    assert json.loads(line)["error"].endswith("ValueError: half \ufffd")
