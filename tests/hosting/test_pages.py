"""The pages without built scripts: an error response instead of a traceback."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from persisty import App, stored
from persisty.hosting import pages
from persisty.hosting.server import Server


@stored
class Thing:
    id: str


def test_files_that_are_not_built_are_not_found_and_the_start_logs_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(pages, "HERE", tmp_path)
    with caplog.at_level(logging.WARNING, "persisty"):
        server = Server(App("things", items=[Thing], url="memory://"))
    assert "The folder static is missing" in caplog.text
    response = TestClient(server).get("/static/swagger-ui.js")
    assert (response.status_code, response.json()["code"]) == (404, "not_found")
