"""The code of functions, built without Docker: layers of dependencies, a layer of persisty, and the app's own code.

Wheels are installed for the architecture and Python version of the target, on any machine. Built folders are cached by the hash of their sources,
so that a second synth builds nothing.
"""

from __future__ import annotations

import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from fnmatch import fnmatch
from hashlib import sha256
from pathlib import Path
from tempfile import mkdtemp

from msgspec import Struct

from persisty.deploy.layers import BASE

ROOT = Path(__file__).parents[2]
BUILT = ROOT / ".cache" / "code"
RUNTIME_LEFT_OUT = (
    "cli",
    "clients",
    "deploy",
    "hosting",
    "sql",
    "testing",
    "transfer",
    "memory.py",
    "__main__.py",
    "__pycache__",
)
"""Files and folders of persisty that no function imports."""
CODE_LEFT_OUT = ("requirements", "__pycache__", "*.db", "*.db-shm", "*.db-wal", ".persisty")
"""Files and folders beside the code that no function needs: lists of requirements, and what an app writes when it runs locally."""

PLATFORMS = {
    "arm64": ("manylinux2014_aarch64", "manylinux_2_26_aarch64"),
    "x86_64": ("manylinux2014_x86_64", "manylinux_2_26_x86_64"),
}
"""Architecture, by Lambda's name → the platforms of its wheels. Every runtime has glibc 2.26 or later."""
MACHINES = {"aarch64": "arm64", "arm64": "arm64", "x86_64": "x86_64", "amd64": "x86_64"}


class Target(Struct, frozen=True):
    """The platform of the functions: `arm64` or `x86_64`, and a Python version such as `3.13`."""

    architecture: str
    python: str

    @classmethod
    def parse(cls, text: str) -> Target:
        """Parse `arm64-3.13`. `local` is this machine, for an emulator that runs on it."""
        if text == "local":
            return cls(MACHINES[platform.machine().lower()], f"{sys.version_info[0]}.{sys.version_info[1]}")
        architecture, _, python = text.partition("-")
        if architecture not in PLATFORMS or not python:
            raise ValueError(f"target {text!r} is not like arm64-3.13, x86_64-3.13 or local")
        return cls(architecture, python)


def dependency_layer(name: str, spec: str, target: Target) -> Path:
    """Build `python/` with what `lambdas/requirements/NAME.txt` lists, and nothing else.

    The layer `base` also has the `requirements.txt` in the app's top package, with dependencies, because every function loads the app.
    """
    files = [
        ROOT / "lambdas" / "requirements" / f"{name}.txt",
        *([_top(spec) / "requirements.txt"] if name == BASE else []),
    ]
    requirements = [file for file in files if file.is_file()]
    platforms = [word for platform in PLATFORMS[target.architecture] for word in ("--platform", platform)]
    named = [word for file in requirements for word in ("--requirement", file)]

    def build(folder: Path) -> None:
        subprocess.run(
            [
                sys.executable, "-m", "pip", "install", "-qq", "--disable-pip-version-check", "--no-compile",
                *platforms, "--implementation", "cp",
                "--python-version", target.python, "--only-binary=:all:",
                "--constraint", ROOT / "constraints.txt",
                *([] if name == BASE else ["--no-deps"]), *named, "--target", folder / "python",
            ],
            check=True,
        )  # fmt: skip
        for unused in ("bin", "__pycache__"):
            shutil.rmtree(folder / "python" / unused, ignore_errors=True)
        _compile(folder, target)

    return _built(f"{name}-layer", [*requirements, ROOT / "constraints.txt"], build, target)


def runtime_layer(target: Target) -> Path:
    """Build `python/persisty`, without the parts that only a server or the command line needs."""
    source = ROOT / "persisty"

    def build(folder: Path) -> None:
        shutil.copytree(source, folder / "python" / "persisty", ignore=shutil.ignore_patterns(*RUNTIME_LEFT_OUT))
        _compile(folder, target)

    return _built("runtime", _files(source, RUNTIME_LEFT_OUT), build, target)


def function_code(spec: str, target: Target) -> Path:
    """Build a folder with `lambdas/` and the app's top package, or its single module, as named by `spec`."""
    top = _top(spec)
    sources = [ROOT / "lambdas", top if top.is_dir() else top.with_suffix(".py")]

    def build(folder: Path) -> None:
        for source in sources:
            if source.is_dir():
                shutil.copytree(source, folder / source.name, ignore=shutil.ignore_patterns(*CODE_LEFT_OUT))
            else:
                shutil.copy(source, folder / source.name)
        _compile(folder, target)

    return _built("functions", [file for source in sources for file in _files(source, CODE_LEFT_OUT)], build, target)


def _top(spec: str) -> Path:
    """Return the path of the app's top package, or of its single module without the suffix."""
    return ROOT / spec.partition(":")[0].partition(".")[0]


def _files(source: Path, left_out: Sequence[str]) -> list[Path]:
    """Return the files of a source that are copied: the file itself, or those of a folder that are not left out."""
    if not source.is_dir():
        return [source]
    found = sorted(file for file in source.rglob("*") if file.is_file())
    return [file for file in found if not any(map(_among(left_out), file.relative_to(source).parts))]


def _among(patterns: Sequence[str]) -> Callable[[str], bool]:
    return lambda name: any(fnmatch(name, pattern) for pattern in patterns)


def _built(name: str, sources: Iterable[Path], build: Callable[[Path], None], target: Target) -> Path:
    """Return the folder built from these sources for this target. Build it if it does not exist.

    It is built under a temporary name and then renamed, so that no other process sees an incomplete folder.
    """
    digest = sha256(repr(target).encode())
    for source in (Path(__file__), *sources):
        digest.update(str(source.relative_to(ROOT)).encode() + b"\0" + source.read_bytes())
    folder = BUILT / f"{name}-{digest.hexdigest()[:16]}"
    if not folder.exists():
        BUILT.mkdir(parents=True, exist_ok=True)
        unfinished = Path(mkdtemp(prefix=f".{name}-", dir=BUILT))
        try:
            build(unfinished)
            unfinished.chmod(0o755)
            unfinished.rename(folder)
        except OSError:
            if not folder.exists():  # else another process has built it meanwhile
                raise
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
    return folder


def _compile(folder: Path, target: Target) -> None:
    """Compile to byte code, if this Python has the target's version. A function cannot store byte code and would compile at every cold start.

    It is never checked against time stamps, which a layer does not preserve.
    """
    if target.python == f"{sys.version_info[0]}.{sys.version_info[1]}":
        quiet = ["-q", "-j", "0", "--invalidation-mode", "unchecked-hash"]
        subprocess.run([sys.executable, "-m", "compileall", *quiet, "-s", folder, folder], check=False)
