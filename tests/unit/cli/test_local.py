"""Reasons for which `persisty local` does not start, each one line."""

from __future__ import annotations

import socket
from pathlib import Path
from threading import Event
from typing import cast

import pytest

from persisty.cli import local
from persisty.cli.main import main
from persisty.errors import InvalidDeclaration
from persisty.local import deployment
from persisty.local.deployment import Cdk
from persisty.local.emulator import Emulator
from persisty.local.server import Front
from persisty.local.session import FOLDER, Project, Session, running


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    with pytest.raises(SystemExit) as caught:
        main(["local", *arguments])
    return int(str(caught.value)), capsys.readouterr().err


def test_a_missing_library_names_the_extra(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "LIBRARIES", ("nothing_like_it",))
    said = "Error: nothing_like_it is not installed: pip install 'persisty[local]'\n"
    assert refused(capsys, "shop:app") == (2, said)


def test_a_port_in_use_is_named(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, said = refused(capsys, "shop:app", "--port", str(port))
    assert (code, said) == (1, f"Error: cannot listen at 127.0.0.1:{port}: Address already in use\n")


def test_a_missing_node_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InvalidDeclaration, match="needs Node 20 or later"):
        Cdk(tmp_path, [], Emulator("http://localhost:1"), copies=False)


def test_a_project_runs_once(tmp_path: Path) -> None:
    import fcntl

    folder = tmp_path / FOLDER
    folder.mkdir(parents=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with (
            pytest.raises(InvalidDeclaration, match="runs locally already"),
            running(Project("http://localhost:1", tmp_path, [], {}), Front(), print),
        ):
            raise AssertionError("it runs twice")


class Watching:
    """A session that follows its files until it is stopped."""

    ended = False

    def follow(self, stop: Event) -> None:
        self.ended = stop.wait(60)


def test_an_interruption_before_the_server_runs_ends_the_command() -> None:
    session = Watching()
    with pytest.raises(KeyboardInterrupt), local._following(cast(Session, session), reload=True):
        raise KeyboardInterrupt
    assert session.ended


def test_a_synth_of_a_cdk_app_of_its_own_skips_the_checks_of_templates(tmp_path: Path) -> None:
    """It copies code, because the assets may exclude files."""
    program = tmp_path / "node_modules" / ".bin" / "cdk"
    program.parent.mkdir(parents=True)
    program.write_text('#!/bin/sh\necho "$CDK_VALIDATION $*" > called\n')
    program.chmod(0o755)
    (tmp_path / "out").mkdir()
    Cdk(tmp_path, ["--context", "app=shop:app"], Emulator("http://localhost:1"), copies=True).synth(tmp_path / "out")
    called = (tmp_path / "called").read_text()
    assert called.startswith("false synth ")
    assert "--no-staging" not in called


def test_the_app_of_persisty_gets_the_context_that_the_cli_would_give(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / ".cdk.json").write_text('{"context": {"of_the_user": 1, "stage": "x", "app": "y"}}')
    (tmp_path / "cdk.json").write_text('{"context": {"stage": "dev", "memory": 512, "app": "shop:app"}}')
    monkeypatch.setattr(deployment, "USER", tmp_path / "home")
    monkeypatch.setattr(deployment, "cdk_command", lambda folder: ["cdk"])
    words = ["--app", "x", "--context", "stage=qa", "--context", "tag=a=b"]
    found = Cdk(tmp_path, words, Emulator("http://localhost:1"), copies=False)._context()
    assert {name: value for name, value in found.items() if not name.startswith("aws:cdk:")} == {
        "of_the_user": 1, "stage": "qa", "memory": 512, "app": "shop:app", "tag": "a=b"
    }  # fmt: skip
