"""Hostile requests by surface. Each function returns the raw bytes of one HTTP request."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from collections.abc import Callable
from random import Random
from urllib.parse import quote

from . import values

ATTRIBUTES = (
    "id", "code", "name", "note", "price", "stock", "big", "ratio", "made", "day", "ref", "blob", "size", "tags", "sizes", "mixed", "extra", "place", "shop_id", "shop",
    "unknown", "", "id.x", "place.city", "place.height", "shop.products.shop.title", "__proto__", "\u0130", "a" * 3000,
)  # fmt: skip
OPERATORS = (
    "eq",
    "ne",
    "lt",
    "le",
    "gt",
    "ge",
    "oneof",
    "contains",
    "startswith",
    "endswith",
    "icontains",
    "null",
    "and",
    "or",
    "not",
    "query",
    "x",
    "",
)
STORES = ("product", "shop", "slot", "diary", "ledger", "nothing")


class Tokens:
    """Tokens to send: valid ones, and forged ones. `cursor`: a cursor of the server."""

    def __init__(self, valid: list[str], cursor: str = "") -> None:
        self.valid, self.cursor = valid, cursor

    def header(self, random: Random) -> str:
        if random.random() < 0.5:
            return f"Bearer {random.choice(self.valid)}"
        return random.choice((self.forged, self.mutated, self.shaped))(random)

    def forged(self, random: Random) -> str:
        head = random.choice((
            '{"alg":"none"}', '{"alg":"HS256","kid":"x"}', '{"alg":"HS256","jku":"http://127.0.0.1/"}', '{"alg":"RS256"}', '{"alg":["HS256"]}', "[]", "1",
            '{"alg":"HS256","crit":["x"]}', '{"alg":null}', f'{{"alg":{values.nested(random)[:4000]}}}', '{"alg":"HS256","kid":' + values.value(random)[:1000] + "}",
        ))  # fmt: skip
        body = random.choice((
            '{"sub":"ann","exp":9999999999}', '{"sub":"ann","exp":' + "9" * 400 + "}", '{"exp":"x"}', '{"sub":' + values.value(random)[:2000] + ',"exp":9999999999}',
            values.nested(random)[:5000], '{"iss":' + values.value(random)[:2000] + "}",
        ))  # fmt: skip
        return "Bearer " + ".".join(
            urlsafe_b64encode(part.encode(errors="replace")).rstrip(b"=").decode() for part in (head, body, "signature")
        )

    def mutated(self, random: Random) -> str:
        return "Bearer " + values.mutated(random, random.choice(self.valid).encode()).decode("latin-1").translate(
            {10: None, 13: None, 0: None}
        )

    def shaped(self, random: Random) -> str:
        return random.choice((
            "Bearer", "Bearer ", "Basic YTpi", "bearer a.b.c", "Bearer " + "a" * 9000, "Bearer a.b.c.d.e", "Bearer \x80\xff", "Digest username=x", "Bearer  a b", "." * 2000,
        ))  # fmt: skip


def request(
    method: str,
    target: str | bytes,
    headers: dict[str, str] | list[tuple[str, str]] | None = None,
    body: bytes | None = None,
) -> bytes:
    listed = list(headers.items()) if isinstance(headers, dict) else list(headers or ())
    lines = [f"{name}: {one}".encode("latin-1", "replace") for name, one in listed]
    if body is not None and not any(name.lower() in ("content-length", "transfer-encoding") for name, _ in listed):
        lines.append(b"content-length: %d" % len(body))
    path = target if isinstance(target, bytes) else target.encode()
    head = [method.encode() + b" " + path + b" HTTP/1.1", b"host: localhost", *lines]
    return b"\r\n".join(head) + b"\r\n\r\n" + (body or b"")


JSON = {"content-type": "application/json"}


def item(random: Random) -> str:
    """Return JSON text of an item with few valid attributes."""
    names = random.sample(ATTRIBUTES, random.randrange(1, 6))
    members = [f"{json.dumps(name)}:{values.value(random)}" for name in names]
    if random.random() < 0.7:
        members.append(f'"id":"h{random.randrange(3000)}"')
    return "{" + ",".join(members) + "}"


def where(random: Random, depth: int = 3) -> str:
    """JSON text of a filter."""
    kind = random.random()
    if depth and kind < 0.2:
        return f'{{"{random.choice(("and", "or"))}":[{",".join(where(random, depth - 1) for _ in range(random.randrange(4)))}]}}'
    if depth and kind < 0.3:
        return f'{{"not":{where(random, depth - 1)}}}'
    if depth and kind < 0.4:
        return f'{{"shop":{where(random, depth - 1)}}}'
    if kind < 0.45:
        return values.value(random)
    if kind < 0.5:
        return f'{{"query":{json.dumps("a " * random.choice((1, 100, 201, 20_000)))}}}'
    if kind < 0.55:
        return f'{{"name":{{"oneof":[{",".join(["1", chr(34) + "a" + chr(34)] * random.choice((5, 500, 2000)))}]}}}}'
    return (
        f"{{{json.dumps(random.choice(ATTRIBUTES))}:{{{json.dumps(random.choice(OPERATORS))}:{values.value(random)}}}}}"
    )


def key(random: Random) -> str:
    return random.choice(
        (
            "p1",
            "p2",
            f"h{random.randrange(3000)}",
            "a,1",
            quote(values.text(random), safe=""),
            "%00",
            "%ff",
            "%",
            "%zz",
            "a" * 5000,
            "..",
            "%2e%2e",
        )
    )


def cursor(random: Random) -> str:
    raw = random.choice((
        values.nested(random), '["x",' + values.value(random) + "]", '["' + "0" * 12 + '",{"id":' + values.nested(random) + "}]", values.value(random), "[]", '["x",{}]',
    ))  # fmt: skip
    return urlsafe_b64encode(raw.encode(errors="replace")[:60_000]).rstrip(b"=").decode()


# ways in


def rest_create(random: Random) -> bytes:
    store = random.choice(STORES)
    return request("POST", f"/api/{store}", JSON, item(random).encode(errors="replace"))


def rest_change(random: Random) -> bytes:
    method = random.choice(("PATCH", "PATCH", "PUT", "DELETE"))
    headers = dict(JSON)
    if random.random() < 0.4:
        headers["if-match"] = random.choice(("*", '"x"', 'W/"x"', "x" * 5000, '"a",' * 2000, '"\x80"', "", '"'))
    return request(
        method, f"/api/{random.choice(STORES)}/{key(random)}", headers, item(random).encode(errors="replace")
    )


def rest_read(random: Random) -> bytes:
    headers = {}
    if random.random() < 0.5:
        name = random.choice(
            (
                "accept",
                "if-none-match",
                "if-modified-since",
                "range",
                "accept-encoding",
                "accept-language",
                "origin",
                "x-forwarded-for",
                "x-forwarded-prefix",
            )
        )
        headers[name] = random.choice(
            (
                "*/*",
                "a/b",
                "application/x-ndjson",
                "a,b;q=" + "9" * 500,
                "," * 4000,
                "*/*;q=x",
                '"x"',
                "bytes=0-1",
                "\x80",
                "gzip;q=0,*" * 300,
                "null",
                "http://[::1",
                "",
            )
        )
    return request(
        random.choice(("GET", "HEAD", "OPTIONS", "TRACE", "GET")),
        f"/api/{random.choice(STORES)}/{key(random)}",
        headers,
    )


def rest_search(random: Random) -> bytes:
    parts = []
    for _ in range(random.choice((1, 1, 2, 3, 5, 201))):
        name = random.choice((*ATTRIBUTES, "query", "order", "limit", "cursor", "fields", "include", "where"))
        operator = random.choice(("", "", *(f"__{one}" for one in OPERATORS)))
        given = random.choice(
            (
                values.text(random),
                random.choice(values.NUMBERS),
                "a " * random.choice((2, 200, 9_000)),
                "x" * 5000,
                "-" + "id,-" * 300,
            )
        )
        parts.append(f"{quote(name)}{operator}={quote(given, safe='', errors='replace')}")
    path = random.choice(
        (
            "/api/product",
            "/api/product",
            "/api/shop",
            "/api/product-count",
            "/api/ledger",
            "/actions/total",
            "/api/product-batch",
        )
    )
    return request("GET", f"{path}?{'&'.join(parts)}"[:60_000])


def rest_cursor(random: Random) -> bytes:
    return request("GET", f"/api/product?cursor={cursor(random)}"[:60_000])


def rest_batch(random: Random) -> bytes:
    def edit() -> str:
        return random.choice((
            lambda: f'{{"create":{item(random)}}}', lambda: f'{{"item":{item(random)}}}', lambda: f'{{"create":{item(random)},"store":"product"}}',
            lambda: f'{{"update":{{"key":"p1","changes":{item(random)},"when":{where(random)}}}}}', lambda: f'{{"delete":{{"key":{values.value(random)}}}}}', lambda: values.value(random),
        ))()  # fmt: skip

    edits = ",".join(edit() for _ in range(random.choice((1, 2, 5, 20, 101))))
    atomic = random.choice(("", ',"atomic":true', f',"atomic":{values.value(random)}'))
    store = random.choice(("/api/product-batch", "/api/shop-batch", "/api/-batch", "/api/slot-batch"))
    body = random.choice((f'{{"edits":[{edits}]{atomic}}}', f"[{edits}]", f'{{"keys":[{edits}]}}'))
    headers = (
        {**JSON, "idempotency-key": random.choice(("a", "b", "x" * 300, "\x80", ""))} if random.random() < 0.3 else JSON
    )
    return request("POST", store, headers, body.encode(errors="replace"))


def rest_body(random: Random) -> bytes:
    headers = {
        "content-type": random.choice(
            (
                "application/json",
                "application/json",
                "text/plain",
                "application/json; charset=utf-16",
                "",
                "a" * 3000,
                "multipart/form-data; boundary=x",
            )
        ),
        **random.choice(
            (
                {},
                {"content-encoding": "gzip"},
                {"content-encoding": "br"},
                {"idempotency-key": "k" * random.choice((1, 300))},
                {"expect": "100-continue"},
            )
        ),
    }
    body = random.choice((
        lambda: values.noise(random, 5000), lambda: values.mutated(random, item(random).encode(errors="replace")), lambda: values.value(random).encode(errors="replace"), lambda: b"",
        lambda: b"\xef\xbb\xbf{}", lambda: item(random).encode("utf-16", errors="replace"), lambda: b"\x00" * 1000, lambda: b'{"id":"x","name":"' + b"a" * 900_000 + b'"}',
        lambda: b'{"id":"x' + b"a" * 900_000 + b'"}', lambda: b'{"tags":[' + b'"a",' * 100_000 + b'"a"]}', lambda: b'{"tags":[' + b"{}," * 100_000 + b"{}]}", lambda: b"x" * 1_100_000,
        lambda: b'{"id":"big","extra":{' + b",".join(b'"%d":[]' % i for i in range(50_000)) + b"}}", lambda: b'{"edits":[' + b"{}," * 100 + b"{}]}",
        lambda: b"{" + b",".join(b'"unknown%d":1' % i for i in range(50_000)) + b"}",
    ))()  # fmt: skip
    return request(
        "POST",
        random.choice(("/api/product", "/api/product-batch", "/actions/greet", "/api/slot", "/graphql")),
        headers,
        body,
    )


def rest_append(random: Random) -> bytes:
    body = random.choice((
        lambda: b'{"tags":{"append":["' + b"a" * random.choice((10, 1000, 500_000)) + b'"]}}', lambda: b'{"stock":{"add":9223372036854775807}}',
        lambda: ('{"tags":{"append":' + values.value(random) + "}}").encode(errors="replace"), lambda: ('{"stock":{"add":' + values.value(random) + "}}").encode(errors="replace"),
        lambda: b'{"big":{"add":' + b"9" * 400 + b"}}", lambda: b'{"shop_id":{"add":1}}',
    ))()  # fmt: skip
    return request("PATCH", f"/api/product/p{random.randrange(5)}", JSON, body)


def rest_token(random: Random, tokens: Tokens) -> bytes:
    headers = {"authorization": tokens.header(random)}
    method = random.choice(("GET", "GET", "POST", "PATCH"))
    body = item(random).encode(errors="replace") if method != "GET" else None
    path = random.choice(("/api/diary", "/api/ledger", "/api/diary/" + key(random), "/api/product"))
    return request(method, path, {**headers, **(JSON if body else {})}, body)


DOCUMENTS: tuple[Callable[[Random], str], ...] = (
    lambda random: "{" + " ".join(f"a{i}:productCount" for i in range(random.choice((5, 51, 500)))) + "}",
    lambda random: "{" + "productSearch{items{shop{products{" * random.choice((1, 2, 5, 30)) + "id" + "}}}}" * random.choice((1, 2, 5, 30)) + "}",
    lambda random: "{productSearch(where:" + literal(random) + "){items{id extra tags}}}",
    lambda random: "{" + "productSearch{items{id}} " * random.choice((10, 500, 2400)) + "}",
    lambda random: "{" + "...a " * random.choice((3, 900)) + "}" + "fragment a on Query{...b ...b}" + "fragment b on Query{productCount ...a}",
    lambda random: "".join(f"fragment f{i} on Query{{...f{i + 1} ...f{i + 1}}} " for i in range(random.choice((5, 30, 300)))) + "fragment f300 on Query{productCount} {...f0}",
    lambda random: "{" + "[" * random.choice((10, 150, 5000)) + "}",
    lambda random: "{productRead(key:" + random.choice(('"p1"', "[" * 90 + "]" * 90, "{a:" * 60 + "1" + "}" * 60, "9" * 5000, '"""' + "x" * 9000 + '"""')) + "){id}}",
    lambda random: "query(" + ",".join(f"$v{i}:Int" for i in range(random.choice((5, 800)))) + "){productCount}",
    lambda random: "{__schema{types{fields{type{ofType{ofType{ofType{name}}}}}}}}",
    lambda random: "{__typename " + "@skip(if:false) " * random.choice((1, 500)) + "}",
    lambda random: "{" + "\u0130" * 10 + "}",
    lambda random: "mutation{productCreate(item:" + literal(random) + "){id extra}}",
    lambda random: "mutation{" + " ".join(f"a{i}:productCreate(item:{{id:\"g{i}\"}}){{id}}" for i in range(random.choice((2, 49)))) + "}",
    lambda random: "subscription{productCreated{id}}",
    lambda random: "#" * random.choice((10, 100_000)) + "\n{productCount}",
    lambda random: "{productSearch{items{" + "id name " * random.choice((10, 450)) + "}}}",
    lambda random: "{unknown" + str(random.randrange(10_000)) + "(a:1){b}}",
    lambda random: "{productSearch{items{" + " ".join(f"n{i}:name" for i in range(49)) + f" x{random.randrange(10**9)}:id" + "}}}",
    lambda random: values.mutated(random, b"query a($w: ProductWhere){productSearch(where:$w, limit: 5){items{id shop{title}} cursor}}").decode("latin-1"),
)  # fmt: skip


def literal(random: Random) -> str:
    """Return JSON as a GraphQL literal."""
    text = random.choice((where, item))(random)
    return text.replace('"', "", 2) if random.random() < 0.5 else '{name:{eq:"' + "x" * random.choice((1, 5000)) + '"}}'


def graphql_document(random: Random) -> bytes:
    text = random.choice(DOCUMENTS)(random)
    if random.random() < 0.1:
        return request("GET", f"/graphql?query={quote(text, safe='', errors='replace')}"[:60_000])
    return request("POST", "/graphql", JSON, json.dumps({"query": text}).encode())


TYPED = (
    ("ProductWhere", "query($v:ProductWhere){productSearch(where:$v){items{id}}}", where), ("ProductCreate!", "mutation($v:ProductCreate!){productCreate(item:$v){id extra tags price}}", item),
    ("ProductUpdate!", 'mutation($v:ProductUpdate!){productUpdate(key:"p1",changes:$v){id extra tags}}', item), ("[ID!]!", "query($v:[ID!]!){productReadBatch(keys:$v){id}}", values.value),
    ("[ProductEdit!]!", "mutation($v:[ProductEdit!]!){productEditBatch(edits:$v){__typename}}", values.value), ("AWSJSON", 'mutation($v:AWSJSON){greet(name:"a",extra:$v)}', values.value),
    ("Int", "query($v:Int){productSearch(limit:$v){items{id}}}", values.value), ("String", "query($v:String){productSearch(query:$v){items{id}}}", values.value),
    ("String", "query($v:String){productSearch(cursor:$v){items{id}}}", lambda random: json.dumps(cursor(random))),
    ("AWSJSON", 'mutation($v:AWSJSON){productUpdate(key:"p2",changes:{extra:$v}){extra}}', lambda random: json.dumps(values.value(random))),
)  # fmt: skip


def graphql_variables(random: Random) -> bytes:
    _, text, make = random.choice(TYPED)
    given = random.choice((
        lambda: make(random), lambda: make(random), lambda: make(random), lambda: "{" + ",".join(f'"u{i}":1' for i in range(random.choice((100, 4_000, 60_000)))) + "}",
        lambda: "[" + "{}," * random.choice((100, 100_000)) + "{}]", lambda: '{"\\u0130":1}', lambda: '{"or":[' + "{}," * random.choice((100, 300_000)) + "{}]}",
    ))()  # fmt: skip
    return request(
        "POST", "/graphql", JSON, f'{{"query":{json.dumps(text)},"variables":{{"v":{given}}}}}'.encode(errors="replace")
    )


def graphql_envelope(random: Random) -> bytes:
    body = random.choice((
        f'{{"query":{values.value(random)}}}', '[{"query":"{productCount}"}]', f'{{"query":"{{productCount}}","variables":{values.value(random)}}}',
        f'{{"query":"{{productCount}}","operationName":{values.value(random)}}}', f'{{"query":"{{productCount}}","extensions":{{"persistedQuery":{values.value(random)}}}}}',
        f'{{"documentId":{values.value(random)}}}', f'{{"extensions":{{"persistedQuery":{{"sha256Hash":{values.value(random)}}}}}}}', values.value(random),
    ))  # fmt: skip
    accept = random.choice(("application/json", "application/graphql-response+json", "*/*", "text/html", "x" * 500))
    return request("POST", "/graphql", {**JSON, "accept": accept}, body.encode(errors="replace"))


def graphql_get(random: Random) -> bytes:
    name = random.choice(("variables", "extensions", "operationName", "documentId", "query"))
    given = quote(values.value(random), safe="", errors="replace")[:50_000]
    return request("GET", f"/graphql?query={{productCount}}&{name}={given}")


def header(random: Random) -> bytes:
    headers = random.choice((
        lambda: [(f"x-{i}", "a") for i in range(random.choice((10, 200, 3000, 30_000)))], lambda: [("x-long", "a" * random.choice((100, 9_000, 70_000, 2_000_000)))],
        lambda: [("cookie", "a=b; " * random.choice((10, 5_000)))],
            lambda: [("content-length", "9" * 5000)], lambda: [("content-length", "-1")],
        lambda: [("host", "other"), ("host", "third")], lambda: [("connection", "upgrade"), ("upgrade", "h2c")], lambda: [("traceparent", values.text(random)[:50].replace("\r", "").replace("\n", ""))],
        lambda: [("x-request-id", "a" * random.choice((5, 5000)))], lambda: [("accept", ",".join(["a/b;q=0.1"] * random.choice((5, 5000))))], lambda: [("origin", "http://" + "a" * 5000)],
        lambda: [("access-control-request-headers", "a," * 5000), ("access-control-request-method", "GET"), ("origin", "http://a")], lambda: [("\x80", "a")], lambda: [("if-none-match", '"a",' * 10_000)],
        lambda: [("a b", "c")], lambda: [("x", "a\x00b")], lambda: [("accept-encoding", "gzip;q=" + "1" * 3000)],
    ))()  # fmt: skip
    return request(
        random.choice(("GET", "POST", "OPTIONS")),
        random.choice(("/api/product/p1", "/graphql", "/health", "/openapi.json", "/docs")),
        headers,
    )


def target(random: Random) -> bytes:
    path = random.choice((
        b"/static/..%2f..%2fapp.py", b"/static/%00", b"/static/" + b"a" * 5000, b"/static//etc/passwd", b"/static/\xff", b"//", b"/api//product", b"/api/product/%ff", b"/api/product/\xc3\xa9",
        b"/" + b"a" * random.choice((100, 70_000)), b"*", b"http://other/api/product", b"/api/product?" + b"a&" * 3000, b"/api/product?%ff=%ff", b"/openapi.json?x=%", b"/static/%2e%2e/", b"/ready", b"/metrics", b"/docs/x",
        b"/api/product/p1#frag", b"/api/product;x=1", b"/%61pi/product", b"/api/-batch", b"/api/", b"/api/product/", b"/static/CON", b"/static/a%0d%0ab", b"/" + values.noise(random, 60).translate(None, b" \r\n\x00\t"),
    ))  # fmt: skip
    return request(random.choice(("GET", "POST", "HEAD", "OPTIONS", "PROPFIND", "DELETE")), path)


def raw(random: Random) -> bytes:
    """Return bytes that are almost HTTP. The connection ends after them."""
    return random.choice((
        lambda: values.noise(random, 3000), lambda: b"GET / HTTP/9.9\r\n\r\n", lambda: b"GET /health\r\n\r\n", lambda: b"\x16\x03\x01\x02\x00\x01\x00", lambda: b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        lambda: b"GET /health HTTP/1.1\r\nhost: a\r\n" + b" folded\r\n" * 50 + b"\r\n", lambda: b"GET /health HTTP/1.1\n\n", lambda: b"A" * random.choice((100, 100_000)),
        lambda: b"POST /api/product HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\ncontent-type: application/json\r\n\r\n" + random.choice((b"ffffffffffffffffff\r\n", b"zz\r\n", b"-1\r\n{}\r\n0\r\n\r\n", b"2\r\n{}\r\n0\r\n\r\n", b"1;" + b"x" * 5000 + b"\r\n{\r\n", b"1\r\n{\r\n" * 2000)),
        lambda: b"GET /health HTTP/1.1\r\nhost: a\r\n\r\n" * 200, lambda: values.mutated(random, rest_create(random)), lambda: values.mutated(random, graphql_document(random)),
        lambda: b"POST /api/product HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n{", lambda: b"GET /api/pro",
            lambda: request("GET", "/api/product", [("transfer-encoding", "chunked"), ("content-length", "3")]),
            lambda: request("GET", "/api/product", [("transfer-encoding", "gzip, chunked")]),
            lambda: request("POST", "/graphql", [("content-length", "1"), ("content-length", "2")]),
            lambda: request("POST", "/graphql", [("content-length", "9" * random.choice((5, 20)))]), lambda: b"",
        lambda: b"POST /api/product HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\n",
    ))()  # fmt: skip
