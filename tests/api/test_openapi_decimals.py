"""The pattern of a decimal in OpenAPI describes exactly the decimals that requests may have, and those of every response."""

from __future__ import annotations

import re
from decimal import Decimal

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from persisty.api.openapi.type_schemas import DECIMAL
from persisty.model.types import DECIMAL_DIGITS, DECIMAL_LEAST, DECIMAL_MOST, NORMALISE, Kind

PATTERN = re.compile(DECIMAL)
EXACT = NORMALISE[Kind.DECIMAL]


@st.composite
def decimals(draw: st.DrawFn) -> Decimal:
    """Generate any decimal that an item may have."""
    digits = draw(st.integers(1, DECIMAL_DIGITS))
    number = draw(st.integers(10 ** (digits - 1), 10**digits - 1))
    power = draw(st.integers(DECIMAL_LEAST, DECIMAL_MOST)) - digits + 1
    sign = draw(st.integers(0, 1))
    return Decimal((sign, tuple(int(digit) for digit in str(number)), power))


@settings(suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow])
@given(st.from_regex(PATTERN, fullmatch=True))
@example("0" * 38 + "." + "0" * 43 + "1e-80")
@example("9" * 38 + "e80")
@example("-9." + "9" * 37 + "e125")
@example("1e-130")
def test_text_that_matches_the_pattern_is_a_valid_decimal(text: str) -> None:
    EXACT(Decimal(text))


@given(decimals())
@example(Decimal("0.00000078143002424794793132820713637182203567"))
@example(Decimal("1E-130"))
@example(Decimal("-9.9E+125"))
@example(Decimal(0))
def test_every_decimal_in_a_response_matches_the_pattern(number: Decimal) -> None:
    assert PATTERN.fullmatch(str(EXACT(number)))


def test_more_digits_do_not_match_the_pattern() -> None:
    for text in ["1" * 39, "622343819115129432937888004385.715714303220132", "1e126", "1e-131", "1" * 38 + "e99"]:
        assert not PATTERN.fullmatch(text), text
