"""The methods of a Python client: one function for each verb of a store, in either mode."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ..api.operations import Operation, StoreOperation
from .description import ActionClient, BatchClient, ClientDescription, StoreClient
from .python_modes import Method, Mode, Overloads, written
from .python_types import Spelling, doc, fitted, literal, python_name

INCLUDE = "`include`: links to include in the response. `a.b` is the link b of the items linked by a."
FIELDS = "`fields`: attributes to return. The others are UNSET."
IF_MATCH = "`if_match`: write only this version, named by its tag. Otherwise it fails with `precondition_failed`."


def _overloads_by_fields(store: StoreClient, whole: str, some: str) -> Overloads:
    """Return the overloads of a read: the result without `fields`, and with them."""
    listed = f"_Sequence[{store.type('Field')}]"
    return Overloads(
        ((("fields: None = None",), whole), ((f"fields: {listed}",), some)), (f"fields: {listed} | None = None",)
    )


def _overloads_by_condition(store: StoreClient, result: str) -> Overloads | None:
    """Return the overloads of a write that needs one of two conditions, None if the item's writes are not conditional."""
    where, tag = f"when: {store.type('Where')}", "if_match: str"
    either = ((where, f"{tag} | None = None"), result), ((tag, "when: None = None"), result)
    return Overloads(either, (f"{where} | None = None", f"{tag} | None = None")) if store.conditional else None


def about(operation: Operation, *more: str) -> tuple[str, ...]:
    """Return the paragraphs of a docstring: the operation and its parameters."""
    notes = [f"`{one.name}`: {one.description}." for one in operation.parameters if one.description]
    return (operation.description or operation.name, *notes, *more)


def _request(method: str, path: str, *parts: str) -> str:
    """Return the line that makes a request."""
    return fitted("asked = _Asked(", [literal(method), path, *parts], ")", " " * 8) + "\n"


MATCHING = "[*_filter(where), *given]"
"""The parameters of a search: the filter and the others."""


def _parameters_line(*parameters: str) -> str:
    return fitted("given = _parameters(", parameters, ")", " " * 8) + "\n"


def _returned(mode: Mode, how: str, asked: str, of: str, result: str) -> str:
    return f"{asked}        result: {result} = {mode.wait}self._transport.{how}(asked, {of})\n        return result\n"


def _include_parameter(store: StoreClient) -> tuple[str, ...]:
    return (f"include: _Sequence[{store.type('Include')}] = ()",) if store.includes else ()


def _selection_arguments(store: StoreClient) -> str:
    return "include=include, fields=fields" if store.includes else "fields=fields"


def _selected_type(store: StoreClient, around: str = "{}") -> str:
    whole, some = (around.format(store.type(part)) for part in ("", "Partial"))
    return f"{whole} if fields is None else {some}"


def _written_type(store: StoreClient) -> str:
    """Return the type of an item in the response to a write."""
    return store.type() if store.whole else store.type("Partial")


def _item_path(operation: Operation) -> str:
    return f"_at({literal(operation.path.removesuffix('/{key}'))}, key)"


def _link_notes(store: StoreClient) -> tuple[str, ...]:
    return (INCLUDE, FIELDS) if store.includes else (FIELDS,)


def _create(store: StoreClient, operation: StoreOperation, mode: Mode) -> list[Method]:
    asked = _request("POST", literal(operation.path), "body=item")
    seen = _written_type(store)
    body = _returned(mode, "answer", asked, seen, seen)
    return [Method("create", (f"item: {store.type('Create')}",), seen, body, about(operation))]


