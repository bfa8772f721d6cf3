"""The stacks of a part that has more resources than one stack may have.

A resource is placed by a hash of its name, so it stays in its stack when others are added. The number of stacks never changes, because a
change would move resources.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256

import aws_cdk as cdk
from constructs import Construct

PARTS = 16
"""Stacks of a part. Each has at most 500 resources, so a part has room for about 7,000."""


class Placement:
    """Returns the scope of a resource: `scope` itself, or one of many stacks if the part is `split`. `make` makes the stack with a number, by default a
    nested stack."""

    def __init__(self, scope: Construct, *, split: bool, make: Callable[[int], Construct] | None = None) -> None:
        self._scope, self.split, self._make = scope, split, make or self._nested
        self._parts: dict[int, Construct] = {}

    def of(self, name: str) -> Construct:
        """Return the scope of the resource with this name."""
        if not self.split:
            return self._scope
        number = part_of(name)
        if number not in self._parts:
            self._parts[number] = self._make(number)
        return self._parts[number]

    def _nested(self, number: int) -> cdk.NestedStack:
        return cdk.NestedStack(self._scope, f"Part{number:02}")


def part_of(name: str) -> int:
    """Return the number of the stack for a name."""
    return int.from_bytes(sha256(name.encode()).digest()[:4]) % PARTS
