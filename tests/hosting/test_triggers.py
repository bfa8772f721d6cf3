"""Triggers of actions that no host runs stop the start."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from servey.action.action import action
from servey.trigger.trigger_abc import TriggerABC
from servey.trigger.web_trigger import WEB_GET

from persisty import App, InvalidDeclaration, everyone, stored
from persisty.deploy.plan import plan_of
from persisty.hosting.server import Server


class Tide(TriggerABC):
    """Calls an action at high tide."""


@stored
class Thing:
    id: str


@action(access_control=everyone, triggers=(Tide(),))
def sweep() -> int:
    """Delete what is old."""
    return 0


@action(access_control=everyone, triggers=(WEB_GET, Tide()))
def sweep_now() -> int:
    """Delete what is old, on request too."""
    return 0


@pytest.mark.parametrize("start", [Server, lambda app: plan_of(app, "things:app")], ids=["server", "plan"])
def test_a_trigger_that_no_host_runs_stops_the_start_and_every_one_is_named(start: Callable[[App], Any]) -> None:
    app = App("things", items=[Thing], actions=[sweep, sweep_now], url="memory://")
    with pytest.raises(InvalidDeclaration) as caught:
        start(app)
    assert [(fault.path, fault.found) for fault in caught.value.faults] == [
        ("/actions/sweep/triggers/0", "Tide"),
        ("/actions/sweep_now/triggers/1", "Tide"),
    ]
