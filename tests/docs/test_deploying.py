"""docs/deploying.md: every option is explained, and the examples are valid."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from persisty.deploy.options import NAMES, options_of

PAGE = (Path(__file__).parents[2] / "docs/deploying.md").read_text()
CONSTRUCTS = {"vpc", "subnets", "security_groups", "domain", "graphql_domain", "topic"}


def test_every_option_has_a_row() -> None:
    rows = re.findall(
        r"^\| ((?:`\w+`(?:, )?)+) \|", PAGE.partition("## Options")[2].partition("<!-- constructs -->")[0], re.MULTILINE
    )
    assert {name for row in rows for name in re.findall(r"\w+", row)} == set(NAMES)


def test_the_options_of_the_examples_are_valid() -> None:
    found = 0
    for code in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL):
        for node in ast.walk(ast.parse(code)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "PersistyApp":
                given = {one.arg: one.value for one in node.keywords if one.arg not in CONSTRUCTS}
                options_of({str(name): ast.literal_eval(value) for name, value in given.items()})
                found += 1
    assert found == 3
