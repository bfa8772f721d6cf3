"""The Lambda layers that each function needs: a function has only the libraries that it imports.

Each layer is a row of `LAYERS` and a file `lambdas/requirements/NAME.txt`. With the layer of persisty's own code a function has at most five,
which is Lambda's limit.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from types import ModuleType
from typing import Any

BASE, TOKENS, ACTIONS, GRAPHQL = "base", "tokens", "actions", "graphql"
LAYERS: dict[str, str] = {
    BASE: "Libraries of every function, and the app's own requirements",
    TOKENS: "Verifies tokens",
    ACTIONS: "Runs custom actions",
    GRAPHQL: "Executes GraphQL documents",
}
"""Layer → its description."""
USES: dict[str, tuple[str, ...]] = {
    "rest": (BASE, TOKENS, ACTIONS),
    "graphql_http": (BASE, TOKENS, ACTIONS, GRAPHQL),
    "appsync": (BASE, TOKENS, ACTIONS),
    "authorizer": (BASE, TOKENS),
    "action": (BASE, TOKENS, ACTIONS),
    "stream": (BASE,),
    "after": (BASE, ACTIONS),
    "timer": (BASE, ACTIONS),
}
"""Function → the layers that it may need."""


def layers_of(function: str, *, tokens: bool, actions: bool, eager: bool) -> tuple[str, ...]:
    """Return the layers of a function.

    `tokens`: the deployment trusts an issuer. `actions`: the app has custom actions. `eager`: the app's own modules import servey, so
    every function imports it.
    """
    excluded = {TOKENS: not tokens, ACTIONS: not actions}
    used = [name for name in USES[function] if not excluded.get(name, False)]
    return tuple(name for name in LAYERS if name in used or (name == ACTIONS and eager))


def imports_servey(spec: str, actions: Iterable[Callable[..., Any]]) -> bool:
    """Return whether loading the app at `spec` imports servey. Modules of actions do not count: a function imports them when it needs them.

    Follows the names in the app's module, and in the packages above it, through the modules of the app's top package.
    """
    module = spec.partition(":")[0]
    parts = module.split(".")
    skipped = {function.__module__ for function in actions} - {module}
    pending, seen = [".".join(parts[:size]) for size in range(1, len(parts) + 1)], set(skipped)
    while pending:
        name = pending.pop()
        if name in seen or name not in sys.modules:
            continue
        seen.add(name)
        for value in list(vars(sys.modules[name]).values()):
            origin = value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", None)
            if hasattr(value, "__servey_action__") or (
                isinstance(origin, str) and origin.partition(".")[0] == "servey"
            ):
                return True
            # a package has its submodules as attributes, whichever module imported them
            if isinstance(origin, str) and origin.partition(".")[0] == parts[0] and not origin.startswith(f"{name}."):
                pending.append(origin)
    return False
