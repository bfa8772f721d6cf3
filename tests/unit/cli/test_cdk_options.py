"""How the commands of a deployment run the CDK's command line."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer

from persisty.cli.cdk_options import run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project whose CDK prints its arguments and how it checks templates, and fails."""
    program = tmp_path / "node_modules" / ".bin" / "cdk"
    program.parent.mkdir(parents=True)
    program.write_text('#!/bin/sh\necho "$* ${CDK_VALIDATION:-checked}"\nexit 3\n')
    program.chmod(0o755)
    return tmp_path


@pytest.mark.parametrize(("checked", "said"), [(True, "synth checked\n"), (False, "synth false\n")])
def test_a_synth_is_checked_by_the_cdk_unless_it_was_before(
    checked: bool, said: str, folder: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CDK_VALIDATION", raising=False)
    with pytest.raises(typer.Exit) as failed:
        run(folder, ["synth"], quiet=True, checked=checked)
    assert failed.value.exit_code == 3
    assert capfd.readouterr().err == said
