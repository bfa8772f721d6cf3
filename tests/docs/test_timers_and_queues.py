"""docs/timers-and-queues.md: its code runs, and its tables name every option."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any, get_args

import pytest

from persisty import App
from persisty.application.deferred_calls import AppQueue, Priority
from persisty.store.outbox import State
from persisty.testing import drain
from persisty.triggers.timed import CatchUp, Cron

from .snippets import CODE
from .test_docs import run_tests_in

PAGE = (Path(__file__).parents[2] / "docs/timers-and-queues.md").read_text()


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    monkeypatch.setenv("PERSISTY_URL", f"sqlite:///{tmp_path}/notes.db")
    found = ModuleType("timers_and_queues")
    monkeypatch.setitem(__import__("sys").modules, found.__name__, found)
    for _, code in CODE.findall(PAGE):
        exec(code, found.__dict__)
    return found


def test_the_page_runs(page: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    app: App = page.app
    drain(app, until=datetime.now(UTC) + timedelta(seconds=1))
    sent = capsys.readouterr().out.splitlines()
    assert sorted(sent) == [
        "ada@example.com 1 of 2",
        "ada@example.com Welcome",
        "ada@example.com You have news",
        "ada@example.com Your code",
    ]
    note = page.create("Buy milk")
    other = page.create("Buy bread")
    assert page.forget(other) is True
    drain(app, until=datetime.now(UTC) + timedelta(days=7, minutes=1))
    out = capsys.readouterr().out
    assert f"Do you remember? Note(id=UUID('{note.id}')" in out
    assert str(other.id) not in out
    assert "How do you like it?" in out
    assert len([line for line in out.splitlines() if line.startswith("20")]) in (7 * 144, 7 * 144 + 1)
    assert page.app.outboxes[None].counts()[State.PARKED] == 0
    app.close()


def test_the_test_of_the_page_passes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERSISTY_URL", f"sqlite:///{tmp_path}/notes.db")
    (tmp_path / "test_page.py").write_text("\n".join(code for _, code in CODE.findall(PAGE)))
    printed = run_tests_in(tmp_path)
    assert "1 passed" in printed, printed


def rows(head: str) -> list[str]:
    """Return the first cells of the table with this head, without marks."""
    lines = PAGE.partition(f"| {head} |")[2].splitlines()[2:]
    found = []
    for line in lines:
        if not line.startswith("|"):
            break
        found.append(line.split("|")[1].strip().replace("`", "").replace('"', ""))
    return found


def test_the_tables_name_every_option() -> None:
    assert rows("`catch_up`") == list(get_args(CatchUp))
    send: Callable[..., Any] = AppQueue.send
    options = [one.partition("=")[0] for one in rows("option") if one != "none"]
    assert options == list(inspect.signature(send).parameters)[2:]
    assert "priority=high" in rows("option")
    assert set(get_args(Priority)) == {"normal", "high"}
    for name in ("timezone", "catch_up", "retry"):
        assert name in Cron.__struct_fields__
        assert f"{name}=" in PAGE
