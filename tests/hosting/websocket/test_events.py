"""The events that subscribers receive."""

from __future__ import annotations

import httpx

from tests.parity.table import item_id
from tests.shop import Article, Maker, Note, app

from .clients import ANN, STAFF, Place, client, create, following


def test_every_kind_of_write_is_an_event_in_the_form_of_a_query(place: Place) -> None:
    with client(place) as anybody:
        query = "{ id code price maker { name article_count } }"
        anybody.begin("1", f"subscription {{ made: articleCreated {query} }}")
        key = create(place, "rest", maker_id=str(item_id(900)))
        [answered] = httpx.post(
            f"http://{place}/graphql", json={"query": f'{{ made: articleRead(key: "{key}") {query} }}'}
        ).json()["data"].values()  # fmt: skip
        assert answered["maker"] == {"name": "Ann & Sons", "article_count": answered["maker"]["article_count"]}
        assert anybody.hear() == following("1", made=answered)
        app.store(Article).create({"code": "python", "price": "2"})
        assert anybody.hear()["payload"]["data"]["made"]["code"] == "python"


def test_each_kind_of_change_has_its_subscription_and_a_deletion_has_the_before_image(place: Place) -> None:
    with client(place, STAFF) as staff:
        stocks = {"Created": 0, "Updated": 4, "Deleted": 4}
        for kind in stocks:
            staff.begin(kind, f"subscription {{ article{kind} {{ code stock }} }}")
        articles = app.store(Article)
        made = articles.create({"code": "new", "price": "2"})
        articles.update(made.id, {"stock": 4})
        articles.delete(made.id)
        told = sorted((staff.hear() for _ in range(3)), key=lambda one: list(stocks).index(one["id"]))
        assert told == [
            following(kind, **{f"article{kind}": {"code": "new", "stock": stock}}) for kind, stock in stocks.items()
        ]


def test_a_filter_with_variables_selects_events(place: Place) -> None:
    query = 'subscription($least: Int!) { articleCreated(where: {stock: {ge: $least}, maker: {name: {eq: "Böll"}}}) { code } }'
    with client(place) as anybody:
        anybody.begin("a", query, least=5)
        for code, stock, maker in (("few", 4, 901), ("other", 9, 900), ("right", 5, 901)):
            create(place, code, stock=stock, maker_id=str(item_id(maker)))
        assert anybody.hear() == following("a", articleCreated={"code": "right"})


def test_each_subscriber_receives_only_items_and_attributes_that_it_may_read(place: Place) -> None:
    query = "subscription { articleUpdated { code cost } }"
    with client(place) as anybody, client(place, STAFF) as staff, client(place, ANN) as ann:
        for one in (anybody, staff, ann):
            one.begin("1", query)
        articles = app.store(Article)
        articles.update(item_id(2), {"stock": 1})  # which is hidden
        articles.update(item_id(3), {"stock": 1})
        assert staff.hear() == following("1", articleUpdated={"code": "two", "cost": 2})
        assert staff.hear() == following("1", articleUpdated={"code": "three", "cost": 3})
        for one in (anybody, ann):
            assert one.hear() == following("1", articleUpdated={"code": "three", "cost": None})
        articles.update(item_id(3), {"hidden": True})
        articles.update(item_id(4), {"stock": 1})
        assert ann.hear() == following("1", articleUpdated={"code": "four", "cost": None})


def test_an_owner_receives_events_of_its_items(place: Place) -> None:
    with client(place, ANN) as ann, client(place) as anybody:
        ann.begin("1", "subscription { noteCreated { text owner } }")
        for owner in ("bob", "ann"):
            app.store(Note).create(Note(id=item_id(800 + len(owner) + ord(owner[0])), text="new", owner=owner))
        assert ann.hear() == following("1", noteCreated={"text": "new", "owner": "ann"})
        anybody.ask("1", "subscription { noteCreated { text } }")
        refusal = anybody.hear()
        assert (refusal["type"], refusal["id"]) == ("error", "1")
        [error] = refusal["payload"]
        assert (error["extensions"]["code"], error["path"]) == ("unauthenticated", ["noteCreated"])


def test_a_filter_on_an_unreadable_attribute_is_rejected(place: Place) -> None:
    with client(place, ANN) as ann:
        ann.ask("1", "subscription { articleCreated(where: {cost: {gt: 1}}) { code } }")
        [error] = ann.hear()["payload"]
        assert error["extensions"]["code"] == "invalid_query"
        assert error["extensions"]["faults"][0]["path"].startswith("/where/cost")


def test_each_successful_edit_of_a_batch_is_an_event(place: Place) -> None:
    with client(place) as anybody:
        anybody.begin("1", "subscription { makerCreated { name } }")
        token = app.authenticator.token(STAFF)
        edits = [{"create": {"name": name}} for name in ("a", "", "b")]
        done = httpx.post(
            f"http://{place}/graphql",
            headers={"authorization": f"Bearer {token}"},
            json={
                "query": "mutation($edits: [MakerEdit!]!) { makerEditBatch(edits: $edits, atomic: false) { code } }",
                "variables": {"edits": edits},
            },
        ).json()
        assert "errors" in done or [one["code"] for one in done["data"]["makerEditBatch"]][1] != "created"
        app.store(Maker).create({"name": "last"})
        names = []
        while not names or names[-1] != "last":
            names.append(anybody.hear()["payload"]["data"]["makerCreated"]["name"])
        assert names in (["last"], ["a", "b", "last"])
