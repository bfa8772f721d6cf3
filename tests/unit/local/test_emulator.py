"""The emulator of `persisty local` installs itself where the path has none, and runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from persisty.errors import InvalidDeclaration
from persisty.local import emulator
from persisty.local.bootstrap import BUCKET, VERSION, VERSION_PARAMETER, bootstrap
from persisty.local.emulator import installed


@pytest.fixture
def no_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    return tmp_path


def test_a_program_on_the_path_is_used(no_program: Path) -> None:
    program = no_program / "empty" / "ministack"
    program.touch(mode=0o755)
    assert installed(no_program) == program


def test_without_one_it_is_installed_once_and_answers(no_program: Path) -> None:
    program = installed(no_program)
    assert program.is_relative_to(no_program)
    changed = program.stat().st_mtime_ns
    with emulator.emulator(lambda: installed(no_program), no_program / "aws") as aws:
        aws.wait()
        assert aws.client("s3").list_buckets()["Buckets"] == []
        for _ in range(2):
            bootstrap(aws)
        assert [one["Name"] for one in aws.client("s3").list_buckets()["Buckets"]] == [BUCKET]
        assert aws.client("ssm").get_parameter(Name=VERSION_PARAMETER)["Parameter"]["Value"] == VERSION
    assert program.stat().st_mtime_ns == changed


def test_an_emulator_that_cannot_be_installed_is_named_where_it_is_awaited(tmp_path: Path) -> None:
    def fails() -> Path:
        raise InvalidDeclaration("no network")

    with (
        emulator.emulator(fails, tmp_path / "aws") as aws,
        pytest.raises(InvalidDeclaration, match="no network"),
    ):
        aws.wait()


def test_a_failed_installation_and_a_program_that_ends_are_one_line(
    no_program: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(InvalidDeclaration, match=r"cannot be installed in .*: ERROR: No matching distribution"):
        installed(no_program)
    ended = no_program / "ended"
    ended.write_text("#!/bin/sh\nexit 3\n")
    ended.chmod(0o755)
    with (
        emulator.emulator(lambda: ended, no_program / "aws") as aws,
        pytest.raises(InvalidDeclaration, match=r"does not start: .*log\.txt"),
    ):
        aws.wait()
