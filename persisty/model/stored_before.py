"""The value of an attribute that a stored item lacks, because it was stored before the attribute was declared.

```
a constant default                       the default
a default that makes a list or object    a new copy of it
VERSION                                  1, the first version
any other function or generator          null: a new value at each read would not be the item's
no default                               null
```
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec

from .generators import VERSION
from .meta import Attribute
from .type_construction import FACTORIES


def value_before(attribute: Attribute) -> Callable[[], Any] | None:
    """Return a function that returns the value, None where that is null."""
    default = attribute.default
    if attribute.generator is not None:
        return VERSION.create if attribute.generator is VERSION and not attribute.optional else None
    if default is None:
        return None
    if not callable(default):
        return lambda: default
    constant = default in FACTORIES.values() or (isinstance(default, partial) and default.func is msgspec.convert)
    return default if constant else None
