"""URLs of engines: every part is used or rejected, and escapes are decoded once."""

from __future__ import annotations

from pathlib import Path

import pytest

from persisty import App, Attr, InvalidDeclaration, stored
from persisty.backends import connect

REFUSED: dict[str, tuple[str, str]] = {
    "memory://?size=3": ("/url/size", "Unknown option"),
    "memory://host": ("/url", "Unexpected host"),
    "memory:///path": ("/url", "Unexpected path"),
    "memory://#x": ("/url", "A fragment has no meaning; write %23 for #"),
    "sqlite://shop.db": ("/url", "Unexpected host"),
    "sqlite://user@host/shop.db": ("/url", "Unexpected host"),
    "sqlite:///shop.db?timeout=3": ("/url/timeout", "Unknown option"),
    "sqlite:///shop.db?mode=ro": ("/url/mode", "Unknown mode"),
    "sqlite:///shop.db?mode=rw&mode=rwc": ("/url/mode", "Option given twice"),
    "sqlite:///100%.db": ("/url", "Not a percent escape of UTF-8; write %25 for %"),
    "sqlite:///%ff.db": ("/url", "Not a percent escape of UTF-8; write %25 for %"),
    "sqlite:///a#b.db": ("/url", "A fragment has no meaning; write %23 for #"),
    "sqlite:///missing.db?mode=rw": ("/url", "There is no such file"),
    "dynamodb://eu-west-1/table": ("/url", "Unexpected path"),
    "dynamodb://user:secret@eu-west-1": ("/url", "Not a region"),
    "dynamodb://eu-west-1?retries=3": ("/url/retries", "Unknown option"),
    "dynamodb://eu-west-1?endpoint=": ("/url/endpoint", "Not an endpoint"),
    "dynamodb://eu-west-1?max_scan=": ("/url/max_scan", "Not an allowed number"),
    "dynamodb://eu-west-1?transport=direct&transport=boto3": ("/url/transport", "Option given twice"),
    "postgresql://host/db?pool=2&pool=3": ("/url/pool", "Option given twice"),
    "postgresql://host/db?application_name=%zz": ("/url", "Not a percent escape of UTF-8; write %25 for %"),
    "sqlite:///a%00.db": ("/url", "Contains the character NUL"),
    "postgresql://host/db?sslmode=verify": ("/url/sslmode", "Not a value of this option"),
    "postgresql://host/db?target_session_attrs=write": ("/url/target_session_attrs", "Not a value of this option"),
    "postgresql://host/db?connect_timeout=soon": ("/url/connect_timeout", "Not a whole number"),
    "postgresql://host:99999/db": ("/url/port", "Not a port"),
    "postgresql://one:5432,two:0/db": ("/url/port", "Not a port"),
    "postgresql://host/db?colour=red": ("/url", "libpq does not accept this"),
}


@stored(key="name")
class Thing:
    name: Attr[str]


@pytest.mark.parametrize("url", REFUSED)
def test_unused_parts_of_a_url_are_rejected(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InvalidDeclaration) as raised:
        connect(url, app="shop", stage="dev")
    assert (raised.value.faults[0].path, raised.value.faults[0].message) == REFUSED[url]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://one,two:5433/db?target_session_attrs=read-write&sslmode=verify-full",
        "postgresql:///db?host=/tmp&port=5432&connect_timeout=-1&keepalives=0",
        "postgresql://host/db?sslmode=&channel_binding=require&load_balance_hosts=random",
    ],
)
def test_options_of_libpq_are_accepted(url: str) -> None:
    connect(url, app="shop", stage="dev").close()


@pytest.mark.parametrize(
    ("path", "file"),
    [
        ("shop.db", "shop.db"),
        ("my%20shop%25.db", "my shop%.db"),
        ("a+b.db", "a+b.db"),
        ("%C3%A4.db", "ä.db"),
        ("ä.db", "ä.db"),
    ],
)
def test_escapes_of_a_path_are_decoded_once(
    path: str, file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    app = App("shop", items=[Thing], url=f"sqlite:///{path}")
    app.store(Thing).create(Thing(name="a"))
    app.close()
    assert file in {one.name for one in tmp_path.iterdir()}


def test_mode_opens_only_an_existing_file(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/shop.db"
    with pytest.raises(InvalidDeclaration, match="There is no such file"):
        App("shop", items=[Thing], url=url + "?mode=rw").store(Thing).count()
    assert list(tmp_path.iterdir()) == []
    created = App("shop", items=[Thing], url=url + "?mode=rwc")
    created.store(Thing).create(Thing(name="a"))
    created.close()
    opened = App("shop", items=[Thing], url=url + "?mode=rw")
    assert opened.store(Thing).count() == 1
    opened.close()
