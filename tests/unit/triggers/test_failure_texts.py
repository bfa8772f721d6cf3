"""Texts about failed events begin with the type and the message of the exception."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable

import pytest
from servey.action.action import action

from persisty import AfterCreate, App, Attr, Event, Retry, stored
from persisty.testing import drain
from persisty.triggers.failure_texts import MAX_ERROR, MAX_HEADLINE, headline, stored_reason, summary


def reason_of(call: Callable[[], object]) -> str:
    try:
        call()
    except BaseException:
        return traceback.format_exc()
    raise AssertionError("nothing was raised")


def fail(message: str) -> None:
    raise ValueError(message)


def chain() -> None:
    try:
        fail("first")
    except ValueError as error:
        raise LookupError("second\n  indented") from error


def group() -> None:
    raise ExceptionGroup("several", [ValueError("one")])


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda: fail("no such address"), "ValueError: no such address"),
        (lambda: fail("first line\nsecond line\n    third"), "ValueError: first line"),
        (chain, "LookupError: second"),
        (lambda: fail("half \ud83d\0"), "ValueError: half \\ud83d\\0"),
        (lambda: 1 / 0, "ZeroDivisionError: division by zero"),
        (lambda: sys.exit(3), "SystemExit: 3"),
        (group, "ExceptionGroup: several (1 sub-exception)"),
    ],
)
def test_the_headline_is_the_type_and_the_first_line_of_the_message(call: Callable[[], object], expected: str) -> None:
    reason = reason_of(call)
    assert headline(reason) == expected
    assert headline(stored_reason(reason)) == expected


def test_a_summary_is_one_line_with_the_place_of_the_exception() -> None:
    found = summary(reason_of(lambda: fail("no\nsuch")))
    assert found.startswith(f"ValueError: no ({__file__}, line ")
    assert found.endswith(", in fail)")
    assert summary("The app has no action mail") == "The app has no action mail"
    assert headline("") == ""


def test_a_long_reason_keeps_its_headline_and_its_end() -> None:
    stored = stored_reason(reason_of(lambda: fail("x" * 10 * MAX_ERROR + "end")))
    assert len(stored) == MAX_ERROR
    assert stored.startswith("ValueError: xxx")
    assert stored.rstrip().endswith("xend")
    assert len(headline(stored)) == MAX_HEADLINE
    assert headline(stored, 10) == "ValueErro…"


@stored
class Letter:
    id: Attr[str]


@action(triggers=AfterCreate(Letter, retry=Retry(attempts=1)))
def fail_for(event: Event[Letter]) -> None:
    """Fail."""
    fail("no such address\nreally")


def test_the_log_names_the_exception(caplog: pytest.LogCaptureFixture) -> None:
    app = App("letters", items=[Letter], actions=[fail_for], url="memory://", idempotency=None)
    app.store(Letter).create(Letter(id="a"))
    drain(app)
    [line] = [one.getMessage() for one in caplog.records if "fail_for" in one.getMessage()]
    assert "fail_for is parked: ValueError: no such address (" in line
    assert "\n" not in line
