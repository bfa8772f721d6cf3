"""One assembly, synthesised by the real CDK CLI for this machine, deployed to each emulator."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from .deployment import API_STACK, DATA_STACK, Deployment, for_ministack, for_moto, synthesise
from .emulators import ministack_server, moto_server


@pytest.fixture(scope="session")
def assembly(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("assembly") / "cdk.out"
    synthesise(folder, "target=local")
    return folder


@pytest.fixture(scope="session")
def on_moto(assembly: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """Deploy without the stack of events, which looks up the parameters of the others."""
    folder = tmp_path_factory.mktemp("moto") / "cdk.out"
    with moto_server() as url:
        yield Deployment(for_moto(assembly, folder), url, DATA_STACK, API_STACK)


@pytest.fixture(scope="session")
def on_ministack(assembly: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    folder = tmp_path_factory.mktemp("ministack") / "cdk.out"
    with ministack_server() as url:
        yield Deployment(for_ministack(assembly, folder), url)
