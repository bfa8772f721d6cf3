"""CHANGELOG.md: the present names of the table of changed names exist."""

from __future__ import annotations

import re
from importlib.util import find_spec

import persisty

from .test_docs import ROOT

NAMES = (ROOT / "CHANGELOG.md").read_text().partition("### Changed names")[2].partition("\n### ")[0]


def test_the_new_public_names_are_exported() -> None:
    [sentence] = re.findall(r"New public names are (.*?)\.\n", NAMES, re.DOTALL)
    names = re.findall(r"`(\w+)`", sentence)
    assert names
    assert set(names) <= set(persisty.__all__)


def test_the_modules_that_have_moved_exist() -> None:
    table = NAMES.partition("These modules have moved:")[2].partition("####")[0]
    found = 0
    for line in re.findall(r"^\| `persisty.*$", table, re.MULTILINE):
        [present] = re.findall(r"^\| [^|]+ \| ([^|]+) \|$", line)
        package = ""
        for name in re.findall(r"`([\w.]+)`", present):
            package = name.rpartition(".")[0] or package
            assert find_spec(name if "." in name else f"{package}.{name}") is not None, name
            found += 1
    assert found > 10
