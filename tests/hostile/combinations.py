"""Hostile requests that combine harmless parts: many names, aliases, ranges and headers, and values that contain other values."""

from __future__ import annotations

import gzip
import json
import zlib
from random import Random
from urllib.parse import quote

from . import values
from .requests import ATTRIBUTES, JSON, Tokens, item, request, where

LINKS = (
    "shop",
    "shop.products",
    "shop.products.shop",
    "shop.products.shop.products",
    "products",
    "x",
    "shop." * 50 + "id",
)
COMPOSED = (
    "\ufdfa",
    "\u1e9b\u0323",
    "e\u0301" * 50,
    "\u0130",
    "\u1100\u1161\u11a8",
    "a" + "\u0300" * 3_000,
    "\u200d\U0001f468" * 40,
)
"""Text that Unicode normalisation or case folding makes longer or shorter."""
BOMB = gzip.compress(b"[" * 10_000_000, 9)
INFLATED = zlib.compressobj(9, zlib.DEFLATED, -12)
DEFLATED = INFLATED.compress(b"{" * 20_000_000) + INFLATED.flush(zlib.Z_SYNC_FLUSH)
"""20 MB in about 20 kB, as the payload of a compressed WebSocket frame."""


def rest_fields(random: Random) -> bytes:
    """Return a search or a read with many names in its fields, order and filter."""
    names = [
        random.choice((*ATTRIBUTES[:18], *LINKS, "shop.title", "shop.products.name", "price,price"))
        for _ in range(random.choice((1, 5, 99, 101, 3_000)))
    ]
    parts = random.sample(
        (
            "fields=" + quote(",".join(names)),
            "&".join(f"fields={quote(one)}" for one in names[:150]),
            "include=" + ",".join(random.choices(LINKS, k=random.choice((1, 3, 17, 400)))),
            "order=" + ",".join(random.choice(("", "-")) + quote(one) for one in names),
            "where=" + quote(where(random)[:5_000], safe="", errors="replace"),
            "&".join(f"shop.products.shop.products.name__icontains={number}" for number in range(random.choice((1, 30, 199)))),
            "&".join(f"stock__gt={number}&big__lt=-{number}" for number in (2**31, 2**63, 2**64, 10**300)),
            "id__oneof=" + ",".join(f"p{number}" for number in range(random.choice((10, 1_000, 9_000)))),
            f"limit={random.choice((1_000, 1_001, 10**30, -1))}",
        ),
        k=random.randrange(1, 5),
    )  # fmt: skip
    path = random.choice(("/api/product", "/api/product/p1", "/api/shop", "/api/shop/s1", "/api/product-batch"))
    accept = random.choice(("application/json", "application/json", "application/x-ndjson"))
    return request("GET", f"{path}?{'&'.join(parts)}"[:60_000], {"accept": accept, "accept-encoding": "gzip"})


def rest_text(random: Random) -> bytes:
    """Keys, filters and values that normalisation changes."""
    text = random.choice(COMPOSED) * random.choice((1, 1, 20))
    quoted = quote(text, safe="")[:50_000]
    return random.choice((
        lambda: request("GET", f"/api/product/{quoted}"), lambda: request("GET", f"/api/product?name__icontains={quoted}"),
        lambda: request("GET", f"/api/product?query={quoted}"), lambda: request("GET", f"/api/product?{quoted}=1"),
        lambda: request("POST", "/api/product", JSON, json.dumps({"id": f"u{random.randrange(50)}{text[:200]}", "name": text}).encode()),
        lambda: request("POST", "/api/product", JSON, json.dumps({text: 1, "id": "x"}).encode()),
    ))()  # fmt: skip


def rest_forged(random: Random, tokens: Tokens) -> bytes:
    """A cursor of the server's own, changed or used for another search."""
    cursor = tokens.cursor
    changed = random.choice(
        (cursor, cursor[::-1], cursor * 20, values.mutated(random, cursor.encode()).decode("latin-1"))
    )
    path = random.choice(("/api/product?order=-name&", "/api/product?", "/api/shop?", "/api/product?stock__gt=0&"))
    if random.random() < 0.5:
        return request("GET", f"{path}cursor={quote(changed, errors='replace')}")
    text = "query($v:String){productSearch(cursor:$v,order:[NAME]){items{id}}}"
    return request("POST", "/graphql", JSON, json.dumps({"query": text, "variables": {"v": changed}}).encode())


def rest_repeated(random: Random) -> bytes:
    """A POST with one of few idempotency keys, and one of few bodies."""
    body = random.choice((
        b'{"id":"once"}', b'{"id":"once","name":"other"}', b"{}", b"[" * 1_000_000, b'{"id":"once","name":"' + b"a" * 200_000 + b'"}', item(random).encode(errors="replace"),
        b'{"edits":[' + b",".join(b'{"delete":{"key":"%s"}}' % (b"k" * 9_000) for _ in range(100)) + b"]}", b'{"a":' * 200_000 + b"1" + b"}" * 200_000,
    ))  # fmt: skip
    path = random.choice(("/api/product", "/api/product-batch", "/api/-batch", "/actions/greet"))
    return request("POST", path, {**JSON, "idempotency-key": f"k{random.randrange(5)}"}, body)


