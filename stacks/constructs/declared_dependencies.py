"""The dependencies that a `pyproject.toml` declares, if pip can install what its author means.

Poetry and setuptools may declare them elsewhere, and uv may take a package from another place than its name says. Installing the rest, or the
package of that name on the public index, would deploy something else than what was tested. Such projects export their lock.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

from persisty.errors import Fault, InvalidDeclaration

EXPORTS = {
    "uv": "uv export --no-dev --no-emit-project -o requirements.txt",
    "poetry": "poetry export --without-hashes -o requirements.txt",
}
"""Tool → the command that writes what it installs for pip."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def dependencies_in(file: Path) -> list[str]:
    """Return the dependencies of a `pyproject.toml`. `InvalidDeclaration` if pip would install others, with the command that exports them."""
    content = tomllib.loads(file.read_text())
    project: dict[str, Any] = content.get("project", {})
    tools: dict[str, Any] = content.get("tool", {})
    found: list[str] = project.get("dependencies", [])
    faults = []
    if "dependencies" in project.get("dynamic", ()):
        faults.append(_fault("", "They are dynamic, so only the build of the project knows them"))
    elsewhere = [name for name in tools.get("poetry", {}).get("dependencies", {}) if name != "python"]
    if elsewhere and not found:
        faults.append(_fault("", "They are declared for Poetry alone", EXPORTS["poetry"]))
    sources = {_plain(name) for name in tools.get("uv", {}).get("sources", {})}
    faults += [
        _fault(f"/{name}", "uv takes this package from another place than its name says", EXPORTS["uv"])
        for name in map(_plain, found)
        if name in sources
    ]
    if faults:
        raise InvalidDeclaration(
            f"pip cannot read the requirements of functions from {file.name}. Export them to a requirements.txt",
            faults=faults,
        )
    return found


def _fault(path: str, message: str, command: str | None = None) -> Fault:
    return Fault(f"/requirements{path}", message, command)


def _plain(name: str) -> str:
    """Return the normalized name at the beginning of a requirement. Source: PEP 503."""
    found = _NAME.match(name)
    return re.sub(r"[._-]+", "-", found[0]).lower() if found else ""
