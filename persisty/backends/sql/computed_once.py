"""An expression over a value that is computed once for each row.

A database computes `json_extract(place, '$.at')` anew wherever an expression has it, and finding a value within JSON takes longer than testing it. A
subquery with a limit computes the value once; without the limit, the database would put the value back into the expression.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Text, literal_column
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from .dialect import Column

NAME, VALUES = "persisty_value", "persisty_values"
"""The name of the value, and of the subquery that has it."""
COMPUTED: Column = literal_column(NAME, Text())
"""The value in the expression."""


class ComputedOnce(FunctionElement[Any]):
    """The `expression` over `COMPUTED`, which is `value`."""

    inherit_cache = True

    def __init__(self, value: Column, expression: Column) -> None:
        super().__init__(value, expression)
        self.type = expression.type


def _sql(element: ComputedOnce, compiler: Any, options: dict[str, Any], limit: str) -> str:
    value, expression = (compiler.process(one, **options) for one in element.clauses)
    return f"(SELECT {expression} FROM (SELECT {value} AS {NAME} {limit}) AS {VALUES})"


@compiles(ComputedOnce)
def _with_limit(element: ComputedOnce, compiler: Any, **options: Any) -> str:
    return _sql(element, compiler, options, "LIMIT 1")


@compiles(ComputedOnce, "postgresql")
def _with_offset(element: ComputedOnce, compiler: Any, **options: Any) -> str:
    return _sql(element, compiler, options, "OFFSET 0")  # which adds no step to the plan
