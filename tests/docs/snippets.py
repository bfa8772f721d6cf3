"""The Python code of the pages as modules for type checkers: the files that a reader would write."""

from __future__ import annotations

import doctest
import re
import sys
from pathlib import Path

from persisty.application import load_app
from persisty.clients.python import python_client

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
CODE = re.compile(r"^```(python|pycon)\n(.*?)^```$", re.DOTALL | re.MULTILINE)

STORE = "from examples.messenger.app import Message, app\n\nstore = app.store(Message)\n"
DRESSES = """import enum

from persisty import App, Attr, UnreadableItem, stored


class Color(enum.Enum):
    BLUE = "blue"


@stored(key="id")
class Dress:
    id: Attr[str]
    color: Attr[Color]


app = App("shop", items=[Dress], url="memory://")

"""
BEFORE: dict[str, str] = {"docs/errors.md": STORE, "docs/stored-before.md": DRESSES}
"""Page → what its code takes as declared."""
SEVERAL: dict[str, tuple[tuple[str, tuple[int, ...]], ...]] = {
    "docs/changing-declarations.md": (("garage", (0,)), ("garage_changed", (1,))),
    "docs/testing.md": (("conftest", (0, 2)), ("test_shop", (1,)), ("test_triggers", (3,)), ("conformance", (4,))),
    "docs/tutorial.md": (("tasks", (0,)), ("use_store", (1, 2)), ("use_client", (3,)), ("fixture", (4,))),
}
"""Page whose code stands in several modules → the name of each, and its blocks. The code of any other page is one module."""
UNTYPED = {
    **dict.fromkeys(
        ("docs/actions.md", "docs/servey.md", "docs/timers-and-queues.md", "docs/triggers.md"), "servey has no types"
    ),
    "docs/deploying.md": "the types of aws_cdk take minutes to read",
}
"""Page whose code no checker can check → why."""
CLIENTS = {"messenger_client": "examples.messenger.app:app", "tasks_client": "tasks:app"}
"""Module that a page has `persisty client` write → its app."""
SHELF = "from persisty.backends.memory import MemoryEngine\n\n\nclass ShelfEngine(MemoryEngine): ...\n"


def written(folder: Path) -> list[Path]:
    """Write the code of every page into the folder, and return its modules."""
    modules: list[Path] = []
    for page in PAGES:
        name = str(page.relative_to(ROOT))
        blocks = [_source(language, code) for language, code in CODE.findall(page.read_text())]
        if not blocks or name in UNTYPED:
            continue
        of_page = "page_" + page.stem.lower().replace("-", "_")
        for module, numbers in SEVERAL.get(name, ((of_page, tuple(range(len(blocks)))),)):
            modules.append(folder / f"{module}.py")
            modules[-1].write_text(BEFORE.get(name, "") + "\n".join(blocks[number] for number in numbers))
    (folder / "shelf.py").write_text(SHELF)
    sys.path.insert(0, str(folder))
    try:
        for module, app in CLIENTS.items():
            (folder / f"{module}.py").write_text(python_client(load_app(app), app))
    finally:
        sys.path.remove(str(folder))
        sys.modules.pop("tasks", None)
    return modules


def _source(language: str, code: str) -> str:
    """Return the statements of a block. For a console session, its expressions become arguments, so that checkers read them."""
    if language == "python":
        return code
    sources = [one.source for one in doctest.DocTestParser().get_examples(code)]
    return "".join(f"print({source.rstrip()})\n" if _is_expression(source) else source for source in sources)


def _is_expression(source: str) -> bool:
    try:
        compile(source, "page", "eval")
    except SyntaxError:
        return False
    return True
