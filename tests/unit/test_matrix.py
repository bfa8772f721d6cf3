"""`persisty.testing.matrix`: a line for each engine, and a run that fails if an engine fails or is missing."""

from __future__ import annotations

import pytest

pytest_plugins = ["pytester"]

CONFTEST = """
import pytest

@pytest.fixture(scope="session", params=["good", "bad", "closed"])
def open_engine(request):
    if request.param == "closed":
        raise RuntimeError("nobody there")
    return request.param

@pytest.fixture(autouse=True)
def recorded(request, open_engine):
    request.node.user_properties.append(("persisty-capabilities", {"embedded": True, "max_atomic": 7, "atomic_bulk": False}))
"""
TESTS = """
import pytest

def test_one(open_engine):
    assert open_engine == "good"

def test_two(open_engine):
    pass

def test_three(open_engine):
    pytest.skip("lacks wings")
"""
HEAD = ("-p", "no:cacheprovider", "-p", "persisty.testing.matrix")


@pytest.mark.parametrize("processes", ["0", "2"])
def test_every_engine_has_a_line_with_any_number_of_processes(pytester: pytest.Pytester, processes: str) -> None:
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(TESTS)
    run = pytester.runpytest_subprocess(*HEAD, "-n", processes)
    run.stdout.fnmatch_lines(
        [
            "*= conformance =*",
            "engine  passed  failed  skipped  can",
            "bad          1       1        1  embedded, max_atomic=7",
            "closed       0       3        0*",
            "good         2       0        1  embedded, max_atomic=7",
        ]
    )
    assert run.ret == pytest.ExitCode.TESTS_FAILED


def test_a_missing_engine_fails_a_run_in_which_all_tests_passed(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(TESTS)
    only = ("-k", "good")
    assert pytester.runpytest_subprocess(*HEAD, *only, "--engines=good").ret == pytest.ExitCode.OK
    run = pytester.runpytest_subprocess(*HEAD, *only, "--engines=good,gone")
    run.stdout.fnmatch_lines(["good       2       0        1  *", "gone  no tests ran"])
    assert run.ret == pytest.ExitCode.TESTS_FAILED
    run = pytester.runpytest_subprocess(*HEAD, "-k", "nothing", "--engines=good")
    run.stdout.fnmatch_lines(["good  no tests ran"])
    assert run.ret == pytest.ExitCode.TESTS_FAILED


def test_an_engine_whose_tests_were_all_skipped_is_missing(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(TESTS)
    run = pytester.runpytest_subprocess(*HEAD, "-k", "test_three and good", "--engines=good")
    run.stdout.fnmatch_lines(["good       0       0        1*"])
    assert run.ret == pytest.ExitCode.TESTS_FAILED


def test_an_engine_without_a_name_and_a_run_without_engines(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_other="def test_it():\n    pass\n",
        test_suite="import pytest\n@pytest.fixture\ndef open_engine():\n    return 1\ndef test_it(open_engine):\n    pass\n",
    )
    assert "conformance" not in pytester.runpytest_subprocess(*HEAD, "test_other.py").stdout.str()
    pytester.runpytest_subprocess(*HEAD).stdout.fnmatch_lines(["engine       1       0        0*"])


def test_cells_are_added_up_by_engine_and_surface(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        CONFTEST
        + """
@pytest.fixture(autouse=True)
def cells(request, open_engine):
    request.node.user_properties.append(("persisty-cells", {"python": 3, "rest": 2 if open_engine == "good" else 0}))
"""
    )
    pytester.makepyfile(TESTS)
    run = pytester.runpytest_subprocess(*HEAD, "-n", "2")
    run.stdout.fnmatch_lines(
        [
            "*= cells: role x verb x surface =*",
            "engine   python     rest    total",
            "bad           9        0        9",
            "good          9        6       15",
            "24 cells in all",
        ]
    )
