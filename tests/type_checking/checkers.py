"""Run mypy and pyright, strict and without a plugin, and return their reports by file and line."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

ROOT = Path(__file__).parents[2]
PYRIGHT = ROOT / "node_modules" / "pyright" / "index.js"
CACHE = ROOT / ".mypy_cache" / "typing"
Reports = dict[str, dict[int, str]]
"""Name of a file → line → the first error there."""


def mypy(folder: Path) -> Reports:
    """Check every module of the folder; of persisty itself nothing is reported, `make check` does that."""
    options = ["--strict", "--config-file=", "--follow-imports=silent", f"--cache-dir={CACHE}", "--hide-error-context"]
    command = [sys.executable, "-m", "mypy", *options, "--no-error-summary", "--no-pretty", "."]
    run = subprocess.run(command, cwd=folder, env={"MYPYPATH": str(ROOT)}, capture_output=True, text=True, check=False)
    assert not run.stderr, run.stderr
    found = re.findall(r"^(.+?):(\d+): error: (.*)$", run.stdout, re.MULTILINE)
    return _by_line((file, int(line), message) for file, line, message in found)


def pyright(folder: Path) -> Reports:
    """Check every module of the folder."""
    config = {"typeCheckingMode": "strict", "include": ["."], "extraPaths": [str(ROOT)], "pythonVersion": "3.11"}
    (folder / "pyrightconfig.json").write_text(json.dumps(config))
    command = ["node", str(PYRIGHT), "--outputjson", "--pythonpath", sys.executable]
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert run.stdout, run.stderr
    found = json.loads(run.stdout)["generalDiagnostics"]
    return _by_line(
        (Path(one["file"]).name, one["range"]["start"]["line"] + 1, one["message"])
        for one in found
        if one["severity"] == "error"
    )


CHECKERS: dict[str, Callable[[Path], Reports]] = {"mypy": mypy, "pyright": pyright}


def _by_line(found: Iterable[tuple[str, int, str]]) -> Reports:
    reports: Reports = {}
    for file, line, message in found:
        reports.setdefault(file, {}).setdefault(line, message)
    return reports
