"""Functions in processes of their own."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from persisty.local.functions import FunctionCode, FunctionFailed, RunningFunction

CODE = """
import os, sys, time
import helping

def handler(event, context):
    if event == "raise":
        raise ValueError("no such thing")
    if event == "exit":
        os._exit(3)
    if event == "sleep":
        time.sleep(30)
    print("this is no result")
    time.sleep(0.05)
    return {"event": event, "pid": os.getpid(), "variable": os.environ["SHOP"], "word": helping.word,
            "outside": any("site-packages" in path for path in sys.path), "left": context.get_remaining_time_in_millis()}
"""


@pytest.fixture
def function(tmp_path: Path):
    (tmp_path / "task").mkdir()
    (tmp_path / "layer").mkdir()
    (tmp_path / "task" / "main.py").write_text(CODE)
    (tmp_path / "layer" / "helping.py").write_text("word = 'layer'")
    code = FunctionCode("shop", "main.handler", (tmp_path / "task", tmp_path / "layer"), {"SHOP": "x"}, 2.0, 128, "arn")
    found = RunningFunction(code)
    yield found
    found.close()


def test_a_function_runs_from_its_code_and_layers_alone(function: RunningFunction) -> None:
    result = function.invoke({"a": 1})
    assert (result["event"], result["variable"], result["word"], result["outside"]) == ({"a": 1}, "x", "layer", False)
    assert 0 < result["left"] <= 2000
    assert function.invoke(None)["pid"] == result["pid"]


def test_events_that_come_together_have_instances_of_their_own(function: RunningFunction) -> None:
    with ThreadPoolExecutor(3) as pool:
        assert len({one["pid"] for one in pool.map(function.invoke, range(3))}) > 1


def test_an_error_of_the_handler_leaves_the_instance(function: RunningFunction) -> None:
    before = function.invoke(1)["pid"]
    with pytest.raises(FunctionFailed, match="no such thing") as caught:
        function.invoke("raise")
    assert caught.value.kind == "ValueError"
    assert function.invoke(1)["pid"] == before


@pytest.mark.parametrize(("event", "kind"), [("exit", "Runtime.ExitError"), ("sleep", "Sandbox.Timedout")])
def test_an_instance_that_ends_is_replaced(function: RunningFunction, event: str, kind: str) -> None:
    with pytest.raises(FunctionFailed) as caught:
        function.invoke(event)
    assert caught.value.kind == kind
    assert function.invoke(1)["event"] == 1


def test_changed_code_runs_after_replace(function: RunningFunction) -> None:
    assert function.invoke(1)["word"] == "layer"
    (function.code.paths[1] / "helping.py").write_text("word = 'changed now'")
    function.replace(function.code)
    assert function.invoke(1)["word"] == "changed now"


def test_a_handler_that_cannot_be_imported_says_why_and_where(
    function: RunningFunction, capfd: pytest.CaptureFixture[str]
) -> None:
    (function.code.paths[0] / "main.py").write_text("import nothing_like_it")
    with pytest.raises(FunctionFailed, match=r"nothing_like_it' \(.*main\.py:1\)") as caught:
        function.warm()
    assert caught.value.kind == "ModuleNotFoundError"
    assert capfd.readouterr().err == ""
