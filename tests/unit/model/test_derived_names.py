"""A declaration rejects names that the API derives from another item, and proposes an alternative."""

from __future__ import annotations

import enum
import re
from typing import Any

import msgspec
import pytest
from servey.action.action import action
from servey.trigger.web_trigger import WEB_GET, WEB_POST

from persisty import App, InvalidDeclaration, everyone, private, public, read_only, stored
from persisty.api.actions import operations
from persisty.api.graphql.hosted.endpoint import GraphqlEndpoint
from persisty.api.graphql.sdl import sdl
from persisty.api.graphql.subscriptions import subscriptions
from persisty.api.openapi.document import document
from persisty.model.derived_names import PATHS, RESERVED, SUFFIXES, TYPES, value_type_faults
from persisty.model.schema_json import schema_from_json, schema_to_json
from persisty.naming import snake


class Color(enum.Enum):
    RED = "RED"


def item(name: str, access: Any = public) -> Any:
    """Return a stored class with this name."""
    return stored(access=access)(type(name, (), {"__annotations__": {"id": str, "color": Color, "tags": list[str]}}))


CUSTOMER = item("Customer")


def schemas(app: App) -> tuple[set[str], set[str]]:
    """Return the names of types in GraphQL and in OpenAPI."""
    known, followed = operations(app).values(), subscriptions(app.metas.values())
    texts = [sdl(known, appsync=appsync, subscriptions=followed) for appsync in (False, True)]
    graphql = {name for text in texts for name in re.findall(r"^(?:type|input|enum) (\w+)", text, re.MULTILINE)}
    return graphql, {*document(app)["components"]["schemas"]}


def test_the_table_has_every_derived_name() -> None:
    @action(access_control=everyone, triggers=WEB_POST)
    def take(one: CUSTOMER) -> CUSTOMER:
        return one

    take.__annotations__ = {"one": CUSTOMER, "return": CUSTOMER}
    graphql, openapi = schemas(App("shop", items=[CUSTOMER], actions=[take], url="memory://"))
    derived = {name.removeprefix("Customer") for name in graphql | openapi if name.startswith("Customer")}
    assert derived == {"", *TYPES}
    others = {name for name in graphql | openapi if not name.startswith("Customer")}
    assert {name for name in others if not name.endswith("Operators")} - RESERVED == {"Color"}
    paths = {path.partition("-")[2] for path in document(App("b", items=[CUSTOMER], url="memory://"))["paths"]}
    assert {suffix.lower() for suffix in PATHS} == paths - {""}


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("first", [True, False], ids=["declared first", "declared last"])
def test_an_item_with_a_derived_name_is_rejected(suffix: str, first: bool) -> None:
    both = [CUSTOMER, item("Customer" + suffix)]
    with pytest.raises(InvalidDeclaration) as caught:
        App("shop", items=both if first else both[::-1], url="memory://")
    [fault] = caught.value.faults
    assert fault.path == f"/items/{snake('Customer' + suffix)}"
    assert f"Customer{suffix} to the {SUFFIXES[suffix]} of customer" in fault.message
    assert fault.expected == "another class name, or @stored(name=…)"


@pytest.mark.parametrize("name", ["Problem", "Fault", "Query", "String", "Mutation"])
def test_an_item_with_a_name_of_the_api_is_rejected(name: str) -> None:
    with pytest.raises(InvalidDeclaration, match=f"/items/{name.lower()}: The API uses the name {name} itself"):
        App("shop", items=[item(name)], url="memory://")


def test_two_items_with_one_type_name_are_rejected() -> None:
    with pytest.raises(InvalidDeclaration, match="Another item has the type Item2 in the API"):
        App(
            "shop",
            items=[
                item("Item2"),
                stored(name="item_2", access=public)(type("I", (), {"__annotations__": {"id": str}})),
            ],
        )


def test_the_proposed_name_works_and_items_that_no_surface_offers_need_none() -> None:
    renamed = stored(name="purchase", access=public)(type("CustomerOrder", (), {"__annotations__": {"id": str}}))
    graphql, openapi = schemas(App("shop", items=[CUSTOMER, renamed], url="memory://"))
    assert {"PurchasePage", "CustomerOrder"} <= graphql
    assert {"PurchasePage", "CustomerPage"} <= openapi
    App("shop", items=[CUSTOMER, item("CustomerOrder", private)], url="memory://")
    App("shop", items=[item("Customer", None), item("CustomerOrder")], url="memory://")


def test_an_item_that_is_added_while_the_app_runs_is_checked_too() -> None:
    app = App("shop", items=[CUSTOMER], url="memory://")
    with pytest.raises(InvalidDeclaration, match="/items/customer_page"):
        app.add(item("CustomerPage", read_only))
    other = App("shop", items=[item("CustomerPage")], url="memory://")
    with pytest.raises(InvalidDeclaration, match="/items/customer_page"):
        other.add(CUSTOMER)
    assert (app.catalogue.revision, other.catalogue.revision) == (1, 1)


class CustomerCreate(msgspec.Struct):
    code: int


class Problem(msgspec.Struct):
    why: str
    created: CustomerCreate


