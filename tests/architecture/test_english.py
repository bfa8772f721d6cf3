"""Docstrings name their subject: none begins with a headless "What …", "Who …", "Whether …" or the like.

`REMAINING` counts the docstrings that still do, for each package. The counts only go down.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("persisty", "stacks", "lambdas")
HEADLESS = re.compile(
    r"(what|who|whom|whose|whoever|whatever|which|whether|how|where|when|that|those|none|nobody|somebody|something"
    r"|nothing|of|told|is|are|does|has|may)\b",
    re.IGNORECASE,
)
"""First words that name no subject. A question is one too: write "Return whether …"."""
REMAINING: dict[str, int] = {
    "persisty": 5,
    "persisty/api/graphql/appsync": 2,
    "persisty/api/graphql/hosted": 2,
    "persisty/api/http": 13,
    "persisty/api/openapi": 11,
    "persisty/backends": 3,
    "persisty/backends/dynamodb": 11,
    "persisty/backends/sql": 12,
    "persisty/backends/sql/postgres": 4,
    "persisty/model": 23,
    "persisty/security": 4,
    "persisty/store": 43,
}


def _docstrings(tree: ast.Module) -> Iterator[ast.Constant]:
    """Yield docstrings of modules, classes and functions, and strings below constants and fields."""
    for node in ast.walk(tree):
        body = getattr(node, "body", ())
        for statement in body if isinstance(body, list) else ():
            value = statement.value if isinstance(statement, ast.Expr) else None
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                yield value


def _headless() -> Iterator[tuple[str, str]]:
    """Yield (package, place and first line) of each headless docstring."""
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            for found in _docstrings(ast.parse(path.read_text())):
                text = str(found.value).strip()
                if HEADLESS.match(text):
                    relative = path.relative_to(ROOT)
                    yield str(relative.parent), f"{relative}:{found.lineno}: {text.splitlines()[0]}"


def test_docstrings_name_their_subject() -> None:
    found = list(_headless())
    counts = Counter(package for package, _ in found)
    over = [place for package, place in found if counts[package] > REMAINING.get(package, 0)]
    assert not over, "Put a verb or a noun first:\n" + "\n".join(over)
