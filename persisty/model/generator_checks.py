"""Check that the generators of a declaration fit their attributes: the type of the values, and no upper bound for a counter.

If an attribute rejected the values of its generator, every create would fail, or each engine would count differently.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from ..errors import Fault
from .generators import SEQUENCE, VERSION, Generator
from .meta import Attribute
from .types import INTEGER_MAX, Kind, bare, metas_of

COUNTERS = (VERSION, SEQUENCE)
"""Generators that count from 1 without limit."""
SUBJECTS = frozenset({"subject", "owner"})
"""Generators whose value depends on the caller, so it cannot be tried at the declaration."""
WRITTEN = {
    Kind.INTEGER: "int",
    Kind.STRING: "str",
    Kind.UUID: "UUID",
    Kind.DATETIME: "datetime",
}
"""Kind → how an annotation writes it."""


def check_generators(attributes: Iterable[Attribute], faults: list[Fault]) -> None:
    """Add a fault for each attribute whose generator gives values that the attribute rejects, and for a second version of the item."""
    version = None
    for one in attributes:
        if one.generator is None:
            continue
        faults += _faults(one, one.generator)
        if one.generator is VERSION:
            if version is not None:
                faults.append(
                    Fault(f"/{one.name}", f"is a second version of the item besides {version}", "one VERSION")
                )
            version = version or one.name


def _faults(one: Attribute, generator: Generator) -> Iterator[Fault]:
    fits = [WRITTEN[Kind(kind)] for kind in generator.fits]
    if fits and one.kind not in generator.fits:
        message = f"has the generator {generator.name}, which does not give a value of this type"
        yield Fault(f"/{one.name}", message, " or ".join(fits), _shown(one))
    elif generator in COUNTERS:
        if type(bare(one.type)) is not type or _is_bounded(one):
            message = f"has the generator {generator.name}, which counts from 1 without limit, and bounds that limit it"
            yield Fault(
                f"/{one.name}", message, "int without le, lt, multiple_of, and a lower bound above 1", str(one.type)
            )
    elif fits and generator.create is not None and generator.name not in SUBJECTS:
        try:
            msgspec.convert(generator.create(), one.type)
        except (TypeError, ValueError) as error:
            yield Fault(
                f"/{one.name}",
                f"has the generator {generator.name}, whose values it rejects: {error}",
                found=str(one.type),
            )


def _is_bounded(one: Attribute) -> bool:
    """Return whether the counter would reach a number that the attribute rejects."""
    return any(
        (meta.le is not None and meta.le < INTEGER_MAX)
        or meta.lt is not None
        or meta.multiple_of not in (None, 1)
        or (meta.ge is not None and meta.ge > 1)
        or (meta.gt is not None and meta.gt >= 1)
        for meta in metas_of(one.type)
    )


def _shown(one: Attribute) -> str:
    target = bare(one.type)
    return target.__name__ if isinstance(target, type) else str(target)
