"""The platform that functions run on: an architecture and a version of Python."""

from __future__ import annotations

import platform
import re
import sys

from msgspec import Struct

from persisty.errors import Fault, InvalidDeclaration

PLATFORMS = {
    "arm64": ("manylinux2014_aarch64", "manylinux_2_26_aarch64"),
    "x86_64": ("manylinux2014_x86_64", "manylinux_2_26_x86_64"),
}
"""Architecture, by Lambda's name → the platforms of its wheels. Every runtime has glibc 2.26 or later."""
MACHINES = {"aarch64": "arm64", "arm64": "arm64", "x86_64": "x86_64", "amd64": "x86_64"}
LOCAL = "local"


class Target(Struct, frozen=True):
    """The platform of the functions: `arm64` or `x86_64`, and a Python version such as `3.13`."""

    architecture: str
    python: str

    @classmethod
    def parse(cls, text: str) -> Target:
        """Parse `arm64-3.13`. `local` is this machine, for an emulator that runs on it. `InvalidDeclaration` for any other text."""
        if text == LOCAL:
            return cls(MACHINES[platform.machine().lower()], f"{sys.version_info[0]}.{sys.version_info[1]}")
        architecture, _, python = text.partition("-")
        if architecture not in PLATFORMS or not re.fullmatch(r"3\.\d+", python):
            expected = "arm64-3.13, x86_64-3.13 or local"
            raise InvalidDeclaration(
                f"target {text!r} is not like {expected}", faults=[Fault("/target", "Not a target", expected, text)]
            )
        return cls(architecture, python)