def _read(store: StoreClient, operation: StoreOperation, mode: Mode) -> list[Method]:
    key, path = f"key: {store.type('Key')}", _item_path(operation)
    some = f"{store.type('Partial')} | None"
    asked = _request("GET", path, f"_parameters({_selection_arguments(store)})")
    body = f"{asked}        of = {_selected_type(store)}\n        return {mode.wait}self._transport.found(asked, of)\n"
    tagged = f"Tagged[{store.type()}] | None"
    tagging = _returned(mode, "tagged", _request("GET", path), store.type(), tagged)
    notes = about(operation, "Returns None if it does not exist.")
    return [
        Method("read", (key, None, *_include_parameter(store)), "_t.Any", body, (*notes, *_link_notes(store)), _overloads_by_fields(store, f"{store.type()} | None", some)),
        Method("read_tagged", (key,), tagged, tagging, (*notes, "The result has the tag of its version, for `if_match`.")),
    ]  # fmt: skip


def _conditions(store: StoreClient) -> tuple[str | None, ...]:
    """Return the parameters of an optional condition. If the condition is required, the overloads have them."""
    if store.conditional:
        return (None,)
    return (None, f"when: {store.type('Where')} | None = None", "if_match: str | None = None")


def _update(store: StoreClient, operation: StoreOperation, mode: Mode) -> list[Method]:
    asked = _request(operation.method, _item_path(operation), "_filter(when)", "body=changes", "if_match=if_match")
    seen = _written_type(store)
    body = _returned(mode, "found", asked, seen, f"{seen} | None")
    given = (f"key: {store.type('Key')}", f"changes: {store.type('Update')}", *_conditions(store))
    notes = about(operation, IF_MATCH, "Returns the new item, None if it does not exist.")
    return [Method("update", given, f"{seen} | None", body, notes, _overloads_by_condition(store, f"{seen} | None"))]


def _delete(store: StoreClient, operation: StoreOperation, mode: Mode) -> list[Method]:
    asked = _request(operation.method, _item_path(operation), "_filter(when)", "if_match=if_match")
    body = f"{asked}        return {mode.wait}self._transport.deleted(asked)\n"
    notes = about(operation, IF_MATCH, "Returns whether it existed.")
    given = (f"key: {store.type('Key')}", *_conditions(store))
    return [Method("delete", given, "bool", body, notes, _overloads_by_condition(store, "bool"))]


def _search(store: StoreClient, operation: StoreOperation, mode: Mode) -> list[Method]:
    path, order = literal(operation.path), store.type("Order")
    query = ("query: str | None = None",) if store.text else ()
    every = (
        f"where: {store.type('Where')} | None = None",
        None,
        *query,
        f"order: {order} | _Sequence[{order}] = ()",
        *_include_parameter(store),
    )
    words = ("query=query",) if store.text else ()
    limit, cursor = "limit: int | None = None", "cursor: str | None = None"
    shown = (*words, "order=order", _selection_arguments(store))
    pages = f"        of: _t.Any = {_selected_type(store, 'Page[{}]')}\n"
    searching = (
        f"{_parameters_line(*shown, 'limit=limit', 'cursor=cursor')}{_request('GET', path, MATCHING)}{pages}"
        f"        return {mode.wait}self._transport.answer(asked, of)\n"
    )
    paged = (
        f"{_parameters_line(*shown, 'limit=limit')}{pages}\n"
        f"        def ask(cursor: str | None) -> _Asked:\n"
        f'            return _Asked("GET", {path}, [*_filter(where), *given, *_parameters(cursor=cursor)])\n\n'
        f"        return self._transport.pages(ask, of)\n"
    )
    lines = _parameters_line(*shown) + _request("GET", path, MATCHING, 'accept="application/x-ndjson"')
    exporting = f"{lines}        return self._transport.lines(asked, {_selected_type(store)})\n"
    notes = about(operation, *_link_notes(store))
    all_notes = tuple(one for one in notes if not one.startswith("`cursor`"))
    item, some = store.type(), store.type("Partial")
    each, each_partial = f"{mode.iterator}[{item}]", f"{mode.iterator}[{some}]"
    pages_notes = ("Iterate over the items of all pages of a search.", *all_notes[1:])
    lines_notes = (
        "Iterate over every match, in one response that is read line by line.",
        *(one for one in all_notes[1:] if not one.startswith("`limit`")),
    )
    by_page, by_item = (
        _overloads_by_fields(store, f"Page[{item}]", f"Page[{some}]"),
        _overloads_by_fields(store, each, each_partial),
    )
    return [
        Method("search", (*every, limit, cursor), "_t.Any", searching, notes, by_page),
        Method("search_all", (*every, limit), "_t.Any", paged, pages_notes, by_item, wait=False),
        Method("export", every, "_t.Any", exporting, lines_notes, by_item, wait=False),
    ]  # fmt: skip


