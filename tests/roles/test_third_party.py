"""A third-party engine runs the role suite with the same few lines."""

from __future__ import annotations

import pytest

from persisty.testing import roles

from ..conformance.test_third_party import OPTIONS, SHELF

pytest_plugins = ["pytester"]

SUITE = """
import pytest
from persisty.testing.roles import *
from shelf import ShelfEngine


@pytest.fixture(scope="session", params=["shelf"])
def open_engine():
    return ShelfEngine
"""
SOME = "owner and (update or search or links or writes)"


def test_a_third_party_engine_passes(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(shelf=SHELF, test_shelf=SUITE)
    run = pytester.runpytest_subprocess(*OPTIONS, "-k", SOME)
    assert run.ret == pytest.ExitCode.OK, run.stdout.str()
    run.stdout.re_match_lines([r"\d+ cells in all"])


def test_an_engine_that_ignores_conditions_fails(pytester: pytest.Pytester) -> None:
    broken = SHELF.replace("elif not matcher(self.meta, write.when)(current):", "elif False:")
    assert broken != SHELF
    pytester.makepyfile(shelf=broken, test_shelf=SUITE)
    run = pytester.runpytest_subprocess(*OPTIONS, "-k", "test_update and owner and diary")
    assert run.ret == pytest.ExitCode.TESTS_FAILED
    run.stdout.fnmatch_lines(["E*AssertionError: * of * cells"])


def test_every_test_of_every_theme_is_exported() -> None:
    """If two themes had a test of the same name, one of them would be hidden."""
    tests = [name for theme in roles.THEMES for name in vars(theme) if name.startswith("test_")]
    assert len(tests) == len(set(tests)) > 30
    assert set(tests) <= set(roles.__all__)
