"""Pytest plugin that ends a run of the conformance or role suite with a line for each engine: `pytest -p persisty.testing.matrix`.

```
engine      passed  failed  skipped  can
memory         559       0        0  embedded, max_atomic=10000, snapshot_reads, atomic_bulk
```

For the role suite, it also prints the number of tested cells for each surface.

`--engines=memory,sqlite` names the engines that must be in the result. An engine without tests then fails the run, because a
missing engine fails no test. The numbers are part of the tests' reports, so that pytest-xdist can distribute the tests.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest
from msgspec import Struct, field

FIXTURE = "open_engine"
UNNAMED = "engine"
"""Name of an engine whose fixture has no parameters."""
NAME, CAPABILITIES, CELLS = "persisty-engine", "persisty-capabilities", "persisty-cells"
"""Properties of a test's report: the engine's name, its capabilities, and surface → number of tested cells."""
OUTCOMES = ("passed", "failed", "skipped")


class Line(Struct):
    """One engine: test → outcome (the worst of its phases), and the cells of each surface."""

    outcomes: dict[str, str] = field(default_factory=dict)
    cells: dict[str, Mapping[str, int]] = field(default_factory=dict)
    can: str = ""

    def add(self, test: str, outcome: str) -> None:
        known = self.outcomes.get(test, "passed")
        self.outcomes[test] = max(known, outcome, key=("passed", "skipped", "failed").index)

    @property
    def tried(self) -> Counter[str]:
        """Return surface → number of tested cells."""
        return sum(map(Counter, self.cells.values()), Counter())


class Matrix:
    """The lines of a run. Its tests may run in several processes."""

    def __init__(self, expected: tuple[str, ...]) -> None:
        self.expected = expected
        self.lines: dict[str, Line] = {}

    @property
    def missing(self) -> list[str]:
        ran = {name for name, line in self.lines.items() if set(line.outcomes.values()) != {"skipped"}}
        return [name for name in self.expected if name not in ran]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        properties = dict(report.user_properties)
        if NAME not in properties:
            return
        line = self.lines.setdefault(str(properties[NAME]), Line())
        line.add(report.nodeid, report.outcome)
        if isinstance(given := properties.get(CAPABILITIES), Mapping):
            line.can = ", ".join(_abilities(given))
        if isinstance(tried := properties.get(CELLS), Mapping):
            line.cells[report.nodeid] = tried

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self.missing and session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if not self.lines and not self.expected:
            return
        terminalreporter.section("conformance")
        names = [*self.expected, *sorted(self.lines.keys() - set(self.expected))]
        width = max(map(len, names), default=0)
        terminalreporter.write_line(f"{'engine':{width}}  passed  failed  skipped  can")
        for name in names:
            line = self.lines.get(name)
            if line is None:
                terminalreporter.write_line(f"{name:{width}}  no tests ran", red=True)
                continue
            counts = Counter(line.outcomes.values())
            passed, failed, skipped = (counts[outcome] for outcome in OUTCOMES)
            terminalreporter.write_line(
                f"{name:{width}}  {passed:6}  {failed:6}  {skipped:7}  {line.can}", red=failed > 0
            )
        self._print_cells(terminalreporter, names, width)

    def _print_cells(self, terminalreporter: pytest.TerminalReporter, names: list[str], width: int) -> None:
        """Print the number of cells of the role suite: role, verb and item, through each surface."""
        tried = {name: self.lines[name].tried for name in names if name in self.lines and self.lines[name].cells}
        surfaces = list(dict.fromkeys(surface for one in tried.values() for surface in one))
        if not surfaces:
            return
        terminalreporter.section("cells: role x verb x surface")
        head = "".join(f"  {surface:>{max(len(surface), 7)}}" for surface in surfaces)
        terminalreporter.write_line(f"{'engine':{width}}{head}    total")
        for name, cells in tried.items():
            columns = "".join(f"  {cells[surface]:{max(len(surface), 7)}}" for surface in surfaces)
            terminalreporter.write_line(f"{name:{width}}{columns}  {cells.total():7}")
        total = sum(one.total() for one in tried.values())
        terminalreporter.write_line(f"{total} cells in all")


def _abilities(capabilities: Mapping[str, Any]) -> list[str]:
    return [name if value is True else f"{name}={value}" for name, value in capabilities.items() if value]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.getgroup("persisty").addoption(
        "--engines", default="", metavar="NAMES", help="engines that must be in the result"
    )


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        expected = tuple(filter(None, config.getoption("--engines").split(",")))
        config.pluginmanager.register(Matrix(expected), "persisty-matrix")


def pytest_itemcollected(item: pytest.Item) -> None:
    """Record the engine's name before the engine is opened, so that an engine that cannot be opened has a line too."""
    if FIXTURE in getattr(item, "fixturenames", ()):
        given = getattr(getattr(item, "callspec", None), "params", {})
        item.user_properties.append((NAME, str(given.get(FIXTURE, UNNAMED))))
