"""Sphinx's configuration of the documentation's site: `make docs`.

The pages are those of docs/, and the pages of the repository's root that they link to. The navigation is read from docs/index.md, so that a page is
listed in one place. Nothing is loaded from other hosts: fonts are the reader's own, and the search runs in the page.

Source: "Event callbacks API" in the documentation of Sphinx; "Cross-references" in that of MyST-Parser.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
FROM_ROOT = ("CHANGELOG", "CONTRIBUTING")
"""Pages of the root that docs/ links to. `make docs` copies them next to the others."""
_SECTION = re.compile(r"^## (.+)$", re.MULTILINE)
_PAGE = re.compile(r"^- \[.+?\]\((?:\.\./)?(.+?)\.md\)", re.MULTILINE)
_ABOVE = re.compile(r"\]\(\.\./([\w/]+)\.md")
_OF_DOCS = re.compile(r"\]\(docs/")
_SOURCE = re.compile(r"\[([^\]]+)\]\(\.\./(?!CHANGELOG|CONTRIBUTING)[^)]+\)")
_ROOT_SOURCE = re.compile(r"\[([^\]]+)\]\((?!https?:|#|[\w-]+\.md)[^)]+\)")

project = "Persisty"
html_title = "Persisty"
extensions = ["myst_parser", "sphinx_copybutton"]
myst_heading_anchors = 4
html_theme = "furo"
html_copy_source = False
html_show_sphinx = False
copybutton_exclude = ".linenos, .gp, .go"
nitpicky = True


def setup(app: Any) -> dict[str, bool]:
    """Connect the events of a build."""
    app.connect("source-read", prepared)
    return {"parallel_read_safe": True}


def prepared(app: Any, page: str, source: list[str]) -> None:
    """Give the first page its navigation, and lead the links of every page to pages of the site; links to source files become their text."""
    text = source[0]
    if page in FROM_ROOT:
        text = _ROOT_SOURCE.sub(r"\1", _OF_DOCS.sub("](", text))
    text = _SOURCE.sub(r"\1", _ABOVE.sub(r"](\1.md", text))
    source[0] = text + navigation(text) if page == "index" else text


def navigation(index: str) -> str:
    """Return the tables of contents: one for each section of the first page, with the pages that it lists."""
    _, *parts = _SECTION.split(index)
    trees = []
    for title, body in zip(parts[::2], parts[1::2], strict=True):
        pages = "\n".join(_PAGE.findall(body))
        trees.append(f"```{{toctree}}\n:hidden:\n:caption: {title}\n\n{pages}\n```\n")
    return "\n" + "\n".join(trees)
