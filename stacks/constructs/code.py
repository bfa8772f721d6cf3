"""The functions' code, built without Docker: a layer of dependencies, a layer of persisty, and the app's own code.

Wheels are installed for the architecture and Python version of the target, whatever machine this is. What was built is
kept by the hash of what it was built from, so that a second synth builds nothing.
"""

from __future__ import annotations

import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from hashlib import sha256
from pathlib import Path

from msgspec import Struct

ROOT = Path(__file__).parents[2]
BUILT = ROOT / ".cache" / "code"
RUNTIME_LEFT_OUT = ("hosting", "cli", "testing.py", "transfer", "plan.py", "sql", "memory.py", "__pycache__")
"""Parts of persisty that no function imports."""

PLATFORMS = {"arm64": "manylinux2014_aarch64", "x86_64": "manylinux2014_x86_64"}
"""Architecture as Lambda names it → the platform of its wheels."""
MACHINES = {"aarch64": "arm64", "arm64": "arm64", "x86_64": "x86_64", "amd64": "x86_64"}


class Target(Struct, frozen=True):
    """What the functions run on: `arm64` or `x86_64`, and a Python version such as `3.13`."""

    architecture: str
    python: str

    @classmethod
    def parse(cls, text: str) -> Target:
        """`arm64-3.13`, or `local` for this machine's own, which an emulator on it runs."""
        if text == "local":
            return cls(MACHINES[platform.machine().lower()], f"{sys.version_info[0]}.{sys.version_info[1]}")
        architecture, _, python = text.partition("-")
        if architecture not in PLATFORMS or not python:
            raise ValueError(f"target {text!r} is not like arm64-3.13, x86_64-3.13 or local")
        return cls(architecture, python)


def dependency_layer(target: Target) -> Path:
    """`python/` with what `lambdas/requirements.txt` names."""
    requirements = ROOT / "lambdas" / "requirements.txt"

    def build(folder: Path) -> None:
        subprocess.run(
            [
                sys.executable, "-m", "pip", "install", "-qq", "--disable-pip-version-check", "--no-compile",
                "--platform", PLATFORMS[target.architecture], "--implementation", "cp",
                "--python-version", target.python, "--only-binary=:all:",
                "--constraint", ROOT / "constraints.txt",
                "--requirement", requirements, "--target", folder / "python",
            ],
            check=True,
        )  # fmt: skip
        for unused in ("bin", "__pycache__"):
            shutil.rmtree(folder / "python" / unused, ignore_errors=True)
        _compile(folder, target)

    return _built("dependencies", [requirements, ROOT / "constraints.txt"], build, target)


def runtime_layer(target: Target) -> Path:
    """`python/persisty`, without what only a server or a command line needs."""
    source = ROOT / "persisty"

    def build(folder: Path) -> None:
        shutil.copytree(source, folder / "python" / "persisty", ignore=shutil.ignore_patterns(*RUNTIME_LEFT_OUT))
        _compile(folder, target)

    return _built("runtime", _files(source), build, target)


def function_code(spec: str, target: Target) -> Path:
    """`lambdas/` and the app's top package (or its one module), as `spec` names it."""
    top = ROOT / spec.partition(":")[0].partition(".")[0]
    sources = [ROOT / "lambdas", top if top.is_dir() else top.with_suffix(".py")]

    def build(folder: Path) -> None:
        for source in sources:
            if source.is_dir():
                shutil.copytree(source, folder / source.name, ignore=shutil.ignore_patterns("__pycache__", "*.db*"))
            else:
                shutil.copy(source, folder / source.name)
        _compile(folder, target)

    return _built("functions", [file for source in sources for file in _files(source)], build, target)


def _files(source: Path) -> list[Path]:
    return sorted(source.rglob("*.py")) if source.is_dir() else [source]


def _built(name: str, sources: Iterable[Path], build: Callable[[Path], None], target: Target) -> Path:
    """The folder built from these sources for this target; built now if it is not there."""
    digest = sha256(repr(target).encode())
    for source in sources:
        digest.update(str(source.relative_to(ROOT)).encode() + b"\0" + source.read_bytes())
    folder = BUILT / f"{name}-{digest.hexdigest()[:16]}"
    if not folder.exists():
        unfinished = folder.with_suffix(".unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        build(unfinished)
        unfinished.rename(folder)
    return folder


def _compile(folder: Path, target: Target) -> None:
    """Byte code, where this Python can make it: a function cannot keep what it compiles, and would at every cold start.

    Checked by hash and never against time stamps, which do not survive the way into a layer.
    """
    if target.python == f"{sys.version_info[0]}.{sys.version_info[1]}":
        quiet = ["-q", "-j", "0", "--invalidation-mode", "unchecked-hash"]
        subprocess.run([sys.executable, "-m", "compileall", *quiet, "-s", folder, folder], check=False)
