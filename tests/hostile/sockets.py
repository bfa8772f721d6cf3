"""Hostile WebSocket conversations: the frames that follow the handshake."""

from __future__ import annotations

import json
from random import Random

from . import values
from .combinations import DEFLATED
from .requests import DOCUMENTS, TYPED, Tokens

HANDSHAKE = (
    b"GET /graphql HTTP/1.1\r\nhost: localhost\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n"
    b"sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-protocol: graphql-transport-ws\r\n\r\n"
)
DEFLATES = HANDSHAKE[:-2] + b"sec-websocket-extensions: permessage-deflate; client_max_window_bits=12\r\n\r\n"
HANDSHAKES = {"websocket": HANDSHAKE, "websocket_storm": HANDSHAKE, "websocket_deflated": DEFLATES}
"""Way in → the handshake before its frames."""


def frame(payload: bytes, opcode: int = 1, *, final: bool = True) -> bytes:
    """A masked frame (RFC 6455, 5.2), with a mask of zeros."""
    length = len(payload)
    size = (
        bytes([0x80 | length])
        if length < 126
        else bytes([0xFE]) + length.to_bytes(2, "big")
        if length < 1 << 16
        else bytes([0xFF]) + length.to_bytes(8, "big")
    )
    return bytes([(0x80 if final else 0) | opcode]) + size + b"\0\0\0\0" + payload


def message(kind: str, name: str = "", payload: str = "") -> bytes:
    parts = [
        f'"type":"{kind}"',
        *([f'"id":{json.dumps(name)}'] if name else []),
        *([f'"payload":{payload}'] if payload else []),
    ]
    return ("{" + ",".join(parts) + "}").encode(errors="replace")


INIT = frame(message("connection_init"))


def conversation(random: Random, tokens: Tokens) -> bytes:
    """Some frames, of which the last closes the connection."""

    def asked() -> str:
        if random.random() < 0.5:
            return json.dumps({"query": random.choice(DOCUMENTS)(random)})
        _, text, make = random.choice(TYPED)
        return f'{{"query":{json.dumps(text)},"variables":{{"v":{make(random)}}}}}'

    def one() -> bytes:
        return random.choice((
            lambda: frame(message("subscribe", "a", asked())), lambda: frame(message("subscribe", "b", asked())), lambda: frame(message("subscribe", random.choice(values.TEXTS), asked())),
            lambda: frame(message("ping", "", values.value(random))), lambda: frame(message("connection_init", "", values.value(random))), lambda: frame(message("complete", "a")),
            lambda: frame(values.value(random).encode(errors="replace")), lambda: frame(values.noise(random)), lambda: frame(values.noise(random), 2), lambda: values.noise(random),
            lambda: frame(b'{"type":"subscribe","id":"c","payload":{"query":"subscription{productCreated{id}}"}}'), lambda: frame(b"x" * 200, 9), lambda: frame(b"a", 1, final=False) * 50,
            lambda: frame(message("subscribe", "\U0001f600" * 100, '{"query":"subscription{productCreated{id}}"}')) * 2, lambda: frame(b"x" * random.choice((100, 1_100_000))),
        ))()  # fmt: skip

    start = random.choice((
        INIT, INIT, INIT, frame(message("connection_init", "", values.value(random))), frame(message("connection_init", "", json.dumps({"authorization": tokens.header(random)}))),
        frame(b'{"type":"connection_init","payload":{"a":1e999}}'), frame(b'{"type":"connection_init","payload":' + b"9" * 5000 + b"}"), b"",
    ))  # fmt: skip
    return start + b"".join(one() for _ in range(random.randrange(1, 5))) + frame(b"\x03\xe8", 8)


def storm(random: Random, tokens: Tokens) -> bytes:
    """Subscriptions without end: many ids, filters and completions in one connection, which then closes."""
    texts = ("subscription{productCreated{id}}", "subscription{productUpdated{id extra tags shop{title}}}", "subscription{" + "shopCreated{id}" * 40 + "}", "{productCount}")  # fmt: skip
    count = random.choice((10, 101, 500))
    sent = [INIT]
    for number in range(count):
        name = random.choice((f"n{number}", f"n{number % 7}", "x" * 500))
        sent.append(frame(message("subscribe", name, json.dumps({"query": random.choice(texts)}))))
        if random.random() < 0.3:
            sent.append(frame(message("complete", name)))
    return b"".join(sent) + frame(b"\x03\xe8", 8)


def deflated(random: Random, tokens: Tokens) -> bytes:
    """A compressed message that grows a thousand times, or is broken."""
    payload = random.choice((DEFLATED.removesuffix(b"\0\0\xff\xff"), DEFLATED[:100], values.noise(random, 500), b""))
    compressed = bytearray(frame(payload))
    compressed[0] |= 0x40
    return INIT + bytes(compressed) + frame(b"\x03\xe8", 8)
