"""A module for the checkers: for each step of `Guard`, a guard that implements every step but that one."""

from __future__ import annotations

from persisty.store.guard import Guard

HEAD = """\
from typing import Any

from persisty.model.meta import StoreMeta
from persisty.query.visibility import View
from persisty.security.caller import Caller
from persisty.store.guard import Guard
"""
STEPS = sorted(Guard.__abstractmethods__ | {"meta", "caller"})
DECLARED = {
    "meta": "def __init__(self, meta: StoreMeta[Any]) -> None:\n        self.meta = meta",
    "caller": "caller: Caller | None = None",
    "view": "@property\n    def view(self) -> View:\n        raise NotImplementedError",
}
METHOD = "def {name}(self, *args: Any, **options: Any) -> Any:\n        raise NotImplementedError"


def guard(name: str, lacks: str | None) -> str:
    """Return the source of a guard that lacks one step."""
    steps = [DECLARED.get(step) or METHOD.format(name=step) for step in STEPS if step != lacks]
    return f"class {name}(Guard):\n    " + "\n\n    ".join(steps) + "\n"


def guards(mark: str) -> str:
    """Return the source of the module. Lines that make an incomplete guard end in `mark`."""
    parts = [HEAD, guard("Complete", None), "def complete(meta: StoreMeta[Any]) -> Guard:\n    return Complete(meta)\n"]
    for step in sorted(Guard.__abstractmethods__):
        name = f"Lacks_{step}"
        make = f"def make_{step}(meta: StoreMeta[Any]) -> Guard:\n    return {name}(meta)  {mark}\n"
        parts += [guard(name, step), make]
    return "\n\n".join(parts)
