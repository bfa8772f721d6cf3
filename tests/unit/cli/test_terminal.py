"""Commands print the texts of an app as they are."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.table import Table

import persisty.cli
from persisty.cli.tables import print_table
from persisty.cli.terminal import plain_console

ARN = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:persisty/shop/prod/tokens-AbCdEf"


def test_an_arn_is_printed_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    plain_console().print(ARN, soft_wrap=True)
    table = Table(ARN, box=None)
    table.add_row(ARN)
    print_table(table)
    assert capsys.readouterr().out.split() == [ARN, ARN, ARN]


def test_no_command_has_another_console() -> None:
    modules = {file.name: file.read_text() for file in Path(persisty.cli.__file__).parent.glob("*.py")}
    assert [name for name, text in modules.items() if " Console(" in text or "=Console(" in text] == ["terminal.py"]
