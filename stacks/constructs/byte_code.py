"""Byte code for functions, compiled by a Python of the functions' own version.

A function cannot store byte code. Without byte code in the package, every cold start compiles all imported modules. Python reads only the byte code of
its own version. If the Python that synthesises has another version, one of the target's version is searched for on this machine.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

PROBE = (
    "import sys, json, importlib.util as u; "
    "print(json.dumps([sys.implementation.name, list(sys.version_info[:2]), sys.version_info[3], u.MAGIC_NUMBER.hex()]))"
)
INSTALLATIONS = (
    ".pyenv/versions/{version}*/bin/python",
    ".local/share/uv/python/cpython-{version}*/bin/python3",
    ".local/share/mise/installs/python/{version}*/bin/python",
    ".asdf/installs/python/{version}*/bin/python",
    "miniconda3/envs/*/bin/python{version}",
    "anaconda3/envs/*/bin/python{version}",
)
"""Places below the home directory where tools install Pythons that are not on the path."""


@cache
def compiler_of(version: str) -> tuple[str, str] | None:
    """Return a Python of this version, such as `3.13`, and the magic number of its byte code. None if this machine has none."""
    for candidate in dict.fromkeys(_candidates(version)):
        magic = _magic(candidate, version)
        if magic is not None:
            return candidate, magic
    return None


def compiler_missing(version: str) -> str:
    """Return the warning for a machine without a Python of this version."""
    here = f"{sys.version_info[0]}.{sys.version_info[1]}"
    return (
        f"Python {version} is not installed on this machine, so functions are deployed without byte code and their cold starts take 2 to 3 times as "
        f"long. Install it (`uv python install {version}`, `pyenv install {version}`, python{version} of your system), or choose the version "
        f"that is here: --context target=arm64-{here}"
    )


def compile_folder(folder: Path, version: str, *, strict: bool) -> None:
    """Compile the sources in a folder, if there is a Python of this version.

    Byte code is never checked against time stamps, which a layer does not preserve, and contains no path of this machine. `strict`: a file that the
    version cannot compile raises `ValueError`; libraries ship such files as templates.
    """
    found = compiler_of(version)
    if found is None:
        return
    options = ["-q", "-j", "0", "--invalidation-mode", "unchecked-hash", "-s", str(folder), str(folder)]
    run = subprocess.run([found[0], "-I", "-m", "compileall", *options], capture_output=True, text=True, check=False)
    if strict and run.returncode != 0:
        raise ValueError(
            f"Python {version}, which the functions run, cannot compile the code:\n{run.stdout}{run.stderr}"
        )


def _candidates(version: str) -> Iterator[str]:
    yield sys.executable
    named = shutil.which(f"python{version}")
    if named is not None:
        yield named
    uv = shutil.which("uv")
    if uv is not None:
        run = subprocess.run(
            [uv, "python", "find", "--no-python-downloads", version], capture_output=True, text=True, check=False
        )
        if run.returncode == 0:
            yield run.stdout.strip()
    for pattern in INSTALLATIONS:
        yield from map(str, sorted(Path.home().glob(pattern.format(version=version))))


def _magic(candidate: str, version: str) -> str | None:
    """Return the magic number of a released CPython of this version, None for any other program. A shim of a version manager may fail."""
    try:
        run = subprocess.run([candidate, "-I", "-c", PROBE], capture_output=True, text=True, check=False, timeout=30)
        name, found, level, magic = json.loads(run.stdout)
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None
    same = (name, ".".join(map(str, found)), level) == ("cpython", version, "final")
    return str(magic) if same else None
