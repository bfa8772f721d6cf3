"""Hypothesis strategies: filters and orders over the dirty rows, with every operator on every attribute, nested ones included."""

from __future__ import annotations

from hypothesis import strategies as st

from persisty import Filter, meta_of
from persisty.model.types import OPERATORS

from .dirty import DOMAINS, PLACES
from .items import Specimen

META = meta_of(Specimen)
SORTABLE = [name for name in DOMAINS if META.attributes[name].sortable]
VALUES = DOMAINS | {
    "place.city": tuple(place and place.city for place in PLACES),
    "place.height": tuple(place and place.height for place in PLACES),
}
"""Attribute, nested or not → values for comparisons."""


def _of(name: str, operator: str) -> st.SearchStrategy[Filter]:
    outer, _, inner = name.partition(".")
    expression = getattr(Specimen, outer)
    if inner:
        expression = getattr(expression, inner)
    values = st.sampled_from([one for one in VALUES[name] if one is not None])
    if operator == "null":
        return st.booleans().map(expression.is_null)
    if operator == "oneof":
        return st.lists(values | st.none(), max_size=4).map(expression.oneof)
    method = f"__{operator}__" if operator in ("eq", "ne", "lt", "le", "gt", "ge") else operator
    return values.map(getattr(expression, method))


PAIRS = [
    (name, operator) for name in VALUES for operator, kinds in OPERATORS.items() if META.attribute(name).kind in kinds
]
FILTERS: st.SearchStrategy[Filter] = st.recursive(
    st.sampled_from(PAIRS).flatmap(lambda pair: _of(*pair)),
    lambda inner: (
        st.tuples(inner, inner).map(lambda pair: pair[0] & pair[1])
        | st.tuples(inner, inner).map(lambda pair: pair[0] | pair[1])
        | inner.map(lambda one: ~one)
    ),
    max_leaves=6,
)
TERMS = st.sampled_from(SORTABLE).flatmap(lambda name: st.sampled_from([name, f"-{name}"]))
ORDERS = st.lists(TERMS, min_size=1, max_size=3)