def test_openapi_renames_the_types_of_actions_that_are_named_like_derived_ones() -> None:
    @action(access_control=everyone, triggers=WEB_GET)
    def complain() -> Problem:
        return Problem("x", CustomerCreate(1))

    found = document(App("shop", items=[CUSTOMER], actions=[complain], url="memory://"))
    components = found["components"]["schemas"]
    answer = found["paths"]["/actions/complain"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    assert answer == {"$ref": "#/components/schemas/Problem2"}
    assert components["Problem2"]["properties"]["created"] == {"$ref": "#/components/schemas/CustomerCreate2"}
    assert set(components["CustomerCreate2"]["properties"]) == {"code"}
    assert "color" in components["CustomerCreate"]["properties"]
    assert "status" in components["Problem"]["properties"]


def test_openapi_distinguishes_a_class_from_the_item_of_the_same_name() -> None:
    class Customer(msgspec.Struct):
        code: int

    @action(access_control=everyone, triggers=WEB_GET)
    def other() -> Any: ...

    other.__annotations__ = {"return": Customer}
    found = document(App("shop", items=[CUSTOMER], actions=[other], url="memory://"))
    answer = found["paths"]["/actions/other"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    name = answer["$ref"].rpartition("/")[2]
    assert set(found["components"]["schemas"][name]["properties"]) == {"code"}
    assert "color" in found["components"]["schemas"]["Customer"]["properties"]


def test_openapi_distinguishes_an_enum_from_an_item_of_the_same_name_and_another_class() -> None:
    kind = enum.Enum("Kind", {"ONE": "one"}, module=__name__)
    body = {"__annotations__": {"id": str, "kind": kind}}
    sort = stored(name="kind", access=public)(type("Sort", (), body))
    components = document(App("shop", items=[sort], url="memory://"))["components"]["schemas"]
    name = components["Kind"]["properties"]["kind"]["$ref"].rpartition("/")[2]
    assert name != "Kind"
    assert components[name]["enum"] == ["one"]


def with_value(name: str, value: Any) -> Any:
    return stored(access=public)(type(name, (), {"__annotations__": {"id": str, "value": value}}))


def value_class(name: str, **fields: Any) -> Any:
    return msgspec.defstruct(name, list(fields.items()))


def test_two_different_classes_of_one_name_are_rejected_by_graphql_and_equal_ones_are_one_type() -> None:
    one, twin, other = value_class("Spot", x=int), value_class("Spot", x=int), value_class("Spot", y=int)
    same = App("spots", items=[with_value("First", one), with_value("Second", list[twin])], url="memory://")
    assert list(value_type_faults(same.metas, same.metas)) == []
    GraphqlEndpoint(same)
    differing = App("spots", items=[with_value("First", one), with_value("Second", list[other])], url="memory://")
    with pytest.raises(InvalidDeclaration, match="/Spot: Two different types have this name in GraphQL"):
        GraphqlEndpoint(differing)
    [fault] = value_type_faults(differing.metas, {"second"})
    assert (fault.path, fault.expected, fault.found) == ("/items/second", "another name of the class", "Spot")
    assert "The class Spot of value differs from that of first" in fault.message


@pytest.mark.parametrize("name", ["Customer", "CustomerWhere", "CustomerInput", "Query", "Fault"])
def test_a_class_within_an_attribute_with_the_name_of_another_type_is_not_added(name: str) -> None:
    app, holder = App("shop", items=[CUSTOMER], url="memory://"), with_value("Holder", value_class(name, x=int) | None)
    GraphqlEndpoint(app)
    with pytest.raises(InvalidDeclaration, match="which value needs for its class"):
        app.add(holder)
    if name != "CustomerInput":  # this type exists only if an action takes a customer
        with pytest.raises(InvalidDeclaration):
            GraphqlEndpoint(App("shop", items=[CUSTOMER, holder], url="memory://"))


def test_a_class_whose_values_are_json_in_the_api_may_have_any_name() -> None:
    flat = msgspec.defstruct("Customer", [("x", int)], array_like=True)
    dashed = msgspec.defstruct("CustomerPage", [("two_words", int)], rename="kebab")
    fault = dict[str, value_class("Fault", x=int)]  # type: ignore[misc]
    app = App("shop", items=[CUSTOMER], url="memory://")
    GraphqlEndpoint(app)
    app.add(with_value("First", flat), with_value("Second", dashed), with_value("Third", fault))
    GraphqlEndpoint(app)


def test_a_schema_whose_type_differs_from_that_of_another_item_is_not_added_and_graphql_still_works() -> None:
    app = App("spots", items=[with_value("First", value_class("Spot", x=int))], url="memory://")
    endpoint = GraphqlEndpoint(app)
    schema = with_value("Second", value_class("Spot", y=int)).__persisty__.schema
    with pytest.raises(InvalidDeclaration, match="The class Spot of value differs"):
        app.add(schema_from_json(schema_to_json(schema)))
    assert endpoint.schema.execute("{ firstCount }") == {"data": {"firstCount": 0}}
    app.add(schema_from_json(schema_to_json(with_value("Third", value_class("Spot", x=int)).__persisty__.schema)))
    assert endpoint.schema.execute("{ firstCount thirdCount }") == {"data": {"firstCount": 0, "thirdCount": 0}}
