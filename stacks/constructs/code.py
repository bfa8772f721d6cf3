"""The code of functions, built without Docker: layers of dependencies, a layer of persisty, and the app's own code.

Wheels are installed for the architecture and Python version of the target, on any machine. Built folders are cached by a hash of their sources, of
the target and of the byte code. It does not depend on the folders of the sources. A second synth therefore builds nothing.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from fnmatch import fnmatch
from functools import cache
from hashlib import sha256
from pathlib import Path
from tempfile import mkdtemp

from persisty.deploy.app_files import app_files, app_root
from persisty.deploy.layers import BASE
from persisty.deploy.resources import HANDLERS, Plan
from persisty.errors import Fault, InvalidDeclaration

from . import byte_code, direct_references, wheels
from . import target as platforms
from .byte_code import compile_folder, compiler_of
from .code_folders import built_folder, handlers_folder, runtime_folder
from .requirements import Requirements, read_requirements, requirements_of
from .target import Target
from .wheels import install

BUILDERS = tuple(
    Path(module)
    for module in (__file__, byte_code.__file__, direct_references.__file__, platforms.__file__, wheels.__file__)
)
"""Files whose change rebuilds everything."""
RUNTIME_EXCLUDED = (
    "cli",
    "clients",
    "deploy",
    "hosting",
    "local",
    "sql",
    "testing",
    "transfer",
    "memory",
    "__main__.py",
    "__pycache__",
)
"""Files and folders of persisty that no function imports."""
MAX_UNZIPPED = 250 * 1024 * 1024
"""Bytes of a function with its layers. Source: "Lambda quotas" in the AWS Lambda Developer Guide."""
HANDLERS_EXCLUDED = ("requirements", "__pycache__")
"""Folders next to the handlers that no function needs."""


def dependency_layer(name: str, spec: str, target: Target, requirements: str | None = None) -> Path:
    """Build `python/` with exactly the requirements of `requirements/NAME.txt` next to the handlers.

    The layer `base` also has the requirements of the app, with dependencies, because every function loads the app. `requirements`: the file that
    lists them, if the app's folders have none.
    """
    own = read_requirements(handlers_folder() / "requirements" / f"{name}.txt")
    app = requirements_of(spec, requirements) if name == BASE else Requirements()
    # pip verifies the hashes of all lines or of none, so lines with hashes are installed separately
    together = Requirements((*own.lines, *app.lines), app.constraints, app.references)
    parts = (own, app) if app.hashed else (together,)

    def build(folder: Path) -> None:
        for part in parts:
            install(part, target, folder / "python", dependencies=name == BASE)
        for unused in ("bin", "__pycache__"):
            shutil.rmtree(folder / "python" / unused, ignore_errors=True)
        compile_folder(folder, target.python, strict=False)

    files = {place: file for one in app.references for place, file in one.files.items()}
    return _built(f"{name}-layer", {"requirements": together.key, **files}, build, target)


def runtime_layer(target: Target) -> Path:
    """Build `python/persisty`, without the parts that only a server or the command line needs."""
    source = runtime_folder()

    def build(folder: Path) -> None:
        shutil.copytree(source, folder / "python" / "persisty", ignore=shutil.ignore_patterns(*RUNTIME_EXCLUDED))
        compile_folder(folder, target.python, strict=True)

    return _built("runtime", _named(_files(source, RUNTIME_EXCLUDED), source), build, target)


def function_code(plan: Plan, target: Target) -> Path:
    """Build a folder with the handlers and the files of the app. `ValueError` if a file is not Python of the target's version."""
    root, handlers = app_root(plan.modules[0]), handlers_folder()
    files = app_files(root, plan.modules, [] if plan.documents is None else [plan.documents])

    def build(folder: Path) -> None:
        shutil.copytree(handlers, folder / HANDLERS, ignore=shutil.ignore_patterns(*HANDLERS_EXCLUDED))
        for file in files:
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(root / file, folder / file)
        compile_folder(folder, target.python, strict=True)

    own = _named(_files(handlers, HANDLERS_EXCLUDED), handlers)
    sources = {f"{HANDLERS}/{place}": file for place, file in own.items()}
    return _built("functions", {**sources, **_named([root / file for file in files], root)}, build, target)


def no_code() -> Path:
    """Return a folder that stands for all code when a command of the CDK needs none, such as `cdk list` or `cdk destroy`."""
    folder = built_folder() / "no-code"
    folder.mkdir(exist_ok=True)
    (folder / "no-code.txt").write_text("This command of the CDK deploys no code.\n")
    return folder


def _files(source: Path, excluded: Sequence[str]) -> list[Path]:
    """Return the files of a source to copy: the file itself, or the files of a folder without the excluded ones."""
    if not source.is_dir():
        return [source]
    found = sorted(file for file in source.rglob("*") if file.is_file())
    return [file for file in found if not any(map(_among(excluded), file.relative_to(source).parts))]


def _among(patterns: Sequence[str]) -> Callable[[str], bool]:
    return lambda name: any(fnmatch(name, pattern) for pattern in patterns)


def _named(files: Iterable[Path], root: Path) -> dict[str, Path]:
    """Return the files by their names below their root."""
    return {file.relative_to(root).as_posix(): file for file in files}


def _built(name: str, sources: Mapping[str, Path | str], build: Callable[[Path], None], target: Target) -> Path:
    """Return the folder built from these sources, files or texts, for this target. Build it if it does not exist.

    It is built under a temporary name and then renamed, so that no other process sees an incomplete folder.
    """
    compiler = compiler_of(target.python)
    digest = sha256(repr((target, compiler and compiler[1])).encode())
    for place, source in {**sources, **{f"/{one.name}": one for one in BUILDERS}}.items():
        content = source.encode() if isinstance(source, str) else source.read_bytes()
        digest.update(f"{place}\0".encode() + content + b"\0")
    folder = built_folder() / f"{name}-{digest.hexdigest()[:16]}"
    if not folder.exists():
        unfinished = Path(mkdtemp(prefix=f".{name}-", dir=folder.parent))
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


def check_unzipped(folders: Sequence[Path]) -> None:
    """Raise `InvalidDeclaration` if the code of a function, with its layers, is larger than Lambda accepts."""
    sizes = {folder.name.rpartition("-")[0]: _size(folder) for folder in folders}
    if sum(sizes.values()) > MAX_UNZIPPED:
        listed = ", ".join(f"{name} {size >> 20} MB" for name, size in sizes.items())
        raise InvalidDeclaration(
            f"The code and the layers of a function are larger than the {MAX_UNZIPPED >> 20} MB that Lambda accepts",
            faults=[Fault("/requirements", "Too large", f"at most {MAX_UNZIPPED >> 20} MB, unzipped", listed)],
        )


@cache
def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
