"""Custom actions: operations that are not verbs of one store. REST and GraphQL offer them too."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID, uuid4

from msgspec import Meta, Struct
from persisty import Caller, Create, Fault, InvalidInput, authenticated
from servey.action.action import action
from servey.trigger.web_trigger import WEB_POST

from .app import Line, Purchase, app


class Wanted(Struct, forbid_unknown_fields=True):
    """A number of one product."""

    product_id: UUID
    quantity: Annotated[int, Meta(ge=1, le=1000)] = 1


@action(access_control=authenticated, triggers=WEB_POST)
def buy(lines: list[Wanted], caller: Caller, note: str | None = None) -> UUID:
    """Create a purchase and its lines in one transaction. Return its key. Nothing is stored if a product is missing."""
    purchase = Purchase(id=uuid4(), customer_id=str(caller.subject), note=note)
    bought = [Line(purchase_id=purchase.id, product_id=one.product_id, quantity=one.quantity) for one in lines]
    results = app.edit_batch([Create(purchase), *map(Create, bought)], atomic=True)
    refused = [number for number, result in enumerate(results[1:]) if isinstance(result.error, InvalidInput)]
    if refused:  # say which lines of the call, not which edits of the batch
        paths = [f"/lines/{number}/product_id" for number in refused]
        raise InvalidInput(faults=[Fault(path, "There is no such product") for path in paths])
    for result in results:
        if result.error is not None:
            raise result.error
    return purchase.id
