"""PgBouncer in front of a PostgreSQL server, in transaction mode: each transaction of a client may get another session of the server.

The program is that of Debian's package `pgbouncer`, or the one in `PERSISTY_TEST_PGBOUNCER`.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

PROGRAM = os.environ.get("PERSISTY_TEST_PGBOUNCER") or shutil.which(
    "pgbouncer", path=f"{os.environ.get('PATH')}:/usr/sbin"
)
PORT = 6432
STARTING = 10.0
"""Seconds that PgBouncer may take to start."""
SETTINGS = {
    "listen_port": PORT,
    "auth_type": "any",
    "pool_mode": "transaction",
    "default_pool_size": 2,
    "max_client_conn": 500,
    "server_round_robin": 1,
    "query_wait_timeout": 20,
}
"""Two sessions of the server, used in turn, so that clients often change sessions."""
PREPARES = (1, 21)
"""The first version with `max_prepared_statements`."""


def version() -> tuple[int, ...]:
    """Return the version of the program, () if there is none."""
    if PROGRAM is None:
        return ()
    said = subprocess.run([PROGRAM, "--version"], check=True, capture_output=True, text=True).stdout
    return tuple(int(part) for part in said.split()[1].split(".")[:2])


@contextmanager
def pgbouncer(url: str, **settings: Any) -> Iterator[str]:
    """Run a PgBouncer in front of the server at `url`, and return its URL. `settings` are added to `SETTINGS`."""
    parts = urlsplit(url)
    query = {name: values[0] for name, values in parse_qs(parts.query).items()}
    target = {
        "host": parts.hostname or query.get("host", ""),
        "port": parts.port or query.get("port", 5432),
        "dbname": parts.path.lstrip("/"),
        "user": parts.username or query.get("user", ""),
        "password": parts.password or query.get("password", ""),
    }
    database = " ".join(f"{name}={value}" for name, value in target.items() if value)
    with tempfile.TemporaryDirectory(prefix="persisty-pgbouncer-") as folder:
        home = Path(folder)
        identity: dict[str, Any] = {}
        if os.getuid() == 0:  # it refuses to run as root
            nobody = pwd.getpwnam("nobody")
            identity = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
            os.chown(home, nobody.pw_uid, nobody.pw_gid)
        lines = [f"{name} = {value}" for name, value in (SETTINGS | {"unix_socket_dir": home} | settings).items()]
        (home / "pgbouncer.ini").write_text(
            "\n".join([f"[databases]\nshop = {database}", "[pgbouncer]", *lines]) + "\n"
        )
        with (home / "log").open("wb") as log:
            process = subprocess.Popen([str(PROGRAM), "pgbouncer.ini"], cwd=home, stdout=log, stderr=log, **identity)
        try:
            until = time.monotonic() + STARTING
            while not (home / f".s.PGSQL.{PORT}").exists():
                if process.poll() is not None or time.monotonic() > until:
                    raise RuntimeError("PgBouncer did not start: " + (home / "log").read_text())
                time.sleep(0.01)
            yield f"postgresql:///shop?host={home}&port={PORT}&user={target['user']}"
        finally:
            process.kill()
            process.wait()
