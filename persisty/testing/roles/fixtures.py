"""A stage for each engine, and the cells that its tests try: a role, a verb and a surface each time.

Whoever runs the suite gives the fixture `open_engine`, as for the conformance suite (see `persisty.testing.conformance`).
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
"""What surfaces say of a verb that nobody may use: there is no such thing."""
UNKNOWN = ("malformed_graphql", "invalid_input")
"""What GraphQL says of arguments that its schema does not have, whoever asks."""


@pytest.fixture(scope="session")
def stage(open_engine: OpenEngine) -> Iterator[Stage]:
    """The world of the suite, with a copy of every row for each surface."""
    with closing(Stage(open_engine, world_of(*COPIES))) as made:
        yield made


@pytest.fixture(scope="session")
def capabilities(stage: Stage) -> Capabilities:
    return stage.store("diary").backend.capabilities


@pytest.fixture(scope="session")
def surfaces(stage: Stage) -> tuple[Surface, ...]:
    return tuple(one(stage.app) for one in SURFACES)


class Cells:
    """What was asked in one test, and what was answered wrongly."""

    def __init__(self, surfaces: Sequence[Surface], embedded: bool) -> None:
        self.surfaces, self.embedded, self._turn = surfaces, embedded, 0
        self.tried: Counter[str] = Counter()
        self.wrong: list[str] = []
        self.settled = False

    def of(self, role: Role, python_only: bool = False) -> list[Surface]:
        """The surfaces that can speak for a role. Over an engine in a network it is Python and one of the others, another each time: they
        all ask by the same stores."""
        known = [one for one in self.surfaces if one.speaks_for(role)]
        of_python: list[Surface] = [one for one in known if isinstance(one, Python)]
        if python_only or len(of_python) == len(known):
            return of_python
        if self.embedded:
            return known
        others = [one for one in known if not isinstance(one, Python)]
        return [*of_python, others[next(TURNS) % len(others)]]

    def some(self, of: Iterable[X]) -> list[X]:
        """All of them; of an engine over a network every third, another third each time: it is the same rules that it is sent."""
        if self.embedded:
            return list(of)
        self._turn += 1
        return list(of)[self._turn % 3 :: 3]

    def told(self, surface: Surface, place: str, got: Answer, right: Sequence[Answer]) -> None:
        """Count a cell, and keep what is wrong with it."""
        self.tried[surface.name] += 1
        found, fine = (got, list(right)) if surface.exact else (bare(got), [bare(one) for one in right])
        if found not in [tuple(one) if surface.exact else one for one in fine]:
            self.wrong.append(f"{surface.name} {place}\n  told   {got}\n  should {' or '.join(map(str, right))}")

    def kept(self, found: World, expected: World) -> None:
        """What is stored is what should be."""
        self.wrong += [
            f"stored {place}: {now}\n  should be {then}" for place, (now, then) in differences(found, expected).items()
        ]

    def settle(self) -> None:
        """The end of the test."""
        self.settled = True
        assert not self.wrong, f"{len(self.wrong)} of {self.tried.total()} cells\n" + "\n".join(self.wrong[:20])


@pytest.fixture
def cells(
    request: pytest.FixtureRequest, stage: Stage, surfaces: tuple[Surface, ...], capabilities: Capabilities
) -> Iterator[Cells]:
    """What a test tries. It tells the matrix how much that was."""
    found = Cells(surfaces, capabilities.embedded)
    request.node.user_properties.append((CAPABILITIES, msgspec.to_builtins(capabilities)))
    yield found
    request.node.user_properties.append((CELLS, dict(found.tried)))
    if not found.settled:  # it broke off: the next test begins with the world as it was
        stage.settle()


def beside(surface: Surface, kind: str, verb: str, right: Sequence[Answer], given: Iterable[str] = ()) -> list[Answer]:
    """The right answers, and what a surface says of a verb that it does not have because nobody may use it, and of attributes that
    nobody may give."""
    if isinstance(surface, Python):
        return list(right)
    verbs = ("create", "update", "delete") if verb == "edit_batch" else (verb if verb in MIGHT[kind] else "read",)
    if all(MIGHT[kind][one].__name__ == "_never" for one in verbs):
        return [("error", code) for code in NOT_OFFERED]
    if surface.exact or not {*given} & {"digest", "version", *(("owner_id",) if verb == "update" else ())}:
        return list(right)
    return [*right, *(("error", code) for code in UNKNOWN)]


def rows_of(world: Any, kind: str, copy: str) -> list[str]:
    """The keys of one copy."""
    return [key for key in world[kind] if key.startswith(f"{copy}-")]
