"""The platform that functions run on: an architecture and a version of Python."""

from __future__ import annotations

import platform
import re
import sys

from msgspec import Struct

from persisty.errors import Fault, InvalidDeclaration

ARCHITECTURES = {"arm64": "aarch64", "x86_64": "x86_64"}
"""Architecture, by Lambda's name → its name in the tags of wheels."""
OLDEST_GLIBC, GLIBC_OF_AMAZON_LINUX_2, GLIBC_OF_AMAZON_LINUX_2023 = 17, 26, 34
"""Minor versions of glibc 2: that of manylinux2014, and those that the runtimes have."""
ON_AMAZON_LINUX_2 = frozenset({"3.8", "3.9", "3.10", "3.11"})
"""Versions of Python whose runtime is Amazon Linux 2. Source: "Lambda runtimes" in the AWS Lambda Developer Guide."""
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
        if architecture not in ARCHITECTURES or not re.fullmatch(r"3\.\d+", python):
            expected = "arm64-3.13, x86_64-3.13 or local"
            raise InvalidDeclaration(
                f"target {text!r} is not like {expected}", faults=[Fault("/target", "Not a target", expected, text)]
            )
        return cls(architecture, python)

    @property
    def platforms(self) -> tuple[str, ...]:
        """Return the platforms of wheels that the runtime can load, the newest first."""
        newest = GLIBC_OF_AMAZON_LINUX_2 if self.python in ON_AMAZON_LINUX_2 else GLIBC_OF_AMAZON_LINUX_2023
        name = ARCHITECTURES[self.architecture]
        return (
            *(f"manylinux_2_{minor}_{name}" for minor in range(newest, OLDEST_GLIBC - 1, -1)),
            f"manylinux2014_{name}",
        )
