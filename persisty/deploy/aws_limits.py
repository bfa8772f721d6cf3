"""Limits of AWS that a plan is checked against, so that a deployment does not fail halfway.

Sources: the pages "Quotas" of the developer guides of Amazon DynamoDB, AWS Lambda and Amazon API Gateway.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..errors import Fault, InvalidDeclaration
from ..model.msgspec_faults import pointer
from .resources import Function, Plan, Table

MAX_INDEXES, MAX_SORTS = 20, 4
"""Global secondary indexes of a table; attributes of the sort key of one."""
MAX_ROUTES = 300
APPSYNC_LEVELS = 20
"""Levels of a document that AppSync accepts. The introspection of tools has 15. For all other fields, AppSync's functions apply `persisty.api.graphql.limits`."""
MAX_ENVIRONMENT = 4096
"""Bytes of the variables of a function, names included."""


def check_limits(plan: Plan) -> None:
    """Raise `InvalidDeclaration`, which lists everything that AWS would refuse."""
    faults = [fault for table in plan.tables for fault in _table(table)]
    functions = (*plan.functions, *plan.called)
    faults += [fault for function in functions for fault in _function(function)]
    if len(plan.routes) > MAX_ROUTES:
        faults.append(
            Fault("/actions", "Too many paths for an HTTP API", f"at most {MAX_ROUTES}", str(len(plan.routes)))
        )
    if faults:
        raise InvalidDeclaration("The app is beyond limits of AWS", faults=faults)


def _table(table: Table) -> Iterator[Fault]:
    path = pointer(table.store, "indexes")
    if len(table.indexes) > MAX_INDEXES:
        yield Fault(path, "Too many indexes for a table of DynamoDB", f"at most {MAX_INDEXES}", str(len(table.indexes)))
    for index in table.indexes:
        if len(index.sorts) > MAX_SORTS:
            expected = f"at most {MAX_SORTS} after the first"
            yield Fault(
                f"{path}{pointer(index.name)}",
                "Too many attributes for an index of DynamoDB",
                expected,
                str(len(index.sorts)),
            )


def _function(function: Function) -> Iterator[Fault]:
    size = sum(len(f"{name}{value}".encode()) for name, value in function.environment.items())
    if size > MAX_ENVIRONMENT:
        yield Fault(
            f"/functions/{function.name}", "Too many bytes of variables", f"at most {MAX_ENVIRONMENT}", str(size)
        )