def compressed(random: Random) -> bytes:
    """A body that grows a thousand times when it is decompressed."""
    coding = random.choice(("gzip", "deflate", "gzip, gzip", "x-gzip", "identity"))
    body = random.choice((BOMB, DEFLATED, gzip.compress(BOMB)))
    return request(
        "POST", random.choice(("/api/product", "/graphql", "/api/-batch")), {**JSON, "content-encoding": coding}, body
    )


def folder(random: Random) -> bytes:
    """A file of the pages, by many ranges, codings or validators."""
    headers = random.choice((
        {"range": "bytes=" + ",".join(f"{number}-{number}" for number in range(0, random.choice((10, 2_000, 8_000)), 2))},
        {"range": "bytes=" + "0-," * random.choice((10, 10_000)) + "0-1"}, {"range": "bytes=-" + "9" * 5_000}, {"range": "bytes=5-1"}, {"range": "a" * 5_000},
        {"if-range": '"x"', "range": "bytes=0-"}, {"if-none-match": ",".join(f'"{number}"' for number in range(5_000))}, {"if-modified-since": "Mon, 99 Feb 9999 99:99:99 GMT"},
        {"accept-encoding": ",".join(f"x{number};q=0.{number}" for number in range(3_000))},
    ))  # fmt: skip
    path = random.choice(("/static/swagger-ui.js", "/static/graphiql.js", "/pages/icon.svg", "/docs", "/graphiql", "/"))
    return request(random.choice(("GET", "HEAD")), path, headers)


def smuggled(random: Random) -> bytes:
    """A request that two servers may split differently, and the one that it hides."""
    hidden = b"DELETE /api/product/p999 HTTP/1.1\r\nhost: a\r\n\r\n"
    head = b"POST /api/product HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n"
    return head + random.choice((
        b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n" + hidden, b"transfer-encoding: xchunked\r\ncontent-length: 0\r\n\r\n" + hidden, b"transfer-encoding : chunked\r\n\r\n0\r\n\r\n" + hidden,
        b"transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n\r\n0\r\n\r\n" + hidden, b"content-length: 0\r\ncontent-length: 47\r\n\r\n" + hidden, b"content-length: +0\r\n\r\n" + hidden,
        b"content-length: 0x0\r\n\r\n" + hidden, b"x: a\r\n content-length: 47\r\n\r\n" + hidden, b"transfer-encoding:\x0bchunked\r\n\r\n0\r\n\r\n" + hidden, b"transfer-encoding: chunked\r\n\r\n1\n{\r\n0\r\n\r\n" + hidden,
        b"transfer-encoding: chunked\r\n\r\n0\r\ncontent-length: 5\r\n" + b"x: y\r\n" * 3_000 + b"\r\n" + hidden, b"x: a\rcontent-length: 0\r\n\r\n" + hidden,
    ))  # fmt: skip


def graphql_wide(random: Random) -> bytes:
    """Aliases times nested lists, directives, fragments in fragments, and variables in all places."""
    aliases, depth = random.choice((1, 10, 49)), random.choice((1, 2, 3))
    inner = "shop{products{" * depth + "id name" + "}}" * depth
    text = random.choice((
        "{" + " ".join(f"a{number}:productSearch(limit:{random.choice((5, 1000))}){{items{{{inner}}}}}" for number in range(aliases)) + "}",
        "{productSearch{items{" + "...f " * random.choice((1, 200)) + "}}} fragment f on Product{...g} fragment g on Product{" + "...h " * 50 + "} fragment h on Product{id name}",
        "".join(f"fragment f{number} on Product{{id ...f{number + 1}}} " for number in range(random.choice((20, 400)))) + "fragment f400 on Product{id} {productSearch{items{...f0}}}",
        "{shopSearch(limit:1000){items{" + " ".join(f"b{number}:products(limit:1000){{items{{id}}}}" for number in range(aliases)) + "}}}",
        "{productSearch{items{" + "place{city} " * random.choice((50, 450)) + "}}}",
        "{productCount(where:{" + " ".join(f"q{number}:1" for number in range(random.choice((60, 1_200)))) + "})}",
        "{" + " ".join(f"a{number}:__schema{{...A}}" for number in range(aliases)) + "} fragment A on __Schema{types{fields{type{fields{args{type{fields{name}}}}}}}}",
        "query(" + " ".join(f"$v{number}:[[[[Int!]!]!]!]=[[[[{number}]]]]" for number in range(random.choice((5, 400)))) + "){productCount}",
        "{" + "productSearch(where:{" + "shop:{id:{eq:\"s1\"}}," * random.choice((1, 300)) + "}){items{id}}}",
        "{productSearch(order:[" + "ID," * random.choice((1, 5_000)) + "]){items{id}}}",
        "{productReadBatch(keys:[" + '"p1",' * random.choice((100, 20_000)) + "]){id extra tags shop{id}}}",
        "{productSearch @include(if:$a){items{id @include(if:true) @skip(if:false)" + " id @include(if:true)" * 300 + "}}}",
    ))  # fmt: skip
    return request("POST", "/graphql", JSON, json.dumps({"query": text, "variables": {"a": True}}).encode())
