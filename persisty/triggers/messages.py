"""Messages of queues and arguments of scheduled calls: checked when they are sent, by the types of the function that handles them.

A value is stored as JSON, and decoded when it is handled. It is sent only if this JSON decodes into the declared type, so a function that has not
changed since can handle each message that was sent.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Raw, Struct

from ..errors import Fault, InvalidInput
from ..model.dataclass_defaults import completing
from ..model.msgspec_faults import pointer
from ..model.nested_faults import FAILURES, faults_within
from ..model.nesting import MAX_NESTING, too_deep
from ..model.type_descriptions import described
from ..model.undeclared_members import shapes_within, undeclared_members
from ..security.caller import Caller
from .declared import Declared
from .event import Event
from .handlers import call_faults

MAX_MESSAGE = 256 * 1024
"""The most bytes of a message, as JSON. It is the limit of Amazon SQS, too."""
SERVEY_CALLER = ("servey.security.authorization", "Authorization")
"""The module and the name of servey's type of a caller."""
_json = msgspec.json.Encoder().encode
_RAW = msgspec.json.Decoder(dict[str, Raw])


class MessageType:
    """The type of a message or of an argument."""

    def __init__(self, annotation: Any) -> None:
        self._annotation = annotation
        found = described(annotation)
        self._shapes = shapes_within(found)
        self.decode: Callable[[Any], Any] = completing(annotation, msgspec.json.Decoder(annotation).decode)
        """Return the value of a JSON text. Raises `msgspec.MsgspecError` or `ValueError` if it does not fit."""

    def encode(self, value: Any, path: str, faults: list[Fault]) -> bytes:
        """Return the JSON of a value. Append what is wrong with it to `faults`."""
        try:
            text = _json(value)
            given = msgspec.json.decode(text)
        except (*FAILURES, OverflowError, RecursionError) as error:
            faults.append(Fault(path, "Not a JSON value", found=str(error)[:200]))
            return b""
        if too_deep(given):
            faults.append(Fault(path, "Nested too deeply", f"at most {MAX_NESTING} levels"))
            return b""
        infinite = [Fault(at, "Expected a finite number") for at in _infinite(value, path)] if b"null" in text else ()
        if infinite:
            faults += infinite
            return b""
        unknown = undeclared_members(self._shapes, given, path)
        faults += unknown
        try:
            self.decode(text)
        except (*FAILURES, msgspec.MsgspecError) as error:
            paths = {one.path for one in unknown}
            found = faults_within(error, path, self._annotation, given, _converted)
            faults += [one for one in found if one.path not in paths]
        return text


def _converted(given: Any, annotation: Any) -> Any:
    return msgspec.convert(given, annotation, str_keys=True)


def _infinite(value: Any, path: str) -> Iterator[str]:
    """Yield the places of numbers that are not finite: JSON would make null of them."""
    parts: Iterable[tuple[Any, Any]] = ()
    if isinstance(value, float):
        if not math.isfinite(value):
            yield path
    elif isinstance(value, Mapping):
        parts = value.items()
    elif isinstance(value, list | tuple | set | frozenset):
        parts = enumerate(value)
    elif isinstance(value, Struct):
        parts = zip(
            value.__struct_encode_fields__, (getattr(value, one) for one in value.__struct_fields__), strict=True
        )
    else:
        parts = ((one, getattr(value, one, None)) for one in getattr(type(value), "__dataclass_fields__", ()))
    for step, part in parts:
        yield from _infinite(part, path + pointer(step))


class Parameter(Struct, frozen=True):
    """An argument of a function."""

    name: str
    type: MessageType
    required: bool


