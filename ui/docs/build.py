"""Build the site of the documentation: `python ui/docs/build.py SPHINX_BUILD FOLDER`. A warning, such as of a link that leads nowhere, fails it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parents[2]
OPTIONS = ("-q", "-W", "--keep-going", "-E", "-b", "html", "-c", str(Path(__file__).parent))


def build(program: Path, folder: Path) -> None:
    """Write the site into the folder. The pages of docs/ and those of the root are one folder for Sphinx."""
    with TemporaryDirectory(prefix="persisty-docs-") as temporary:
        pages = Path(temporary, "pages")
        shutil.copytree(ROOT / "docs", pages)
        for name in ("CHANGELOG.md", "CONTRIBUTING.md"):
            shutil.copy(ROOT / name, pages)
        subprocess.run([program, *OPTIONS, "-d", Path(temporary, "trees"), pages, folder], check=True)


if __name__ == "__main__":
    build(Path(sys.argv[1]), Path(sys.argv[2]))
    sys.stdout.write(f"{sys.argv[2]}/index.html\n")
