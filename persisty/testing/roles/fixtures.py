"""Fixtures of the role suite: a stage for each engine, and the cells of a test (role, verb, surface).

The test module provides the fixture `open_engine`, as for the conformance suite (see `persisty.testing.conformance`).
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from typing import Any, TypeVar

import msgspec
import pytest

from persisty.store.backend import Capabilities, Engine
from persisty.store.store import context_of

from ..matrix import CAPABILITIES, CELLS
from .cast import Role
from .oracle import MIGHT, Answer, World
from .surfaces import SURFACES, Python, Surface, bare
from .world import Stage, differences, world_of

X = TypeVar("X")
OpenEngine = Callable[[], Engine]
TURNS = itertools.count()
COPIES = tuple(one.name for one in SURFACES)
NOT_OFFERED = ("not_found", "method_not_allowed", "malformed_graphql")
"""Error codes of a surface for a verb that no caller may use: the surface does not have it."""
UNKNOWN = ("malformed_graphql", "invalid_input")
"""Error codes of GraphQL for arguments that its schema does not have."""


@pytest.fixture(scope="session")
def stage(open_engine: OpenEngine) -> Iterator[Stage]:
    """The world of the suite, with a copy of every row for each surface."""
    with closing(Stage(open_engine, world_of(*COPIES))) as made:
        yield made


@pytest.fixture(scope="session")
def capabilities(stage: Stage) -> Capabilities:
    return context_of(stage.store("diary")).backend.capabilities


@pytest.fixture(scope="session")
def surfaces(stage: Stage) -> tuple[Surface, ...]:
    return tuple(one(stage.app) for one in SURFACES)


class Cells:
    """The cells of one test, and the wrong answers among them."""

    def __init__(self, surfaces: Sequence[Surface], embedded: bool) -> None:
        self.surfaces, self.embedded, self._turn = surfaces, embedded, 0
        self.tried: Counter[str] = Counter()
        self.wrong: list[str] = []
        self.settled = False

    def of(self, role: Role, python_only: bool = False) -> list[Surface]:
        """Return the surfaces that can act as the role.

        Over a network engine, return Python and one other surface, in rotation: all of them use the same stores.
        """
        known = [one for one in self.surfaces if one.speaks_for(role)]
        of_python: list[Surface] = [one for one in known if isinstance(one, Python)]
        if python_only or len(of_python) == len(known):
            return of_python
        if self.embedded:
            return known
        others = [one for one in known if not isinstance(one, Python)]
        return [*of_python, others[next(TURNS) % len(others)]]

    def some(self, of: Iterable[X]) -> list[X]:
        """Return all values, or over a network engine every third, in rotation: the engine gets the same rules."""
        if self.embedded:
            return list(of)
        self._turn += 1
        return list(of)[self._turn % 3 :: 3]

    def check(self, surface: Surface, place: str, got: Answer, right: Sequence[Answer]) -> None:
        """Count a cell, and record its answer if it is wrong."""
        self.tried[surface.name] += 1
        found, fine = (got, list(right)) if surface.exact else (bare(got), [bare(one) for one in right])
        if found not in [tuple(one) if surface.exact else one for one in fine]:
            self.wrong.append(f"{surface.name} {place}\n  answer {got}\n  right  {' or '.join(map(str, right))}")

    def check_stored(self, found: World, expected: World) -> None:
        """Record a difference between the stored and the expected world."""
        self.wrong += [
            f"stored {place}: {now}\n  should be {then}" for place, (now, then) in differences(found, expected).items()
        ]

    def settle(self) -> None:
        """End the test: fail if an answer was wrong."""
        self.settled = True
        assert not self.wrong, f"{len(self.wrong)} of {self.tried.total()} cells\n" + "\n".join(self.wrong[:20])


@pytest.fixture
def cells(
    request: pytest.FixtureRequest, stage: Stage, surfaces: tuple[Surface, ...], capabilities: Capabilities
) -> Iterator[Cells]:
    """The cells of a test. Their number goes to the matrix."""
    found = Cells(surfaces, capabilities.embedded)
    request.node.user_properties.append((CAPABILITIES, msgspec.to_builtins(capabilities)))
    yield found
    request.node.user_properties.append((CELLS, dict(found.tried)))
    if not found.settled:  # the test failed early: restore the world for the next one
        stage.settle()


def right_answers(
    surface: Surface, kind: str, verb: str, right: Sequence[Answer], given: Iterable[str] = ()
) -> list[Answer]:
    """Return the right answers, and those of a surface without this verb or attribute, because no caller may use it."""
    if isinstance(surface, Python):
        return list(right)
    verbs = ("create", "update", "delete") if verb == "edit_batch" else (verb if verb in MIGHT[kind] else "read",)
    if all(MIGHT[kind][one].__name__ == "_never" for one in verbs):
        return [("error", code) for code in NOT_OFFERED]
    if surface.exact or not {*given} & {"digest", "version", *(("owner_id",) if verb == "update" else ())}:
        return list(right)
    return [*right, *(("error", code) for code in UNKNOWN)]


def rows_of(world: Any, kind: str, copy: str) -> list[str]:
    """Return the keys of one copy of the rows."""
    return [key for key in world[kind] if key.startswith(f"{copy}-")]