def _count(store: StoreClient, operation: StoreOperation, mode: Mode) -> list[Method]:
    words = ", *_parameters(query=query)" if store.text else ""
    asked = _request("GET", literal(operation.path), f"[*_filter(where){words}]")
    body = f"{asked}        result: _Count = {mode.wait}self._transport.answer(asked, _Count)\n        return result.count\n"
    query = (None, "query: str | None = None") if store.text else ()
    given = (f"where: {store.type('Where')} | None = None", *query)
    return [Method("count", given, "int", body, about(operation))]


def _read_batch(store: StoreClient, operation: StoreOperation, mode: Mode) -> list[Method]:
    keys = '*(("key", _key(key)) for key in keys)'
    asked = _request("GET", literal(operation.path), f"[{keys}, *_parameters({_selection_arguments(store)})]")
    body = (
        f"{asked}        of: _t.Any = {_selected_type(store, '_Items[{}]')}\n"
        f"        result = {mode.wait}self._transport.answer(asked, of)\n        return result.items\n"
    )
    given = (f"keys: _Sequence[{store.type('Key')}]", None, *_include_parameter(store))
    whole, some = (f"list[{store.type(part)} | None]" for part in ("", "Partial"))
    notes = about(operation, *_link_notes(store))
    return [Method("read_batch", given, "_t.Any", body, notes, _overloads_by_fields(store, whole, some))]


def _edit_batch(store: StoreClient, operation: StoreOperation, mode: Mode) -> list[Method]:
    asked = _request("POST", literal(operation.path), 'body={"edits": _edits(edits), "atomic": atomic}')
    of = f"_Results[{_written_type(store)}]"
    body = (
        f"{asked}        result: {of} = {mode.wait}self._transport.answer(asked, {of})\n        return result.results\n"
    )
    given = (f"edits: _Sequence[{store.type('Edit')}]", None, "atomic: bool = False")
    notes = about(operation, "If an atomic batch fails, `document` of the error has the results.")
    return [Method("edit_batch", given, f"list[EditResult[{_written_type(store)}]]", body, notes)]


METHODS: dict[str, Callable[[StoreClient, StoreOperation, Mode], list[Method]]] = {
    "create": _create,
    "read": _read,
    "update": _update,
    "delete": _delete,
    "search": _search,
    "count": _count,
    "read_batch": _read_batch,
    "edit_batch": _edit_batch,
}
"""Verb → the function that writes its methods."""


def store_class(store: StoreClient, mode: Mode) -> str:
    methods = [
        written(method, mode)
        for verb, operation in store.operations.items()
        for method in METHODS[verb](store, operation, mode)
    ]
    head = doc(f"The store of {store.type()}.")
    return f"class {mode.prefix}{store.type('Store')}:\n{head}\n{_constructor(mode)}\n" + "\n".join(methods)


def _constructor(mode: Mode) -> str:
    return f"    def __init__(self, transport: {mode.sender}) -> None:\n        self._transport = transport\n"


def actions_class(actions: Iterable[ActionClient], spelling: Spelling, mode: Mode) -> str:
    methods = [_action(one, spelling, mode) for one in actions]
    head = doc("The custom actions of the app.")
    return f"class {mode.prefix}Actions:\n{head}\n{_constructor(mode)}\n" + "\n".join(methods)


