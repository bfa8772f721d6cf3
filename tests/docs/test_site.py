"""The documentation builds as a site: every page is in its navigation, every link leads somewhere, and the search finds pages."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SPHINX = ROOT / ".cache/docs-site/bin/sphinx-build"
ELSEWHERE = re.compile(r'<(?:script|link|img)[^>]+(?:src|href)="(?:https?:)?//')


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not SPHINX.is_file():
        pytest.skip("the site's own libraries are not installed: make docs")
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "ui/docs/build.py", str(SPHINX), str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return folder


def test_every_page_is_in_the_navigation(site: Path) -> None:
    first = (site / "index.html").read_text()
    navigation = first.partition('class="sidebar-tree"')[2].partition("</aside>")[0]
    pages = {page.stem for page in (ROOT / "docs").glob("*.md")} - {"index"}
    assert pages <= set(re.findall(r'href="([\w-]+)\.html"', navigation))


def test_the_search_finds_pages(site: Path) -> None:
    index = (site / "searchindex.js").read_text()
    assert {"filters", "commands", "security"} <= set(
        re.findall(r'"([\w-]+)"', index.partition('"docnames":')[2][:2000])
    )


def test_nothing_is_loaded_from_other_hosts(site: Path) -> None:
    assert [page.name for page in site.glob("*.html") if ELSEWHERE.search(page.read_text())] == []
