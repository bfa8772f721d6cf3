"""Keys: their formats, their algorithms, and when they are loaded."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from persisty import InvalidDeclaration
from persisty.errors import BackendUnavailable, PersistyError
from persisty.security import keys as module
from persisty.security.keys import FRESH, REFETCH, RETRY, STALE, Key, Keys, keys_in, keys_of_set
from tests import tokens


@pytest.mark.parametrize(
    ("text", "algorithms", "signs"),
    [
        (tokens.SECRET, ["HS256"], True),
        (f"\n  {tokens.SECRET}  \r\n", ["HS256"], True),
        (f"{tokens.SECRET}\n{tokens.SECRET}2\n", ["HS256", "HS256"], True),
        ("{" + tokens.SECRET, ["HS256"], True),
        ("[" + tokens.SECRET + '"}]', ["HS256"], True),
        (tokens.private_pem("rsa"), ["RS256"], True),
        (tokens.public_pem("rsa"), ["RS256"], False),
        (tokens.private_pem("ec"), ["ES256"], True),
        (tokens.public_pem("ec"), ["ES256"], False),
        (tokens.private_pem("rsa") + tokens.public_pem("other"), ["RS256", "RS256"], True),
    ],
)
def test_the_algorithm_belongs_to_the_key(text: str, algorithms: list[str], signs: bool) -> None:
    keys = keys_in(text)
    assert [key.algorithm for key in keys] == algorithms
    assert (keys[0].signing is not None) is signs


def pem(key: Any, password: bytes | None = None) -> str:
    locked = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    form = serialization.PrivateFormat.PKCS8
    made: bytes = key.private_bytes(serialization.Encoding.PEM, form, locked)
    return made.decode()


NO_KEYS: dict[str, Callable[[], str]] = {
    "nothing": lambda: "",
    "white space": lambda: " \n\t",
    "too short": lambda: "31 bytes are one less than enough"[:31],
    "one of two too short": lambda: f"{tokens.SECRET}\nshort-one",
    "JSON": lambda: '{"secret": "' + tokens.SECRET + '"}',
    "JSON of several lines": lambda: '[\n"' + tokens.SECRET + '"\n]\n',
    "half a PEM": lambda: tokens.private_pem("rsa")[:200],
    "a broken PEM": lambda: tokens.private_pem("rsa").replace("M", "!"),
    "a PEM of something else": lambda: "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----",
    "a locked PEM": lambda: pem(tokens.private_key("rsa"), b"open sesame"),
    "a weak RSA key": lambda: pem(rsa.generate_private_key(public_exponent=65537, key_size=1024)),
    "another curve": lambda: pem(ec.generate_private_key(ec.SECP384R1())),
    "another kind": lambda: pem(ed25519.Ed25519PrivateKey.generate()),
}


@pytest.mark.parametrize("name", NO_KEYS)
def test_an_invalid_key_is_rejected_without_showing_it(name: str) -> None:
    text = NO_KEYS[name]()
    with pytest.raises(InvalidDeclaration) as refused:
        keys_in(text)
    error: BaseException | None = refused.value
    assert "The key to sign tokens" in str(error)
    for line in text.splitlines():
        assert not line.strip() or line.strip() not in str(error)
    assert error is not None
    assert error.__suppress_context__
    assert error.__cause__ is None


def test_the_repr_of_a_key_does_not_show_it() -> None:
    [key] = keys_in(tokens.SECRET)
    assert tokens.SECRET not in f"{key} {key!r} {[key]}"


def test_a_key_set_gives_the_public_keys_of_known_algorithms() -> None:
    small = rsa.generate_private_key(public_exponent=65537, key_size=1024).public_key().public_numbers()
    weak = {"kty": "RSA", "kid": "weak", "e": "AQAB", "n": tokens.part(small.n.to_bytes(128, "big"))}
    found = keys_of_set(
        {
            "keys": [
                tokens.jwk("rsa"),
                tokens.jwk("ec", use="sig", alg="ES256"),
                tokens.jwk("other", use="enc"),
                tokens.jwk("other", alg="PS256"),
                tokens.jwk("other", alg="HS256"),
                tokens.jwk("other", n=5),
                {**tokens.jwk("other"), "n": "!"},
                {**tokens.jwk("ec"), "crv": "P-384"},
                {**tokens.jwk("ec"), "x": "AAAA"},
                {"kty": "oct", "kid": "oct", "k": tokens.part(b"k" * 40)},
                {"kty": "OKP", "crv": "Ed25519", "x": "AAAA"},
                weak,
                "a key",
                None,
            ]
        }
    )
    assert [(key.kid, key.algorithm, key.signing) for key in found] == [("rsa", "RS256", None), ("ec", "ES256", None)]


@pytest.mark.parametrize("document", [None, [], {}, {"keys": None}, {"keys": []}, {"keys": [{}]}, {"keys": "rsa"}, "x"])
def test_a_key_set_without_a_usable_key_is_rejected(document: Any) -> None:
    with pytest.raises(BackendUnavailable):
        keys_of_set(document)


class Source:
    """Keys by name that another party rotates, and a clock that the test sets."""

    def __init__(self, *kids: str) -> None:
        self.kids: tuple[str, ...] | PersistyError = kids
        self.loads, self.now = 0, 1000.0
        self.keys = Keys(self._load, lambda: self.now)

    def _load(self) -> tuple[Key, ...]:
        self.loads += 1
        if isinstance(self.kids, PersistyError):
            raise self.kids
        return tuple(Key("HS256", b"", b"", kid) for kid in self.kids)

    def finds(self, kid: str | None) -> bool:
        return [key.kid for key in self.keys.find(kid)] == [kid]


def test_keys_are_loaded_at_the_first_use_and_cached() -> None:
    source = Source("a")
    assert source.loads == 0
    assert all(source.finds("a") for _ in range(10))
    source.now += FRESH - 1
    assert source.finds("a")
    assert source.loads == 1
    source.now += 2
    assert source.finds("a")
    assert source.loads == 2


def test_a_new_kid_reloads_the_keys_and_withdrawn_keys_are_removed() -> None:
    source = Source("a")
    assert source.finds("a")
    source.kids, source.now = ("b",), source.now + REFETCH
    assert source.finds("b")
    assert not source.finds("a")
    assert source.loads == 2


def test_tokens_with_unknown_keys_reload_the_keys_at_a_limited_rate() -> None:
    source = Source("a")
    assert source.finds("a")
    for _ in range(100):
        assert source.keys.find("unknown") == ()
    assert source.loads == 1
    for _ in range(600):
        source.now += 1
        source.keys.find("unknown")
    assert source.loads == 1 + 600 // REFETCH


def test_known_keys_are_used_for_a_day_while_keys_cannot_be_loaded() -> None:
    source = Source("a")
    assert source.finds("a")
    source.kids = BackendUnavailable("down")
    source.now += FRESH
    assert source.finds("a")
    assert source.finds("a")
    assert source.loads == 2
    source.now += RETRY
    assert source.keys.find("b") == ()
    assert source.loads == 3
    source.now += STALE
    with pytest.raises(BackendUnavailable):
        source.keys.find("a")
    source.kids = ("a",)
    with pytest.raises(BackendUnavailable):
        source.keys.find("a")
    source.now += RETRY
    assert source.finds("a")


def test_a_failed_first_load_is_reported_and_retried_later() -> None:
    source = Source()
    source.kids = BackendUnavailable("down")
    depths = set()
    for _ in range(5):
        with pytest.raises(BackendUnavailable) as raised:
            source.keys.find("a")
        depths.add(len(raised.traceback))
    assert source.loads == 1
    assert max(depths) <= min(depths) + 1
    source.kids, source.now = ("a",), source.now + RETRY
    assert source.finds("a")


def test_a_token_without_kid_matches_the_only_key_and_a_key_without_kid_any_token() -> None:
    assert [key.kid for key in Source("a").keys.find(None)] == ["a"]
    assert Source("a", "b").keys.find(None) == ()
    keys = Keys(lambda: (Key("HS256", b""), Key("HS256", b"", kid="a")))
    assert [[key.kid for key in keys.find(kid)] for kid in (None, "a", "b")] == [[None], [None, "a"], [None]]


def test_one_of_several_threads_loads_the_keys_and_the_others_wait() -> None:
    entered, leave, loads = threading.Event(), threading.Event(), []

    def load() -> tuple[Key, ...]:
        loads.append(1)
        entered.set()
        leave.wait(10)
        return (Key("HS256", b"", kid="a"),)

    keys, found = Keys(load), []
    threads = [threading.Thread(target=lambda: found.append(keys.find("a"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    assert entered.wait(10)
    leave.set()
    for thread in threads:
        thread.join(10)
    assert len(loads) == 1
    assert [len(one) for one in found] == [1] * 8


def test_a_thread_with_known_keys_does_not_wait_for_a_reload(monkeypatch: pytest.MonkeyPatch) -> None:
    entered, leave = threading.Event(), threading.Event()
    now = [0.0]

    def load() -> tuple[Key, ...]:
        if now[0]:
            entered.set()
            leave.wait(10)
        return (Key("HS256", b"", kid="a"),)

    keys = Keys(load, lambda: now[0])
    keys.find("a")
    now[0] = FRESH + 1
    renewing = threading.Thread(target=lambda: keys.find("a"))
    renewing.start()
    assert entered.wait(10)
    assert len(keys.find("a")) == 1
    monkeypatch.setattr(module, "MAX_WAIT", 0.01)
    assert keys.find("unknown") == ()
    assert renewing.is_alive()
    leave.set()
    renewing.join(10)
