"""The table of requests that have the same response through every host: REST and GraphQL, as an anonymous caller, as a user and as staff.

The rows are sent in order to one app, so later ones depend on the effects of earlier ones.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from msgspec import Struct, structs

JSON = {"content-type": "application/json"}
MERGE = {"content-type": "application/merge-patch+json"}


def item_id(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012}"


class Row(Struct, frozen=True):
    """One request. `who`: a name in `CALLERS`. `appsync`: the reason to skip AppSync; None for no reason."""

    name: str
    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = {}
    body: bytes = b""
    who: str = "nobody"
    graphql: tuple[str, dict[str, Any]] | None = None
    appsync: str | None = None


def rest(name: str, line: str, body: Any = None, who: str = "nobody", **headers: str) -> Row:
    """Return a row for REST. `line`: `GET /api/article?limit=2`."""
    method, _, target = line.partition(" ")
    path, _, query = target.partition("?")
    raw = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
    told = {name.replace("_", "-"): value for name, value in headers.items()}
    given = {**(JSON if body is not None else {}), **told}
    return Row(name, method, path, query, given, raw, who)


def graphql(name: str, text: str, who: str = "nobody", appsync: str | None = None, /, **variables: Any) -> Row:
    body = json.dumps({"query": text, "variables": variables}, ensure_ascii=False).encode()
    return Row(name, "POST", "/graphql", "", JSON, body, who, (text, variables), appsync)


def keyed(row: Row, key: str) -> Row:
    """Return the request with an `Idempotency-Key`, which AppSync does not pass to the function."""
    headers = {**row.headers, "idempotency-key": key}
    return structs.replace(row, headers=headers, appsync="AppSync has no idempotency keys")


WHO = ("nobody", "ann", "staff")
ARTICLE = {"id": item_id(50), "code": "new", "price": "9.50"}
REFUSED = "AppSync refuses such a document itself"


def reads() -> Iterator[Row]:
    for who in WHO:
        for number in (1, 2, 99):
            yield rest(f"read {number}", f"GET /api/article/{item_id(number)}", who=who)
            yield rest(f"head {number}", f"HEAD /api/article/{item_id(number)}", who=who)
        yield rest("read what is no id", "GET /api/article/none", who=who)
        yield rest("read with links", f"GET /api/maker/{item_id(900)}?include=articles,article_count", who=who)
        yield rest("read some attributes", f"GET /api/article/{item_id(1)}?fields=code,maker_id", who=who)
        yield rest("read attributes that there are not", f"GET /api/article/{item_id(1)}?fields=code,nothing", who=who)
        yield rest("read a link that there is not", f"GET /api/article/{item_id(1)}?include=nothing", who=who)
        yield rest("read a batch", f"GET /api/article-batch?key={item_id(1)}&key={item_id(2)}&key=none", who=who)
        yield rest("read a batch of nothing", "GET /api/article-batch", who=who)
        yield rest("read too many", "GET /api/article-batch?" + "&".join(f"key={n}" for n in range(101)), who=who)
        yield rest("read a key of two parts", "GET /api/slot/a%2Fb/3", who=who)
        yield rest("read a key of two parts, joined", f"GET /api/slot/{quote('ä b,3', safe='')}", who=who)
        yield rest("read notes", f"GET /api/note/{item_id(700)}", who=who)


def searches() -> Iterator[Row]:
    asked = {
        "all": "", "first two": "limit=2", "ordered": "order=-code", "by price": "order=price,-code",
        "some": "price__gt=3&size=small", "by words": "query=second", "of several": f"id__oneof={item_id(1)},{item_id(2)}",
        "nested": "origin.country=de", "through a link": "maker.name=Ann%20%26%20Sons", "unknown": "nothing=1",
        "wrong value": "stock__gt=many", "no such limit": "limit=0", "too large a limit": "limit=1001",
        "no such cursor": "cursor=abc", "links": "include=maker&order=code", "attributes": "fields=code&order=code",
        "hidden order": "order=cost", "hidden filter": "cost=3", "malformed": "code=%ff", "empty": "code=",
        "a plus": "code=a+b", "unicode": "code=%C3%A4", "twice": "stock__gt=1&stock__lt=5",
    }  # fmt: skip
    for who in WHO:
        for name, query in asked.items():
            yield rest(f"search {name}", f"GET /api/article?{query}", who=who)
        yield rest("count", "GET /api/article-count?stock__ge=2", who=who)
        yield rest("export", "GET /api/article?order=code", who=who, accept="application/x-ndjson")
        yield rest("notes", "GET /api/note", who=who)
        yield rest("slots", "GET /api/slot?order=shelf", who=who)


def writes() -> Iterator[Row]:
    path = f"/api/article/{ARTICLE['id']}"
    for who in WHO:
        yield rest("create", "POST /api/article", {**ARTICLE, "id": item_id(50 + len(who)), "code": who}, who)
        yield rest("create what is there", "POST /api/article", {**ARTICLE, "id": item_id(1), "code": "other"}, who)
        yield rest("create a taken code", "POST /api/article", {**ARTICLE, "id": item_id(70), "code": "one"}, who)
        yield rest(
            "create with every fault", "POST /api/article", {"code": "", "price": "x", "stock": -1, "no": 1}, who
        )
        yield rest("create hidden", "POST /api/article", {**ARTICLE, "id": item_id(71), "hidden": True}, who)
        yield rest("create a maker", "POST /api/maker", {"id": item_id(910 + len(who)), "name": "Ümlaut & Söhne"}, who)
        yield rest("create a slot", "POST /api/slot", {"shelf": f"{who}/ä", "place": 7}, who)
        yield rest("create a note", "POST /api/note", {"id": item_id(710 + len(who)), "text": "mine"}, who)
    for who in WHO:
        yield rest("update", f"PATCH /api/article/{item_id(3)}", {"stock": len(who)}, who)
        yield rest("update nothing there", f"PATCH /api/article/{item_id(99)}", {"stock": 1}, who)
        yield rest("add", f"PATCH /api/article/{item_id(3)}", {"stock": {"add": 2}}, who)
        yield rest("append", f"PATCH /api/article/{item_id(3)}", {"tags": {"append": [who]}}, who)
        yield rest("add too much", f"PATCH /api/article/{item_id(3)}", {"stock": {"add": 2_000_000}}, who)
        yield rest("update when", f"PATCH /api/article/{item_id(3)}?stock__gt=1000", {"weight": 1.5}, who)
        yield rest(
            "update with every fault", f"PATCH /api/article/{item_id(3)}", {"stock": -1, "version": 3, "x": 1}, who
        )
        yield rest("change cost", f"PATCH /api/article/{item_id(3)}", {"cost": 5}, who)
        yield rest("stale", f"PATCH /api/article/{item_id(3)}", {"stock": 1}, who, if_match='"none"')
        yield rest("any", f"PATCH /api/article/{item_id(3)}", {"stock": 3}, who, if_match="*")
    for who in WHO:
        edits = [
            {"create": {**ARTICLE, "id": item_id(80 + len(who)), "code": f"b{who}"}},
            {"update": {"key": item_id(4), "changes": {"stock": 9}}},
            {"update": {"key": item_id(4), "changes": {"stock": 1}, "when": {"stock": {"gt": 100}}}},
            {"delete": {"key": item_id(99)}},
        ]
        yield rest("batch", "POST /api/article-batch", {"edits": edits}, who)
        yield rest("atomic batch", "POST /api/article-batch", {"edits": edits, "atomic": True}, who)
        yield rest("batch of faults", "POST /api/article-batch", {"edits": [{"create": {}}, {"no": 1}, 3]}, who)
        yield rest("batch of nothing", "POST /api/article-batch", {"edits": []}, who)
        several = [
            {"store": "article", "update": {"key": item_id(1), "changes": {}}},
            {"store": "nothing"},
            {"store": "note"},
        ]
        yield rest("batch of several stores", "POST /api/-batch", {"edits": several[:1]}, who)
        yield rest("batch of several stores with faults", "POST /api/-batch", {"edits": several}, who)
        yield rest("delete", f"DELETE /api/article/{item_id(5 + len(who) % 2)}", who=who)
        yield rest("delete when", f"DELETE /api/article/{item_id(4)}?stock=77", who=who)
        yield rest("delete what is gone", f"DELETE {path}x", who=who)


def conditional() -> Iterator[Row]:
    """Return requests for notes, whose writes need a condition."""
    note, change = (
        f"/api/note/{item_id(700)}",
        'mutation ($k: ID!, $w: NoteWhere) { noteUpdate(key: $k, changes: {text: "theirs"}, when: $w) { text } }',
    )
    for who in WHO:
        yield rest("change a note", f"PATCH {note}", {"text": "other"}, who)
        yield rest("delete a note", f"DELETE {note}", who=who)
        yield rest("change a note when", f"PATCH {note}?text__ne=none", {"text": "other"}, who)
        yield rest("change any note", f"PATCH {note}", {"text": "again"}, who, if_match="*")
        edits = [{"delete": {"key": item_id(700)}}, {"update": {"key": item_id(700), "changes": {}, "when": {}}}]
        yield rest("edit notes", "POST /api/note-batch", {"edits": edits}, who)
        for name, when in (("nothing", None), ("anything", {}), ("something", {"text": {"eq": "again"}})):
            yield graphql(f"change a note when {name}", change, who, k=item_id(700), w=when)


def repeated() -> Iterator[Row]:
    """Return requests that are sent twice with one `Idempotency-Key`."""
    for who in WHO:
        key, article = f"00000000-0000-4000-8000-0000000000{len(who)}", {"code": f"k{who}", "price": "1"}
        for name in ("once", "again"):
            yield rest(f"greet {name}", "POST /actions/greet", {"name": "Ann"}, who, idempotency_key=key)
            yield rest(
                f"create {name}",
                "POST /api/article",
                {**article, "id": item_id(40 + len(who))},
                who,
                idempotency_key=key,
            )
            make = f"mutation ($i: ArticleCreate!) {{ articleCreate(item: $i) {ALL} }}"
            new = {"id": item_id(45 + len(who)), "code": f"m{who}", "price": "1"}
            yield keyed(graphql(f"make {name}", make, who, i=new), key)
            slots = "mutation ($e: [AnyStoreEdit!]!) { editBatch(edits: $e) { code item { slot { place } } } }"
            edits = [
                {"slot": {"create": {"shelf": f"m{who}", "place": 1}}},
                {"article": {"delete": {"key": item_id(99)}}},
            ]
            yield keyed(graphql(f"edit several stores {name}", slots, who, e=edits), f"{key[:-2]}9{key[-1]}")
            yield rest(f"edit {name}", "POST /api/slot-batch", {"edits": [{"create": {"shelf": f"k{who}", "place": 1}}]}, who,
                       idempotency_key=f'"{key}"')  # fmt: skip
        yield rest("greet another", "POST /actions/greet", {"name": "Ben"}, who, idempotency_key=key)
        yield keyed(graphql("make another", make, who, i={**new, "code": "other"}), key)
        yield keyed(graphql("make with no key", make, who, i=new), "a b")
        yield keyed(graphql("count with a key", "{ articleCount }", who), key)
        yield rest("greet with no key", "POST /actions/greet", {"name": "Ann"}, who, idempotency_key="a b")
        yield rest("greet with a plain key", "POST /actions/greet", {"name": "Ann"}, who, idempotency_key="k")


def wire() -> Iterator[Row]:
    yield rest("health", "GET /health")
    yield rest("index", "GET /api/")
    yield rest("index, HEAD", "HEAD /api/")
    yield rest("document", "GET /openapi.json")
    yield rest("options", "OPTIONS /api/article")
    yield rest("options of a key", f"OPTIONS /api/article/{item_id(1)}")
    yield rest("no such path", "GET /api/nothing")
    yield rest("no such path, decoded", "GET /api/%E2%82%AC")
    for path in ("//api/article", "/api//article", "/api/article/", "/api/article//", "/api/slot/a%2Fb,3/", "/api/a+b"):
        yield rest(f"slashes and signs of {path}", f"GET {path}?limit=1")
    yield rest("no such method", "DELETE /api/article")
    yield rest("put", f"PUT /api/article/{item_id(1)}", {})
    yield rest("no JSON", "POST /api/article", b"{", "ann")
    yield rest("no UTF-8", "POST /api/article", b'{"code": "\xff"}', "ann")
    yield rest("an array", "POST /api/article", [], "ann")
    yield rest(
        "another media type", "POST /api/article", b"code=1", "ann", content_type="application/x-www-form-urlencoded"
    )
    yield rest("no media type", "POST /api/article", b"{}", "ann", content_type="")
    yield rest("too large", "POST /api/article", b'"' + b"x" * (1 << 20) + b'"', "ann")
    yield rest("parameters of a create", "POST /api/article?x=1", ARTICLE, "ann")
    yield rest("a compressed body", "POST /api/article", gzip.compress(b"{}"), "ann", content_encoding="gzip")
    yield rest("an unknown coding", "POST /api/article", b"{}", "ann", content_encoding="br, gzip")
    yield rest("no coding", "POST /api/article", b"{}", "ann", content_encoding="Identity")
    yield rest("a compressed query", "POST /graphql", gzip.compress(b"{}"), "ann", content_encoding="gzip")
    for number, key in enumerate(
        (".", "..", "...", "/", "a/", "/a", "a//b", "%2F", "a b+c", "ä~ö", "?#&", ";=", "\U0001f600")
    ):
        yield rest(f"create key {number}", "POST /api/shelf", {"id": key})
        yield rest(f"read key {number}", f"GET /api/shelf/{quote(key, safe='')}")
        yield rest(f"filter key {number}", f"GET /api/shelf?id={quote(key, safe='')}")
        yield rest(f"delete key {number}", f"DELETE /api/shelf/{quote(key, safe='')}")
    for name, query in (
        ("an escape", "%zz"),
        ("half an escape", "%4"),
        ("a percent sign", "%"),
        ("no UTF-8", "%ff"),
        ("a surrogate", "%ED%A0%80"),
    ):
        yield rest(f"query of {name}", f"GET /api/article?code={query}")
        yield rest(f"query of {name} of an action", f"GET /actions/total?at_least={query}")
    yield rest("nothing acceptable", f"GET /api/article/{item_id(1)}", accept="text/html")
    yield rest("all acceptable", f"GET /api/article/{item_id(1)}", accept="text/html, */*;q=0.1")
    yield rest("a token that is none", "GET /api/article", authorization="Bearer none")
    yield rest("another scheme", "GET /api/article", authorization="Basic YTpi")
    yield rest("total", "GET /actions/total?at_least=2")
    yield rest("total of two", "GET /actions/total?at_least=2&at_least=3")
    yield rest("total of nothing", "GET /actions/total?at_least=many&x=1")
    yield rest("greet", "POST /actions/greet", {"name": "Ännchen", "times": 2})
    yield rest("greet with faults", "POST /actions/greet", {"name": "", "times": 9, "x": 1})
    yield rest("greet in a whole number", "POST /actions/greet", b'{"name": "a", "times": 2.0}')
    yield rest("compressed", "GET /api/article?limit=1000", accept_encoding="gzip")


def items_of_actions() -> Iterator[Row]:
    """Results and errors of custom actions that contain stored items."""
    for who in WHO:
        yield rest("offers", "GET /actions/offers", who=who)
        yield rest("catalogue", "GET /actions/catalogue", who=who)
        yield rest("restock", "POST /actions/restock", {"code": "one"}, who)
        yield graphql("offers", "{ offers { maker { id name } articles { code cost } } }", who)
        yield graphql("catalogue", "{ catalogue }", who)
        yield graphql("restock", 'mutation { restock(code: "one") { code cost } }', who)


APPEND = "mutation ($k: ID!, $c: ArticleUpdate!) { articleUpdate(key: $k, changes: $c) { tags origin { country altitude } } }"
ALL = "{ id code price stock weight size tags since hidden maker_id version }"


def queries() -> Iterator[Row]:
    for who in WHO:
        yield graphql("one", f"query ($key: ID!) {{ articleRead(key: $key) {ALL} }}", who, key=item_id(1))
        yield graphql("hidden from some", f"query ($key: ID!) {{ articleRead(key: $key) {ALL} }}", who, key=item_id(2))
        yield graphql("cost", "query ($key: ID!) { articleRead(key: $key) { cost } }", who, key=item_id(1))
        yield graphql(
            "nested", "{ articleSearch(order: [code_asc]) { items { code origin { country altitude } } cursor } }", who
        )
        yield graphql("links", "{ makerSearch(order: [name_asc]) { items { name article_count articles(limit: 2, order: [code_desc]) "
                      "{ items { code maker { name } } cursor } } } }", who)  # fmt: skip
        yield graphql("aliases", "{ a: articleCount b: articleCount(where: {stock: {gt: 1}}) c: total { value } }", who)
        yield graphql("where", "query ($w: ArticleWhere) { articleSearch(where: $w, order: [code_asc]) { items { code } } }", who,
                      w={"or": [{"code": {"startswith": "o"}}, {"not": {"size": {"eq": "small"}}}]})  # fmt: skip
        yield graphql(
            "batch", "query ($k: [ID!]!) { articleReadBatch(keys: $k) { code } }", who, k=[item_id(1), "none"]
        )
        yield graphql("nested in fragments", "{ articleSearch(order: [code_asc]) { items { ...O t: tags } } } "
                      "fragment O on Article { o: origin { c: country ...A } } fragment A on Origin { altitude }", who)  # fmt: skip
        yield graphql("fragments", "{ articleSearch(limit: 2, order: [code_asc]) { ...P } } fragment P on ArticlePage { items { ...A } } "
                      "fragment A on Article { code stock }", who)  # fmt: skip
        yield graphql("directives", "query ($no: Boolean!) { articleCount @skip(if: $no) total { articles @include(if: $no) value } }",
                      who, no=True)  # fmt: skip
        yield graphql("wrong limit", "{ articleSearch(limit: 0) { items { code } } }", who)
        yield graphql("wrong cursor", '{ articleSearch(cursor: "abc") { items { code } } }', who)
        yield graphql("two with one wrong", '{ articleSearch(cursor: "abc") { cursor } makerCount }', who)
        yield graphql("one link twice", "{ makerSearch { items { a: articles(limit: 1, order: [code_asc]) { items { code } } "
                      "b: articles(limit: 1, order: [code_desc]) { items { code } } } } }", who)  # fmt: skip
        yield graphql("notes", "{ noteSearch { items { text } } }", who)
        yield graphql("slots", "{ slotSearch(order: [shelf_asc]) { items { shelf place } } }", who)
        yield graphql("no such field", "{ nothing }", who, REFUSED)
        yield graphql("no such type", "query ($w: Nothing) { articleCount(where: $w) }", who, REFUSED)
        yield graphql("no document", "{", who, REFUSED)
    yield graphql("introspection", "{ __schema { queryType { name } } }", "nobody", "AppSync's schema is its own")
    yield rest("graphql by get", "GET /graphql?query=%7BarticleCount%7D")
    yield rest("a mutation by get", "GET /graphql?query=mutation%7BarticleDelete(key%3A%22a%22)%7D")
    yield rest("no query", "POST /graphql", {"variables": {}})


def mutations() -> Iterator[Row]:
    make = f"mutation ($i: ArticleCreate!) {{ articleCreate(item: $i) {ALL} }}"
    change = "mutation ($k: ID!, $c: ArticleUpdate!, $w: ArticleWhere) { articleUpdate(key: $k, changes: $c, when: $w) { stock } }"
    edit = "mutation ($e: [ArticleEdit!]!) { articleEditBatch(edits: $e) { code message item { code stock } faults { path } } }"
    for who in WHO:
        key = item_id(60 + len(who))
        yield graphql("make", make, who, i={"id": key, "code": f"g{who}", "price": "1.25", "size": "large"})
        yield graphql(
            "append", APPEND, who, k=item_id(3), c={"tags_append": [who], "origin": {"country": "it", "altitude": 7}}
        )
        yield graphql(
            "append wrongly",
            APPEND,
            who,
            k=item_id(3),
            c={"tags": [], "tags_append": [who], "origin": {"country": "ita"}},
        )
        yield graphql("make again", make, who, i={"id": key, "code": f"g{who}", "price": "1.25"})
        yield graphql("make wrongly", make, who, i={"id": key, "code": "", "price": "1"})
        yield graphql("change", change, who, k=item_id(3), c={"stock": 40 + len(who)})
        yield graphql("change when", change, who, k=item_id(3), c={"stock": 1}, w={"stock": {"lt": 0}})
        yield graphql("change nothing there", change, who, k=item_id(99), c={"stock": 1})
        yield graphql("edit", edit, who, e=[
            {"update": {"key": item_id(3), "changes": {"stock": 2}}}, {"delete": {"key": item_id(99)}},
            {"create": {"id": item_id(65 + len(who)), "code": f"e{who}", "price": "2"}},
        ])  # fmt: skip
        both = "mutation ($e: [AnyStoreEdit!]!, $a: Boolean) { editBatch(edits: $e, atomic: $a) { code message " \
               "item { article { code stock } slot { shelf place } } faults { path } } }"  # fmt: skip
        edits = [
            {"article": {"update": {"key": item_id(3), "changes": {"stock": 7}}}},
            {"slot": {"create": {"shelf": f"b{who}", "place": 1}}},
            {"article": {"update": {"key": item_id(3), "changes": {"stock": 1}, "when": {"stock": {"gt": 100}}}}},
            {"article": {"delete": {"key": item_id(99)}}},
        ]
        yield graphql("edit several stores", both, who, e=edits)
        yield graphql("edit several stores atomically", both, who, e=edits, a=True)
        yield graphql("edit slots of several stores", both, who, e=edits[1:2], a=True)
        yield graphql(
            "edit several stores with faults",
            both,
            who,
            e=[{}, {"note": {}}, {"article": {"create": {"code": "", "price": "1"}}}],
        )
        yield graphql("edit no store", both, who, e=[])
        place = "mutation ($s: SlotCreate!) { slotCreate(item: $s) { place } }"
        yield graphql("a number of 53 bits", place, who, s={"shelf": who, "place": 2**53 - 1})
        yield graphql("a number of 54 bits", place, who, s={"shelf": who, "place": 2**53})
        yield rest("a number of 64 bits", "POST /api/slot", {"shelf": who, "place": 2**63 - 1}, who)
        yield graphql(
            "numbers above", "{ slotSearch(where: {place: {gt: 9007199254740990}}) { items { shelf place } } }", who
        )
        yield graphql("in order", f'mutation {{ a: articleDelete(key: "{key}") b: articleDelete(key: "{key}") }}', who)


ROWS = [
    *reads(),
    *searches(),
    *wire(),
    *items_of_actions(),
    *queries(),
    *writes(),
    *conditional(),
    *repeated(),
    *mutations(),
    *searches(),
]
