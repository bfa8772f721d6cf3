"""The regions of a deployment. Each has its own tables, so `persisty deploy` reads, checks and updates one after the other.

A `PersistyApp` with `env` names its region. Without it, its stacks are in the region of the credentials.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from msgspec import Struct

from ..errors import InvalidDeclaration
from .assembly import StackShape
from .deployed_tables import aws_errors


class Region(Struct, frozen=True):
    """A region and its stacks. `name`: None if the credentials name no region."""

    name: str | None
    stacks: tuple[StackShape, ...]


def regions_of(stacks: Iterable[StackShape], session: Any) -> tuple[Region, ...]:
    """Return the regions of these stacks, in the order of the first stack of each. `session`: a session of boto3, whose region the others have.

    `InvalidDeclaration` if a stack is in another account than that of the credentials, because its tables could not be read.
    """
    found: dict[str | None, list[StackShape]] = {}
    for one in stacks:
        found.setdefault(one.region or session.region_name, []).append(one)
    accounts = {one.account: one.name for some in found.values() for one in some if one.account is not None}
    if accounts:
        with aws_errors():
            own = session.client("sts").get_caller_identity()["Account"]
        for account, name in accounts.items():
            if account != own:
                raise InvalidDeclaration(
                    f"The stack {name} is in the account {account}, and the credentials are of {own}: run the command with credentials of each account, and "
                    "deploy only its stacks"
                )
    return tuple(Region(name, tuple(some)) for name, some in found.items())
