"""Plain English: no docstring begins with a headless "What …", "Who …", "Whether …", and no page has a "whoever" or a "somebody"."""

from __future__ import annotations

import ast
import re
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


def _docstrings(tree: ast.Module) -> Iterator[ast.Constant]:
    """Yield docstrings of modules, classes and functions, and strings below constants and fields."""
    for node in ast.walk(tree):
        body = getattr(node, "body", ())
        for statement in body if isinstance(body, list) else ():
            value = statement.value if isinstance(statement, ast.Expr) else None
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                yield value


def _headless() -> Iterator[str]:
    """Yield the place and the first line of each headless docstring."""
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            for found in _docstrings(ast.parse(path.read_text())):
                text = str(found.value).strip()
                if HEADLESS.match(text):
                    yield f"{path.relative_to(ROOT)}:{found.lineno}: {text.splitlines()[0]}"


def test_docstrings_name_their_subject() -> None:
    assert list(_headless()) == [], "put a verb or a noun first"


INDEFINITE = re.compile(r"\b(whoever|whomever|somebody|nobody|anybody|everybody|beside)\b", re.IGNORECASE)
"""Words for which a page has a better one: the caller, the subscriber, next to."""
CODE = re.compile(r"^```.*?^```$|`[^`]*`", re.DOTALL | re.MULTILINE)


def test_pages_name_their_subject() -> None:
    pages = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]
    found = [(page.name, word) for page in pages for word in INDEFINITE.findall(CODE.sub("", page.read_text()))]
    assert found == []
