"""An outage of an engine is logged when it begins, every ten seconds, and when it is over."""

from __future__ import annotations

import pytest

from persisty import BackendUnavailable
from persisty.triggers import outages
from persisty.triggers.outages import Outage


def test_an_outage_is_logged_at_most_once_in_ten_seconds_and_its_end_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    now = 100.0
    monkeypatch.setattr(outages, "monotonic", lambda: now)
    outage = Outage("A worker")
    outage.worked()
    for _ in range(25):
        outage.failed(BackendUnavailable("refused"))
        now += 0.5
        outage.worked()  # a step that has not looked at the engine
        now += 0.5
    for _ in range(50):
        now += 0.1
        outage.worked()
    assert [one.getMessage() for one in caplog.records] == [
        "A worker cannot reach the engine: refused",
        "A worker cannot reach the engine: refused",
        "A worker cannot reach the engine: refused",
        "A worker reaches the engine again, after 24 seconds",
    ]
    outage.failed(BackendUnavailable("refused"))
    assert len(caplog.records) == 5