class Signature(Struct, frozen=True):
    """The parameters of a function. `event`: the name of the parameter that takes the event, and `of`: the type of the items or of the message in it."""

    function: Callable[..., Any]
    event: str | None
    of: Any
    parameters: tuple[Parameter, ...]

    @property
    def message(self) -> MessageType:
        """The type of the messages of a queue: of the first parameter, or the one in its event."""
        return self.parameters[0].type if self.parameters else MessageType(self.of)

    def of_message(self, event: Event[Any], text: Raw) -> dict[str, Any]:
        """Return the arguments for a message. Raises what `MessageType.decode` raises."""
        message = self.message.decode(text)
        named = {self.parameters[0].name: message} if self.parameters else {}
        return named | self._with(msgspec.structs.replace(event, after=message))

    def of_arguments(self, event: Event[Any], text: Raw) -> dict[str, Any]:
        """Return the arguments for a scheduled call. Raises what `MessageType.decode` raises, and `ValueError` for a missing one."""
        given = _RAW.decode(text)
        missing = [one.name for one in self.parameters if one.required and one.name not in given]
        if missing:
            raise ValueError(f"There is no argument {', '.join(missing)}")
        found = {one.name: one.type.decode(given[one.name]) for one in self.parameters if one.name in given}
        return found | self._with(event)

    def encode_arguments(self, arguments: Mapping[str, Any]) -> Raw:
        """Return the JSON of the arguments of a scheduled call. Raises `InvalidInput` with every fault."""
        known = {one.name: one for one in self.parameters}
        faults = [
            Fault(pointer(name), "Unknown argument", "one of " + ", ".join(known) if known else "no arguments")
            for name in arguments
            if name not in known
        ]
        faults += [
            Fault(pointer(one.name), "Missing") for one in self.parameters if one.required and one.name not in arguments
        ]
        texts = {
            name: Raw(one.type.encode(arguments[name], pointer(name), faults))
            for name, one in known.items()
            if name in arguments
        }
        return _checked(_json(texts) if not faults else b"", faults)

    def encode_message(self, message: Any) -> Raw:
        """Return the JSON of a message. Raises `InvalidInput` with every fault."""
        faults: list[Fault] = []
        return _checked(self.message.encode(message, "", faults), faults)

    def _with(self, event: Event[Any]) -> dict[str, Any]:
        return {} if self.event is None else {self.event: event}


def _checked(text: bytes, faults: list[Fault]) -> Raw:
    if len(text) > MAX_MESSAGE:
        faults.append(Fault("", "Too large", f"at most {MAX_MESSAGE} bytes of JSON", f"{len(text)} bytes"))
    if faults:
        raise InvalidInput(faults=faults)
    return Raw(text)


def signature_of(declared: Declared, faults: list[Fault]) -> Signature:
    """Return what the function of an action takes. Append its faults, such as parameters that no event and no message can give."""
    faults += call_faults(declared)
    path = f"/actions/{declared.name}/parameters"
    try:
        hints = get_type_hints(declared.function, include_extras=True)
    except (NameError, TypeError) as error:
        faults.append(Fault(path, "A type cannot be found", "types of the module", str(error)[:200]))
        hints = {}
    event: str | None = None
    of: Any = Any
    parameters: list[Parameter] = []
    for name, one in inspect.signature(declared.function).parameters.items():
        hint = hints.get(name, Any)
        required = one.default is one.empty
        if one.kind in (one.VAR_POSITIONAL, one.VAR_KEYWORD):
            continue
        if one.kind is one.POSITIONAL_ONLY:
            faults.append(Fault(pointer_below(path, name), "It has no name", "a parameter that is given by its name"))
        elif hint is Event or get_origin(hint) is Event or (name == "event" and hint is Any):
            event, of = name, next(iter(get_args(hint)), Any)
        elif _is_caller(hint):
            faults.append(Fault(pointer_below(path, name), "There is no caller", "a parameter without a caller"))
        else:
            parameters += _parameter(name, hint, required, path, faults)
    return Signature(declared.function, event, of, tuple(parameters))


def pointer_below(path: str, name: str) -> str:
    return path + pointer(name)


def _parameter(name: str, hint: Any, required: bool, path: str, faults: list[Fault]) -> Iterator[Parameter]:
    try:
        yield Parameter(name, MessageType(hint), required)
    except (TypeError, ValueError) as error:
        faults.append(Fault(pointer_below(path, name), "JSON has no such type", found=str(error)[:200]))


def _is_caller(hint: Any) -> bool:
    kinds = [hint, *get_args(hint)]
    return any(
        one is Caller or (getattr(one, "__module__", ""), getattr(one, "__name__", "")) == SERVEY_CALLER
        for one in kinds
    )
