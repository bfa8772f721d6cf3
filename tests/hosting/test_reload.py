"""`persisty serve --reload` serves the current sources, also after they had an error for a while."""

from __future__ import annotations

from pathlib import Path

import httpx

from .processes import eventually, serving

APP = """
from persisty import App, public, stored


@stored(access=public)
class Note:
    id: str
    text: str = "first"


app = App("notes", items=[Note], url="{url}")


def seed(app):
    app.store(Note).create({{"id": "seeded"}})
    return 1
"""


def test_a_change_reloads_and_a_mistake_waits_for_the_next_change(tmp_path: Path) -> None:
    source = tmp_path / "notes.py"
    source.write_text(APP.format(url="sqlite:///notes.db"))
    with serving(tmp_path, "notes:app", "--reload", "--seed", "notes:seed") as served:
        assert served.get("/api/note/seeded").json()["text"] == "first"
        source.write_text(source.read_text().replace('"first"', '"the second"'))
        assert eventually(lambda: made(served.url) == "the second")
        source.write_text("this is no Python\n")
        eventually(lambda: "waiting for a change" in served.log)
        assert "SyntaxError" in served.log
        source.write_text("app = None  # which is no App\n")
        eventually(lambda: "is not an App" in served.log)
        assert served.process.poll() is None
        source.write_text(APP.format(url="sqlite:///notes.db").replace('"first"', '"the third and last"'))
        assert eventually(lambda: made(served.url) == "the third and last")
        assert served.out.count("seeded") == 1
        assert served.get("/api/note-count").json() == {"count": 1}
        assert "Reloading" in served.log
        assert served.out.count("/graphiql") == 1  # what is where is told once


def test_an_engine_in_memory_is_seeded_again_after_a_reload(tmp_path: Path) -> None:
    source = tmp_path / "notes.py"
    source.write_text(APP.format(url="memory://"))
    with serving(tmp_path, "notes:app", "--reload", "--seed", "notes:seed") as served:
        assert served.get("/api/note/seeded").json()["text"] == "first"
        source.write_text(source.read_text().replace('"first"', '"the second"'))
        assert eventually(lambda: text_of(served.url, "seeded") == "the second")


def text_of(url: str, key: str) -> object:
    try:
        return httpx.get(f"{url}/api/note/{key}", timeout=10).json().get("text")
    except httpx.HTTPError:
        return None  # between two processes


def made(url: str) -> object:
    """Create an item and return its text."""
    try:
        made = httpx.post(f"{url}/api/note", json={"id": "a"}, timeout=10).json()
        httpx.delete(f"{url}/api/note/a", timeout=10)
    except httpx.HTTPError:
        return None
    return made.get("text")
