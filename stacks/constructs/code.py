"""The code of functions, built without Docker: layers of dependencies, a layer of persisty, and the app's own code.

Wheels are installed for the architecture and Python version of the target, on any machine. Built folders are cached by a hash of their sources, of
the target and of the byte code, which does not depend on where the sources lie. So a second synth builds nothing.
"""

from __future__ import annotations

import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from fnmatch import fnmatch
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from tempfile import mkdtemp

from msgspec import Struct

from persisty.deploy.app_files import app_files
from persisty.deploy.layers import BASE
from persisty.deploy.resources import Plan

from .byte_code import compile_folder, compiler_of

ROOT = Path(__file__).parents[2]
BUILT = ROOT / ".cache" / "code"
BUILDERS = (Path(__file__), Path(__file__).with_name("byte_code.py"))
"""Files whose change builds everything again."""
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
HANDLERS_LEFT_OUT = ("requirements", "__pycache__")
"""Folders next to the handlers that no function needs."""

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
        compile_folder(folder, target.python, strict=False)

    return _built(f"{name}-layer", _named([*requirements, ROOT / "constraints.txt"], _root(spec)), build, target)


def runtime_layer(target: Target) -> Path:
    """Build `python/persisty`, without the parts that only a server or the command line needs."""
    source = ROOT / "persisty"

    def build(folder: Path) -> None:
        shutil.copytree(source, folder / "python" / "persisty", ignore=shutil.ignore_patterns(*RUNTIME_LEFT_OUT))
        compile_folder(folder, target.python, strict=True)

    return _built("runtime", _named(_files(source, RUNTIME_LEFT_OUT), ROOT), build, target)


def function_code(plan: Plan, target: Target) -> Path:
    """Build a folder with `lambdas/` and the files of the app. `ValueError` if a file is not Python of the target's version."""
    root, handlers = _root(plan.modules[0]), ROOT / "lambdas"
    files = app_files(root, plan.modules, [] if plan.documents is None else [plan.documents])

    def build(folder: Path) -> None:
        shutil.copytree(handlers, folder / handlers.name, ignore=shutil.ignore_patterns(*HANDLERS_LEFT_OUT))
        for file in files:
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(root / file, folder / file)
        compile_folder(folder, target.python, strict=True)

    sources = {**_named(_files(handlers, HANDLERS_LEFT_OUT), ROOT), **_named([root / file for file in files], root)}
    return _built("functions", sources, build, target)


def _top(spec: str) -> Path:
    """Return the path of the app's top package, or of its single module without the suffix."""
    return _root(spec) / _top_name(spec)


def _root(spec: str) -> Path:
    """Return the folder from which the app is imported. `ROOT` for an app that is not found."""
    found = find_spec(_top_name(spec))
    places = [] if found is None else [found.origin] if found.origin else [*(found.submodule_search_locations or ())]
    if not places:
        return ROOT
    place = Path(places[0]).resolve()
    return place.parents[1] if place.name == "__init__.py" else place.parent


def _top_name(spec: str) -> str:
    return spec.partition(":")[0].partition(".")[0]


def _files(source: Path, left_out: Sequence[str]) -> list[Path]:
    """Return the files of a source that are copied: the file itself, or those of a folder that are not left out."""
    if not source.is_dir():
        return [source]
    found = sorted(file for file in source.rglob("*") if file.is_file())
    return [file for file in found if not any(map(_among(left_out), file.relative_to(source).parts))]


def _among(patterns: Sequence[str]) -> Callable[[str], bool]:
    return lambda name: any(fnmatch(name, pattern) for pattern in patterns)


def _named(files: Iterable[Path], root: Path) -> dict[str, Path]:
    """Return the files by their names below their root, or without a folder if they are elsewhere."""
    return {(file.relative_to(root).as_posix() if file.is_relative_to(root) else file.name): file for file in files}


def _built(name: str, sources: Mapping[str, Path], build: Callable[[Path], None], target: Target) -> Path:
    """Return the folder built from these sources for this target. Build it if it does not exist.

    It is built under a temporary name and then renamed, so that no other process sees an incomplete folder.
    """
    compiler = compiler_of(target.python)
    digest = sha256(repr((target, compiler and compiler[1])).encode())
    for place, source in {**sources, **{f"/{one.name}": one for one in BUILDERS}}.items():
        digest.update(f"{place}\0".encode() + source.read_bytes() + b"\0")
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
