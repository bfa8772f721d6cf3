"""The requests of each verb, as the performance page shows them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from benchmarks.round_trips import VERBS, dynamodb

PAGE = Path(__file__).parents[3] / "docs/performance.md"
ATOMIC_UPDATES = "edit_batch of 100 updates with conditions, atomic"
"""A transaction gives back no items: those are read after it."""


@pytest.fixture(scope="module")
def counted() -> dict[str, list[str]]:
    return dynamodb()


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_takes_no_more_requests_than_it_may(counted: dict[str, list[str]], verb: str) -> None:
    most, _ = VERBS[verb]
    assert 1 <= len(counted[verb]) <= (2 if verb == ATOMIC_UPDATES else most)


def test_an_atomic_batch_of_updates_is_a_transaction_and_a_read(counted: dict[str, list[str]]) -> None:
    assert counted[ATOMIC_UPDATES] == ["TransactWriteItems", "BatchGetItem"]


@pytest.mark.parametrize("verb", VERBS)
def test_the_page_shows_what_is_counted(counted: dict[str, list[str]], verb: str) -> None:
    [line] = [one for one in PAGE.read_text().splitlines() if one.startswith(f"| {verb} |")]
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    assert cells[1] == f"≤ {VERBS[verb][0]}"
    assert cells[2] == str(len(counted[verb]))
    assert all(name in cells[3] for name in Counter(counted[verb]))
