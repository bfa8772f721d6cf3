"""docs/authentication.md matches the code."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from persisty import settings
from persisty.cli.main import main
from persisty.security import authenticator, issuers, keys, tokens
from persisty.security import issuer_documents as fetch
from persisty.security import signing_secret as secret
from persisty.security.authenticator import authenticator_of

from .test_docs import ROOT, blocks

PAGE = (ROOT / "docs/authentication.md").read_text()


def test_exactly_the_settings_of_tokens_are_documented() -> None:
    told = set(re.findall(r"^\| `(PERSISTY_TOKEN_\w+)`", PAGE, re.MULTILINE))
    known = {name for name in settings.VARIABLES if name.startswith("PERSISTY_TOKEN_")}
    assert told == {*known, "PERSISTY_TOKEN_SECRET"}


def test_every_kind_of_issuer_is_documented_with_its_configuration() -> None:
    rows = re.findall(r"^\| [\w ]+? ?\w* \| `((\w+):[^`]+)`[^|]*\| (.+?) \| (.+?) \|$", PAGE, re.MULTILINE)
    assert [name for _, name, _, _ in rows] == list(issuers.KINDS)
    for spelled, name, scopes, audience in rows:
        kind = issuers.KINDS[name]
        assert issuers.issuers_in(spelled, frozenset({"api"}))[0].kind is kind
        assert re.findall(r"`(.+?)`", scopes) == [".".join(path) for path in kind.scopes]
        assert tuple(re.findall(r"`(.+?)`", audience)) == kind.audience


def test_the_documented_bounds_are_those_of_the_code() -> None:
    for words in (
        f"at least {keys.MIN_SECRET} random bytes",
        f"beyond {tokens.MAX_TOKEN:,} characters",
        f"default {settings.Settings().token_leeway},",
        f"{fetch.MAX_DOCUMENT >> 10} KB",
        f"at most every {keys.REFETCH:.0f} seconds",
    ):
        assert words in PAGE
    spelled = {6: "six seconds", 300: "five minutes", 1000: "a thousand", 3600: "an hour", 86400: "a day"}
    bounds = (fetch.DEADLINE, authenticator.CACHE_SECONDS, authenticator.MAX_CACHED, keys.FRESH, keys.STALE)
    assert all(spelled[int(bound)] in PAGE for bound in bounds)
    assert all(f"`{stage}`" in PAGE for stage in secret.LOCAL_STAGES)


def test_the_command_prints_a_valid_token(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in (*settings.VARIABLES, "PERSISTY_TOKEN_SECRET"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    line = blocks("docs/authentication.md", "console")[0].splitlines()[0]
    with pytest.raises(SystemExit):
        main(shlex.split(line.removeprefix("$ persisty ").partition(" > ")[0]))
    caller = authenticator_of(settings.load(), "dev", None, needed=True).caller(capsys.readouterr().out.strip())
    assert (caller.subject, caller.scopes, caller.claims["tenant"]) == ("ann", {"admin"}, "t1")
