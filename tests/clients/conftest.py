"""Generated clients, in a folder with the programs that use them."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from persisty import settings
from persisty.application import load_app
from persisty.clients.python import python_client
from persisty.clients.typescript import typescript_client
from persisty.security.authenticator import authenticator_of
from persisty.security.caller import Caller

from ..fuzz.test_fuzz import SECRET, serving

ROOT = Path(__file__).parents[2]
APPS = {
    "messenger": "examples.messenger.app:app",
    "shop": "tests.shop:app",
    "museum": "tests.clients.museum:app",
}
Token = Callable[..., str]
PYTHON = sys.executable
TSC = ROOT / "node_modules" / ".bin" / "tsc"
STRICT = (
    "--strict", "--noUncheckedIndexedAccess", "--exactOptionalPropertyTypes", "--noImplicitReturns", "--noUnusedLocals",
    "--erasableSyntaxOnly", "--verbatimModuleSyntax", "--target", "es2022", "--module", "nodenext", "--lib", "es2022,dom",
)  # fmt: skip


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the generated clients (`shop_client.py`, `shop_client.ts`, …) and the programs."""
    made = tmp_path_factory.mktemp("clients")
    for name, spec in APPS.items():
        app = load_app(spec)
        (made / f"{name}_client.py").write_text(python_client(app, spec), encoding="utf-8")
        (made / f"{name}_client.ts").write_text(typescript_client(app, spec), encoding="utf-8")
    for program in Path(__file__).parent.glob("use_*"):
        shutil.copy(program, made)
    (made / "package.json").write_text('{"type": "module"}')
    return made


@pytest.fixture(scope="session")
def compiled(folder: Path) -> Path:
    """Return the folder with the programs compiled to JavaScript. The compiler must accept every line."""
    if not TSC.exists():
        pytest.fail("The TypeScript compiler is not there: make node_modules/.installed")
    sources = sorted(map(str, folder.glob("*.ts")))
    run = subprocess.run(
        [TSC, *STRICT, "--outDir", "built", *sources], cwd=folder, capture_output=True, text=True, check=False
    )
    assert (run.returncode, run.stdout) == (0, "")
    return folder / "built"


@pytest.fixture
def token(monkeypatch: pytest.MonkeyPatch) -> Token:
    """Return a function that makes tokens: `token("ann", "staff")` has a subject and scopes."""
    monkeypatch.setenv("PERSISTY_TOKEN_SECRET", SECRET)
    known = authenticator_of(settings.load(), "dev", settings.token_secret(), needed=True)
    return lambda subject, *scopes: known.token(Caller(subject, frozenset(scopes)))


def use(command: list[str], folder: Path, name: str, tokens: list[str], tmp_path: Path) -> None:
    """Run a program against its own server."""
    with serving(APPS[name], None, tmp_path) as url:
        run = subprocess.run(
            [*command, url, *tokens], cwd=folder, capture_output=True, text=True, check=False, timeout=60
        )
    assert run.stdout == "done\n", run.stderr
