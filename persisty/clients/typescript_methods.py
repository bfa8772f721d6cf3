"""The methods of a TypeScript client: one function for each verb of a store."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from ..api.operations import Operation, StoreOperation
from .description import ActionClient, BatchClient, ClientDescription, StoreClient
from .types import Of, Scalar
from .typescript_types import WIDTH, Spelling, alias, doc, grouped, literal, member

INCLUDE = "`include`: links to include in the response. `a.b` is the link b of the items linked by a."
FIELDS = "`fields`: attributes to return."
IF_MATCH = "`ifMatch`: write only this version, named by its tag. Otherwise it fails with `precondition_failed`."
CALL = "CallOptions"


def about(operation: Operation, *more: str, without: Sequence[str] = ()) -> str:
    """Return the comment of a method: the operation and its parameters."""
    notes = [
        f"`{one.name}`: {one.description}."
        for one in operation.parameters
        if one.description and one.name not in without
    ]
    return "\n\n".join(one for one in (operation.description or operation.name, "\n".join([*notes, *more])) if one)


def method(text: str, head: str, result: str, body: str) -> str:
    """Return the source of a method. `head` has its name and arguments."""
    return f"{doc(text, '  ')}  {head}: {result} {{\n    {body}\n  }}\n"


def _generic(store: StoreClient) -> str:
    return f"<I extends {store.type('Include')} = never, F extends {store.type('Field')} = never>"


def _selected_type(store: StoreClient) -> str:
    return f"Shown<{store.type()}, {store.type('Links')}, I, F>"


def _written_type(store: StoreClient) -> str:
    """Return the type of an item in the response to a write."""
    if store.whole:
        return store.type()
    key = " | ".join(literal(one.name) for one in store.key)
    return f"Pick<{store.type()}, {key}> & Partial<{store.type()}>"


def _link_notes(store: StoreClient) -> tuple[str, ...]:
    return (INCLUDE, FIELDS) if store.includes else (FIELDS,)


def _item_path(store: StoreClient, operation: StoreOperation) -> str:
    return f"at({literal(operation.path.removesuffix('/{key}'))}, key{_times_argument(store)})"


def _times_argument(store: StoreClient) -> str:
    """Return the argument with the parts of the key that are times. The text of a time in a key always has a fraction."""
    found = [position for position, one in enumerate(store.key) if one.type == Scalar(Of.DATETIME)]
    return f", {literal(found)}" if found else ""


def _request(how: str, of: str, asked: str, *more: str) -> str:
    called, parts = f"this.#transport.{how}{f'<{of}>' if of else ''}(", [f"{{ {asked} }}", *more, "options"]
    line = f"return {called}{', '.join(parts)});"
    if len(line) + 4 <= WIDTH:
        return line
    return f"return {called}\n" + "".join(f"      {one},\n" for one in parts) + "    );"


def _create(store: StoreClient, operation: StoreOperation) -> list[str]:
    seen = _written_type(store)
    asked = f'method: "POST", path: {literal(operation.path)}, body: item'
    head = f"create(item: {store.type('Create')}, options: {CALL} = {{}})"
    return [method(about(operation), head, f"Promise<{seen}>", _request("answer", "", asked))]


def _read(store: StoreClient, operation: StoreOperation) -> list[str]:
    shown, key = _selected_type(store), f"key: {store.type('Key')}"
    asked = f'method: "GET", path: {_item_path(store, operation)}, parameters: shown(options)'
    head = f"read{_generic(store)}(\n    {key},\n    options: Showing<I, F> & {CALL} = {{}},\n  )"
    tagging = f"readTagged({key}, options: {CALL} = {{}})"
    none = "Returns null if it does not exist."
    tagged = f'method: "GET", path: {_item_path(store, operation)}'
    return [
        method(about(operation, none, *_link_notes(store)), head, f"Promise<{shown} | null>", _request("found", "", asked)),
        method(about(operation, none, "The result has the tag of its version, for `ifMatch`."), tagging,
               f"Promise<Tagged<{store.type()}> | null>", _request("tagged", "", tagged)),
    ]  # fmt: skip


def _conditions(store: StoreClient) -> str:
    kind = "Condition" if store.conditional else "Conditions"
    return f"options: {kind}<{store.type('Where')}> & {CALL}{'' if store.conditional else ' = {}'}"


def _conditional_request(store: StoreClient, operation: StoreOperation) -> str:
    method_and_path = f"method: {literal(operation.method)}, path: {_item_path(store, operation)}"
    return f"{method_and_path}, parameters: filter(options.when), ifMatch: options.ifMatch"


def _update(store: StoreClient, operation: StoreOperation) -> list[str]:
    head = (
        f"update(\n    key: {store.type('Key')},\n    changes: {store.type('Update')},\n    {_conditions(store)},\n  )"
    )
    notes = about(operation, IF_MATCH, "Returns the new item, null if it does not exist.")
    asked = f"{_conditional_request(store, operation)}, body: changes"
    return [method(notes, head, f"Promise<{_written_type(store)} | null>", _request("found", "", asked))]


def _delete(store: StoreClient, operation: StoreOperation) -> list[str]:
    head = f"delete(key: {store.type('Key')}, {_conditions(store)})"
    notes = about(operation, IF_MATCH, "Returns whether it existed.")
    return [method(notes, head, "Promise<boolean>", _request("deleted", "", _conditional_request(store, operation)))]


SEARCHES: tuple[tuple[str, str, str, str, tuple[str, ...]], ...] = (
    ("search", "Promise<Page<{of}>>", "answer", "", ()),
    ("searchAll", "AsyncGenerator<{of}, void, undefined>", "pages", "Iterate over the items of all pages of a search.", ("cursor",)),
    ("export", "AsyncGenerator<{of}, void, undefined>", "lines", "Iterate over every match, in one response that is read line by line.",
     ("cursor", "limit")),
)  # fmt: skip
"""A searching method: its name, result, request, comment, and the options that it lacks."""


def _search(store: StoreClient, operation: StoreOperation) -> list[str]:
    shown, methods = _selected_type(store), []
    for name, result, how, notes, without in SEARCHES:
        lacking = (*without, *(() if store.text else ("query",)))
        options = f"Searching<{store.type('Where')}, {store.type('Order')}>"
        options = f"Omit<{options}, {' | '.join(map(literal, lacking))}>" if lacking else options
        head = f"{name}{_generic(store)}(\n    options: {options} & Showing<I, F> & {CALL} = {{}},\n  )"
        asked = f'method: "GET", path: {literal(operation.path)}, parameters: searched(options)'
        more: tuple[str, ...] = ()
        if how == "lines":
            asked += ', accept: "application/x-ndjson"'
            known = [*(one.name for one in store.item), *(one.name for one in store.links)]
            more = (literal(known),)
        text = about(operation, *_link_notes(store), without=lacking)
        text = text.replace(operation.description or operation.name, notes, 1) if notes else text
        methods.append(method(text, head, result.format(of=shown), _request(how, "", asked, *more)))
    return methods


def _count(store: StoreClient, operation: StoreOperation) -> list[str]:
    query = " & { query?: string | undefined }" if store.text else ""
    head = f"async count(where: {store.type('Where')} = {{}}, options: {CALL}{query} = {{}})"
    words = ", ...parameters({ query: options.query })" if store.text else ""
    asked = f'method: "GET", path: {literal(operation.path)}, parameters: [...filter(where){words}]'
    body = _request("answer", "{ count: number }", asked).removeprefix("return ").removesuffix(";")
    return [method(about(operation), head, "Promise<number>", f"return (await {body}).count;")]


def _read_batch(store: StoreClient, operation: StoreOperation) -> list[str]:
    shown = _selected_type(store)
    head = (
        f"async readBatch{_generic(store)}(\n    keys: readonly {grouped(store.type('Key'))}[],\n"
        f"    options: Showing<I, F> & {CALL} = {{}},\n  )"
    )
    keys = f'...keys.map((key): [string, string] => ["key", keyText(key{_times_argument(store)})])'
    asked = f'method: "GET", path: {literal(operation.path)}, parameters: [{keys}, ...shown(options)]'
    body = _request("answer", f"{{ items: ({shown} | null)[] }}", asked).removeprefix("return ").removesuffix(";")
    notes = about(operation, *_link_notes(store))
    return [method(notes, head, f"Promise<({shown} | null)[]>", f"return (await {body}).items;")]


def _edit_batch(store: StoreClient, operation: StoreOperation) -> list[str]:
    head = (
        f"async editBatch(\n    edits: readonly {store.type('Edit')}[],\n"
        f"    options: {{ atomic?: boolean | undefined }} & {CALL} = {{}},\n  )"
    )
    result = f"EditResult<{_written_type(store)}>[]"
    body = f"{{ edits: edited(edits{_times_argument(store)}), atomic: options.atomic ?? false }}"
    asked = f'method: "POST", path: {literal(operation.path)}, body: {body}'
    called = _request("answer", f"{{ results: {result} }}", asked).removeprefix("return ").removesuffix(";")
    notes = about(operation, "If an atomic batch fails, `problem` of the error has the results.")
    return [method(notes, head, f"Promise<{result}>", f"return (await {called}).results;")]


METHODS: dict[str, Callable[[StoreClient, StoreOperation], list[str]]] = {
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

MADE = "  readonly #transport: Transport;\n\n  constructor(transport: Transport) {\n    this.#transport = transport;\n  }\n"


def store_class(store: StoreClient) -> str:
    methods = [text for verb, operation in store.operations.items() for text in METHODS[verb](store, operation)]
    body = "\n".join([MADE, *methods])
    return f"/** The store of {store.type()}. */\nexport class {store.type('Store')} {{\n{body}}}\n"


def actions_class(actions: Iterable[ActionClient], spelling: Spelling) -> str:
    body = "\n".join([MADE, *(_action(one, spelling) for one in actions)])
    return f"/** The custom actions of the app. */\nexport class Actions {{\n{body}}}\n"


def _action(action: ActionClient, spelling: Spelling) -> str:
    operation = action.operation
    members = [
        f"{member(one.name)}{'' if one.required else '?'}: {spelling.of(one.type, given=True)}"
        for one in action.parameters
    ]
    default = "" if any(one.required for one in action.parameters) else " = {}"
    given = f"given: {{ {'; '.join(members)} }}{default}, " if members else ""
    sent = (
        ", body: given"
        if action.body
        else f", parameters: parameters({', '.join(['given', 'true', *map(literal, action.json)])})"
    )
    asked = f"method: {literal(operation.method)}, path: {literal(operation.path)}{sent if members else ''}"
    name = "constructor_" if operation.name == "constructor" else member(operation.name)
    head = f"{name}({given}options: {CALL} = {{}})"
    return method(about(operation), head, f"Promise<{spelling.of(action.result)}>", _request("answer", "", asked))


def client_class(described: ClientDescription) -> str:
    """Return the source of the client class."""
    parts = [(store_member(name), store.type("Store")) for name, store in described.stores.items()]
    parts += [("actions", "Actions")] if described.actions else []
    fields = "".join(f"  readonly {name}: {of};\n" for name, of in parts)
    fields += "  readonly #transport: Transport;\n" if described.batch else ""
    batch = f"\n{_batch(described.batch)}" if described.batch else ""
    made = "".join(f"    this.{name} = new {of}(transport);\n" for name, of in parts)
    made += "    this.#transport = transport;\n" if described.batch else ""
    return (
        f"/** The API of an app. */\nexport class {described.name} {{\n{fields}\n"
        f"  constructor(options: ClientOptions) {{\n    const transport = new Transport(options);\n{made}  }}\n{batch}}}\n"
    )


def batch_types(batch: BatchClient) -> str:
    """Return the types of edits of several stores and of the items in their results."""
    edits = alias(batch.name, [f"{{ {member(one.name)}: {one.type('Edit')} }}" for one in batch.stores])
    items = "".join(
        f"  : Edit extends {{ {member(one.name)}: unknown }} ? {_written_type(one)}\n" for one in batch.stores
    )
    return (
        f"/** An edit of one of several stores: an object with one member. */\n{edits}"
        f"type AnyStoreItem<Edit> = {items.removeprefix('  : ')}  : never;\n"
        "type AnyStoreResults<Edits> = { -readonly [At in keyof Edits]: EditResult<AnyStoreItem<Edits[At]>> };\n"
    )


def _batch(batch: BatchClient) -> str:
    """Return the method for edits of several stores."""
    keys = {
        one.name: [at for at, part in enumerate(one.key) if part.type == Scalar(Of.DATETIME)] for one in batch.stores
    }
    times = literal({name: found for name, found in keys.items() if found})
    head = (
        f"async editBatch<const Edits extends readonly {batch.name}[]>(\n    edits: Edits,\n"
        f"    options: {{ atomic?: boolean | undefined }} & {CALL} = {{}},\n  )"
    )
    results = "AnyStoreResults<Edits>"
    body = (
        f"const times: Readonly<Record<string, readonly number[]>> = {times};\n"
        "    const named = edits.flatMap((edit) =>\n"
        "      Object.entries(edit).map(([store, one]) => ({ store, ...(edited([one], times[store])[0] as object) })),\n"
        "    );\n"
        f'    const asked = {{ method: "POST", path: {literal(batch.operation.path)}, body: {{ edits: named, atomic: options.atomic ?? false }} }};\n'
        f"    return (await this.#transport.answer<{{ results: {results} }}>(asked, options)).results;"
    )
    notes = about(
        batch.operation,
        "An edit is an object with one member, the name of its store.",
        "If an atomic batch fails, `problem` of the error has the results.",
    )
    return method(notes, head, f"Promise<{results}>", body)


def store_member(store: str) -> str:
    """Return the name of the client's member for a store."""
    return f"{store}_" if store in ("actions", "constructor", "editBatch") else store
