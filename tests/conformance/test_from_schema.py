"""The suite over stores that are compiled from JSON: item → schema → JSON → schema → store. The classes of the suite's items are not used.

The modules of the suite are loaded a second time, under another name, with the compiled classes in place of `items`. Its tests are the
same text, so that `Note`, `Color` and `Place` in them are what the JSON describes.
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from types import ModuleType

import pytest

from persisty import meta_of
from persisty.model.compilation import compile_schemas
from persisty.model.relations import resolved_schema
from persisty.model.schema_json import document_from_json, document_of, schema_to_json
from persisty.testing import conformance
from persisty.testing.conformance import items
from persisty.testing.conformance.fixtures import OpenEngine

from .conftest import opener

MARK = "from-schema"
NAME = "persisty.testing.conformance_from_schema"


def compiled_items() -> ModuleType:
    """Return a module like `items`, made only from JSON."""
    declared = [one for one in vars(items).values() if isinstance(one, type) and hasattr(one, "__persisty__")]
    text = schema_to_json(document_of(resolved_schema(meta_of(one)) for one in declared))
    metas = compile_schemas(document_from_json(text).schemas)
    made = ModuleType(f"{NAME}.items")
    for meta in metas.values():
        setattr(made, meta.item.__name__, meta.item)
        for attribute in meta.attributes.values():
            for one in (attribute.type, *getattr(attribute.type, "__args__", ())):
                if isinstance(one, type) and one.__module__ == "persisty.model.type_construction":
                    setattr(made, one.__name__, one)
    made.LINKED = tuple(getattr(made, one.__name__) for one in items.LINKED)  # type: ignore[attr-defined]
    assert not {id(one) for one in vars(made).values()} & {id(one) for one in declared}
    return made


def suite() -> ModuleType:
    """Return the suite's package, loaded again over the compiled items."""
    assert conformance.__file__ is not None
    spec = spec_from_file_location(NAME, conformance.__file__, submodule_search_locations=[*conformance.__path__])
    assert spec is not None
    assert spec.loader is not None
    package = module_from_spec(spec)
    sys.modules[NAME], sys.modules[f"{NAME}.items"] = package, compiled_items()
    spec.loader.exec_module(package)
    return import_module(NAME)


globals().update(suite().EXPORTED)


@pytest.fixture(scope="session", params=[f"memory-{MARK}", f"sqlite-{MARK}"])
def open_engine(request: pytest.FixtureRequest) -> OpenEngine:
    return opener(request, request.param.removesuffix(f"-{MARK}"))