def _action(action: ActionClient, spelling: Spelling, mode: Mode) -> str:
    operation = action.operation
    named = [(python_name(one.name), one) for one in action.parameters]
    given = tuple(
        f"{name}: {spelling.of(one.type, given=True)}{'' if one.required else ' | _Unset = UNSET'}"
        for name, one in sorted(named, key=lambda pair: not pair[1].required)
    )
    values = [f"{literal(one.name)}: {name}" for name, one in named]
    listed = fitted("_given: _b.dict[str, _t.Any] = {", values, "}", " " * 8) + "\n" if named else ""
    if named and not action.body:
        listed += fitted("_sent = _arguments(", ["_given", *map(literal, action.json)], ")", " " * 8) + "\n"
    sent = () if not named else ("body=_body(_given)",) if action.body else ("_sent",)
    result = spelling.of(action.result)
    of = "None" if result == "None" else f"_t.cast(_t.Any, {result})" if " | " in result else result
    asked = listed + _request(operation.method, literal(operation.path), *sent)
    body = _returned(mode, "answer", asked, of, result)
    method = Method(python_name(operation.name), ((None, *given) if given else ()), result, body, about(operation))
    return written(method, mode)


def client_class(described: ClientDescription, mode: Mode) -> str:
    """Return the source of the client class."""
    prefix = mode.prefix
    parts = [(member(name), f"{prefix}{store.type('Store')}") for name, store in described.stores.items()]
    parts += [("actions", f"{prefix}Actions")] if described.actions else []
    lines = "".join(f"        self.{name} = {of}(self._transport)\n" for name, of in parts)
    batch = "" if described.batch is None else f"\n{written(_batch(described.batch, mode), mode)}"
    return f'''class {prefix}{described.name}:
    """The API of an app. Close it, or use it in a `with`.

    `token`: a bearer token, or a function that returns one for each request. `timeout`: seconds for a response.
    `retries`: the number of times that a request without a response, or with a temporary error, is repeated if that is safe.
    `transport`: a transport of httpx, instead of its default.
    """

    def __init__(
        self,
        base_url: str,
        *,
        token: str | _Callable[[], str] | None = None,
        timeout: float = 30.0,
        retries: int = 2,
        headers: _Mapping[str, str] | None = None,
        transport: _httpx.{mode.transport} | None = None,
    ) -> None:
        self._transport = {mode.sender}(base_url, token, timeout, retries, headers, transport)
{lines}
    {mode.define} {mode.close}(self) -> None:
        """Close the connections."""
        {mode.wait}self._transport.{mode.close}()

    {mode.define} {mode.enter}(self) -> _t.Self:
        return self

    {mode.define} {mode.leave}(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: _Traceback | None,
    ) -> None:
        {mode.wait}self.{mode.close}()
{batch}'''


def _batch(batch: BatchClient, mode: Mode) -> Method:
    """Return the method for edits of several stores."""
    operation, seen = batch.operation, {one.name: _written_type(one) for one in batch.stores}
    items = fitted("of = {", [f"{literal(name)}: {of}" for name, of in seen.items()], "}", " " * 8) + "\n"
    asked = _request("POST", literal(operation.path), 'body={"edits": _store_edits(edits), "atomic": atomic}')
    body = (
        f"{items}{asked}        result: _Results[_t.Any] = {mode.wait}self._transport.answer(asked, _Results[_t.Any])\n"
        f"        return _store_results(result, [of[store] for edit in edits for store in edit])\n"
    )
    given = (f"edits: _Sequence[{batch.name}]", None, "atomic: bool = False")
    notes = about(
        operation,
        "An edit is an object with one member, the name of its store.",
        "If an atomic batch fails, `document` of the error has the results.",
    )
    union = " | ".join(dict.fromkeys(seen.values()))
    return Method("edit_batch", given, f"list[EditResult[{union}]]", body, notes)


TAKEN = frozenset({"actions", "close", "aclose", "edit_batch"})
"""Names of a client's members that are not stores."""


def member(store: str) -> str:
    """Return the name of the client's member for a store."""
    name = python_name(store)
    return f"{name}_" if name in TAKEN else name
