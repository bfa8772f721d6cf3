"""DynamoDB Local for tests reports why it cannot start, and stops with its test."""

from __future__ import annotations

from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from ..dynamodb_local import dynamodb_local


def test_without_java_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(RuntimeError, match="needs Java: apt-get install"), dynamodb_local():
        pass


def test_before_it_is_fetched_it_says_how_to(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"make \.cache/dynamodb-local/\.installed"), dynamodb_local(tmp_path):
        pass


def test_a_jar_that_cannot_run_says_why(tmp_path: Path) -> None:
    (tmp_path / "DynamoDBLocal.jar").write_bytes(b"no jar")
    with pytest.raises(RuntimeError, match=r"did not start: .*DynamoDBLocal\.jar"), dynamodb_local(tmp_path):
        pass


def test_it_stops_with_its_test() -> None:
    with pytest.raises(ZeroDivisionError), dynamodb_local() as endpoint:
        raise ZeroDivisionError
    with pytest.raises(URLError, match="refused"):
        urlopen(endpoint)
