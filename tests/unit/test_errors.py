"""The error tree."""

from __future__ import annotations

from typing import Any

import persisty
from persisty.errors import Fault, InternalError, PersistyError, PreconditionFailed, all_errors


def test_every_error_has_a_unique_code_a_status_and_a_title() -> None:
    found = all_errors()
    codes = [error.code for error in found]
    assert codes == sorted(set(codes))
    assert len(found) == len(PersistyError.__subclasses__())
    assert all(400 <= error.status < 600 and error.title for error in found)


def test_the_text_of_an_error_has_its_message_and_every_fault() -> None:
    error = persisty.InvalidInput(faults=[Fault("/a", "Missing"), Fault("", "Wrong")], extra=1)
    assert str(error) == "Invalid input\n  /a: Missing\n  /: Wrong"
    assert error.details == {"extra": 1}
    assert str(InternalError("hidden")) == "hidden"


def test_the_texts_of_an_error_have_no_half_of_a_surrogate_pair() -> None:
    faults = [Fault("/\ud800", "é \udfff", "\ud83d\ude00", None)]
    error = persisty.Conflict("half \udc00", faults=faults, names=["\ud800", 1], by={"\udc00": None})
    assert str(error) == "half \ufffd\n  /\ufffd: é \ufffd (expected \U0001f600)"
    assert error.details == {"names": ["\ufffd", 1], "by": {"\ufffd": None}}
    cause: Any = ValueError("a cause")
    assert persisty.Conflict(cause).message == "a cause"


def test_a_failed_precondition_has_the_item() -> None:
    assert PreconditionFailed(item="current").item == "current"
    assert PreconditionFailed().item is None


def test_public_names_exist() -> None:
    assert len(set(persisty.__all__)) == len(persisty.__all__)
    assert all(hasattr(persisty, name) for name in persisty.__all__)
