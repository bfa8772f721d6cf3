"""`persisty access` lists the stores and the custom actions."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest
from msgspec import json
from servey.action.action import action

from persisty import App

from .conftest import Persisty

MESSENGER = "examples.messenger.app:app"


def test_the_matrix_lists_every_action(persisty: Persisty) -> None:
    done = persisty("access", MESSENGER)
    assert done.code == 0
    assert [line.split() for line in done.out.partition("Actions")[2].splitlines() if "all" in line] == [
        ["sign_up", "all", "all", "all"],
        ["log_in", "all", "all", "all"],
        ["statistics", "all", "all", "all"],
    ]


def test_a_matrix_that_is_piped_has_a_line_for_each_row_without_padding(persisty: Persisty) -> None:
    lines = persisty("access", MESSENGER).out.splitlines()
    assert [line for line in lines if line != line.rstrip()] == []
    matrix = json.decode(persisty("access", "--json", MESSENGER).out)
    texts = [text for row in matrix for text in row["cells"].values()]
    longest = max(texts, key=len)
    assert any(longest in line for line in lines)


def test_the_matrix_as_json_has_a_row_for_each_action(persisty: Persisty) -> None:
    rows = json.decode(persisty("access", "--json", MESSENGER).out)
    assert {"action": "log_in", "cells": dict.fromkeys(("anonymous", "authenticated", "scope admin"), "all")} in rows


def test_the_matrix_rejects_an_action_that_does_not_declare_its_callers(
    persisty: Persisty, monkeypatch: pytest.MonkeyPatch
) -> None:
    @action
    def sweep() -> int:
        return 0

    module = ModuleType("careless")
    module.app = App("careless", items=[], actions=[sweep])  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "careless", module)
    done = persisty("access", "careless:app")
    assert done.code == 2
    assert "/actions/sweep/access_control: The action does not declare who may call it" in done.err
