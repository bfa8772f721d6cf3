"""One rule for the stage of every command, and options that would have no effect."""

from __future__ import annotations

from pathlib import Path

import pytest

from persisty import Attr, stored
from persisty.cli.cdk_options import cdk_words, stage_of
from persisty.cli.diff import load
from persisty.cli.local import _options

from .conftest import Declare, Persisty

CDK = '{"app": "python3 -m persisty_cdk", "context": {"app": "shop:app", "stage": "dev"}}'


@stored
class Note:
    id: Attr[str]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cdk.json").write_text(CDK)
    return tmp_path


@pytest.mark.parametrize(
    ("given", "shell", "stage"), [("qa", "prod", "qa"), (None, "prod", "prod"), (None, "", None), (None, None, None)]
)
def test_the_stage_is_that_of_the_command_line_then_of_the_shell_then_of_cdk_json(
    given: str | None, shell: str | None, stage: str | None, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PERSISTY_STAGE", raising=False)
    if shell is not None:
        monkeypatch.setenv("PERSISTY_STAGE", shell)
    words = cdk_words(project, None, given, None, None)
    assert [one for one in words if one.startswith("stage=")] == ([] if stage is None else [f"stage={stage}"])
    assert _options(project, None, given, None)["stage"] == (stage or "dev")


def test_a_stage_of_the_shell_that_replaces_that_of_cdk_json_is_printed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PERSISTY_STAGE", "prod")
    assert stage_of(None, {"stage": "dev"}) == "prod"
    said = "Stage prod: PERSISTY_STAGE of this shell replaces the stage dev of cdk.json\n"
    assert capsys.readouterr().err == said
    for given, declared in ((None, {"stage": "prod"}), (None, {}), ("qa", {"stage": "dev"})):
        stage_of(given, declared)
    assert capsys.readouterr().err == ""


def test_commands_that_open_the_app_take_a_stage_too(declare: Declare, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PERSISTY_STAGE", raising=False)
    assert load(declare(Note), "memory://", "qa")[0].stage == "qa"
    assert load(declare(Note), "memory://")[0].stage == "dev"


@pytest.mark.parametrize(
    ("words", "option"),
    [
        ("--target local", "--target"),
        ("--profile x", "--profile"),
        ("-c a=b", "--context"),
        ("--deployed --url memory://", "--url"),
    ],
)
def test_an_option_of_diff_without_an_effect_is_refused(
    words: str, option: str, persisty: Persisty, declare: Declare
) -> None:
    done = persisty("diff", declare(Note), *words.split())
    assert done.code == 2
    assert f"{option} has no effect with" in done.err
