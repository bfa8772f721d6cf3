"""Build the pages into the wheel and the source distribution: copy their scripts and styles from the npm packages that `package-lock.json` pins.

An editable installation has no pages; `make` builds them there. See https://hatch.pypa.io/latest/plugins/build-hook/custom/.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PAGES = Path("persisty/hosting/static")
STEPS = (
    ("npm", "ci", "--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"),
    ("node", "ui/build.mjs"),
)
"""Commands that build the pages."""


class PagesHook(BuildHookInterface[Any]):
    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build the pages unless they exist, as in a source distribution. Raise `SystemExit` if Node is missing."""
        root = Path(self.root)
        if version == "editable" or any((root / PAGES).glob("*.js")):
            return
        for command in STEPS:
            if shutil.which(command[0]) is None:
                raise SystemExit(f"The pages of persisty need Node 20 or later to build: {command[0]} is not installed")
            subprocess.run(command, cwd=root, check=True)
