"""docs/architecture.md names files and tables that exist, so that a reader finds where a change goes."""

from __future__ import annotations

import re

import pytest

from .test_docs import ROOT

PAGE = (ROOT / "docs/architecture.md").read_text()
PROSE = re.sub(r"^```.*?^```$", "", PAGE, flags=re.DOTALL | re.MULTILINE)
PATHS = sorted(set(re.findall(r"`((?:persisty|tests|stacks|lambdas)/[\w/.]*)`", PROSE)))
TABLES = sorted(
    {
        (name, path)
        for names, path in re.findall(r"((?:`\w+`(?:,| or| and)? )+)(?:of|in) (?:each of )?`([\w/]+\.py)`", PROSE)
        for name in re.findall(r"`(\w+)`", names)
    }
)


@pytest.mark.parametrize("path", PATHS)
def test_a_path_exists(path: str) -> None:
    assert (ROOT / path).exists()


@pytest.mark.parametrize(("name", "path"), TABLES)
def test_a_table_is_in_its_module(name: str, path: str) -> None:
    assert re.search(rf"^\s*(class |def |self\.)?{name}\b", (ROOT / path).read_text(), re.MULTILINE)


def test_every_module_of_a_drawing_exists() -> None:
    modules = {path.relative_to(ROOT).as_posix() for path in ROOT.glob("*/**/*.*") if path.suffix in (".py", ".js")}
    drawn = set(
        re.findall(r"\b[\w/]+\.(?:py|js)\b", "".join(re.findall(r"^```$.*?^```$", PAGE, re.DOTALL | re.MULTILINE)))
    )
    known = {"/" + module for module in modules} | {"/" + path.name for path in ROOT.glob("*.py")}
    assert [one for one in sorted(drawn) if not any(module.endswith("/" + one) for module in known)] == []


def test_the_page_covers_many_kinds_of_changes() -> None:
    assert len(TABLES) > 25
    assert len(PATHS) > 50
