"""docs/hosting.md lists the existing options, variables and metrics."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from starlette.testclient import TestClient
from typer.main import get_command

from persisty.cli.main import commands
from persisty.hosting.access_log import Line
from persisty.hosting.readiness import PATIENCE
from persisty.settings import VARIABLES, Settings

TEXT = (Path(__file__).parents[2] / "docs" / "hosting.md").read_text()


def test_every_option_of_serve_is_documented() -> None:
    serve = get_command(commands(["serve"])).commands["serve"]  # type: ignore[attr-defined]
    options = {option for one in serve.params for option in one.opts if option.startswith("--")}
    assert options - {"--seed"} <= set(re.findall(r"--[a-z][\w-]+", TEXT))
    assert set(re.findall(r"--[a-z][\w-]+", TEXT)) <= options


def test_the_environment_variables_exist() -> None:
    assert set(re.findall(r"PERSISTY_\w+", TEXT)) <= set(VARIABLES)
    assert f"when it stops: {Settings().drain_timeout}" in TEXT
    assert f"connections are refused: {Settings().drain_delay}" in TEXT
    assert f"one read within {PATIENCE:g} seconds" in TEXT


def test_a_mounted_server_is_ready_and_writes_urls_below_its_path() -> None:
    [code] = re.findall(r"^```python\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)
    declared: dict[str, Any] = {}
    exec(code, declared)
    with TestClient(declared["site"]) as client:
        assert client.get("/shop/ready").status_code == 200
        assert client.post("/shop/api/product", json={"id": "a"}).headers["location"] == "/shop/api/product/a"


def test_a_log_line_has_the_shown_form() -> None:
    [shown] = re.findall(r"^\{.*\}$", TEXT, re.MULTILINE)
    assert re.findall(r'"(\w+)":', shown) == list(Line.__struct_fields__)
