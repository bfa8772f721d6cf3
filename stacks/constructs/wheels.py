"""Wheels for the target, installed on any machine without Docker.

pip installs for another platform only from wheels. A package that is published only as source is first built here. A wheel of pure Python fits
every target; for any other, the deployment stops and names the package.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

from persisty.deploy.pip_configuration import pip_environment
from persisty.errors import Fault, InvalidDeclaration

from .byte_code import compiler_of
from .direct_references import WHEEL
from .requirements import Requirements, name_of
from .target import Target

MOST_BUILT = 50
"""Most packages that are built from source."""
PURE = "-none-any.whl"
_MISSING = re.compile(r"No matching distribution found for ([^\s;,()]+)")
SOURCES = frozenset({"--find-links", "-f", "--index-url", "-i", "--extra-index-url", "--no-index"})
"""Options of requirements that say where to find packages."""
PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-color", "-qq")


def install(requirements: Requirements, target: Target, folder: Path, *, dependencies: bool = True) -> None:
    """Install requirements for the target into a folder. `dependencies`: install their requirements too.

    `InvalidDeclaration` if they contradict each other, or if a package neither has a wheel for the target nor can be built as one of pure Python.
    """
    with TemporaryDirectory() as scratch:
        built = Path(scratch) / "wheels"
        built.mkdir()
        requirements = with_references(requirements, built, target)
        for _ in range(MOST_BUILT):
            run = _pip(
                *_under(target), "install", "--no-compile", *_of(target), *([] if dependencies else ["--no-deps"]),
                *_listed(requirements, Path(scratch)), "--find-links", str(built), "--target", str(folder),
            )  # fmt: skip
            if run.returncode == 0:
                return
            missing = _MISSING.search(run.stderr)
            if missing is None:
                raise InvalidDeclaration(
                    f"pip cannot install the requirements of functions\n{_words(run)}",
                    faults=[Fault("/requirements", "Cannot be installed together")],
                )
            requirements = _with_built(missing[1], requirements, built, target)
    raise InvalidDeclaration(f"More than {MOST_BUILT} requirements are published without wheels")


def with_references(requirements: Requirements, wheels: Path, target: Target) -> Requirements:
    """Return the requirements with a line for each reference, which installs the wheel that is built from it into the folder `wheels`."""
    lines = list(requirements.lines)
    for at, one in enumerate(requirements.references):
        folder = wheels.parent / f"reference-{at}"
        folder.mkdir()
        if one.path is not None and one.path.endswith(WHEEL):
            made = [Path(shutil.copy(one.path, folder))]
        else:
            made = _build(
                one.line, one.name or one.line, ("--wheel-dir", str(folder)), requirements.lines, folder, target
            )
        lines.append(one.installed_from(made[0], _hashes(made) if requirements.hashed else ""))
    return Requirements(tuple(lines), requirements.constraints)


def _with_built(requirement: str, requirements: Requirements, wheels: Path, target: Target) -> Requirements:
    """Build the wheel of a requirement that has none for the target. Return the requirements, which have the hash of the wheel if they have hashes.

    pip then verifies the hash of the source before it is built.
    """
    name = name_of(requirement) or requirement
    line = next((one for one in requirements.lines if name_of(one) == name), requirement)
    options = ("--no-binary", name, "--wheel-dir", str(wheels))
    chosen = line if requirements.hashed else requirement
    made = _build(chosen, name, options, requirements.lines, wheels, target)
    if not requirements.hashed:
        return requirements
    lines = tuple(f"{one}{_hashes(made)}" if one == line else one for one in requirements.lines)
    return Requirements(lines, requirements.constraints)


def _build(
    line: str, name: str, options: Sequence[str], lines: Sequence[str], wheels: Path, target: Target
) -> list[Path]:
    """Build a requirement, and return its wheels in the folder. `InvalidDeclaration` if they are not of pure Python."""
    chosen = wheels.parent / "chosen.txt"
    chosen.write_text(f"{line}\n")
    before = set(wheels.iterdir())
    run = _pip("wheel", "--no-deps", *_sources(lines), *options, "--requirement", str(chosen))
    made = [file for file in wheels.iterdir() if file not in before]
    if run.returncode == 0 and made and all(file.name.endswith(PURE) for file in made):
        return made
    platform = f"{target.architecture} and Python {target.python}"
    if made:
        message, found_ = f"Has code that is compiled, and no wheel for {platform}", made[0].name
    else:
        message, found_ = f"Has no wheel for {platform}, and cannot be built from its source", None
    raise InvalidDeclaration(
        f"The requirement {name} cannot be installed for functions" + ("" if made else f"\n{_words(run)}"),
        faults=[Fault(f"/requirements/{name}", message, "a version with a wheel, or a package of pure Python", found_)],
    )


def _hashes(wheels: Sequence[Path]) -> str:
    return "".join(f" --hash=sha256:{sha256(file.read_bytes()).hexdigest()}" for file in wheels)


def _listed(requirements: Requirements, folder: Path) -> Iterator[str]:
    """Write the lines into files, and return the options of pip that name them."""
    for flag, lines in (("--requirement", requirements.lines), ("--constraint", requirements.constraints)):
        file = folder / f"{flag[2:]}.txt"
        file.write_text("".join(f"{line}\n" for line in lines))
        yield from (flag, str(file))


def _sources(lines: Sequence[str]) -> Iterator[str]:
    """Return the options among the lines that say where to find packages."""
    for line in lines:
        words = line.replace("=", " ", 1).split()
        if words[0] in SOURCES:
            yield from words


def _under(target: Target) -> list[str]:
    """Return the options with which pip runs under a Python of the target's version, if this machine has one: conditions such as
    `python_version < "3.13"` then are those of the target."""
    found = compiler_of(target.python)
    return [] if found is None or found[0] == sys.executable else ["--python", found[0]]


def _of(target: Target) -> list[str]:
    platforms = [word for platform in target.platforms for word in ("--platform", platform)]
    return [*platforms, "--implementation", "cp", "--python-version", target.python, "--only-binary=:all:"]


def _pip(*words: str) -> subprocess.CompletedProcess[str]:
    run = subprocess.run([*PIP, *words], env=pip_environment(), capture_output=True, text=True, check=False)
    if "No module named pip" in run.stderr:
        raise InvalidDeclaration(
            f"Building the layers of functions needs pip, which {sys.executable} does not have: install persisty[deploy]"
        )
    return run


def _words(run: subprocess.CompletedProcess[str]) -> str:
    """Return the errors that pip printed."""
    lines = [line.strip() for line in run.stderr.splitlines() if line.strip()]
    return "\n".join(line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR:")) or "\n".join(
        lines[-5:]
    )
