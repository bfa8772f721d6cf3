"""The pages in a real browser, with a real server: the links and buttons work, the console has no errors, and no request goes to another host.
`SCREENSHOTS=folder` saves screenshots."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from examples.messenger.app import app
from persisty.security.caller import Caller
from tests.hosting.processes import Served, eventually, serving

SECRET = "a secret of these tests, and of nothing else in the whole wide world"
ANN = Caller("d174c8d5-155b-5725-b741-fb94ebb81cdd")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
SIZES = {"wide": (1280, 800), "phone": (390, 844)}

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium here: apt-get install chromium")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("pages")
    options = ("--seed", "examples.messenger.seeds:seed", "--url", "memory://")
    with serving(folder, "examples.messenger.app:app", *options, PERSISTY_TOKEN_SECRET=SECRET) as found:
        yield found


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture(scope="module")
def token() -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PERSISTY_TOKEN_SECRET", SECRET)
        patch.setattr(app, "_authenticator", None)
        yield app.authenticator.token(ANN)


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder for screenshots."""
    kept = os.environ.get("SCREENSHOTS")
    folder = Path(kept) if kept else tmp_path_factory.mktemp("screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextmanager
def opened(browser: Browser, served: Served, path: str, size: str = "wide") -> Iterator[Page]:
    """Yield a page. Its console must have no errors, and all of its requests must go to the server and succeed."""
    width, height = SIZES[size]
    context = browser.new_context(viewport={"width": width, "height": height}, base_url=served.url)
    wrong: list[str] = []
    page = context.new_page()
    page.on("console", lambda said: wrong.append(f"console: {said.text}") if said.type == "error" else None)
    page.on("pageerror", lambda error: wrong.append(f"error: {error}"))
    page.on("requestfailed", lambda request: wrong.append(f"failed: {request.url} {request.failure}"))
    page.on("response", lambda answer: wrong.append(f"{answer.status}: {answer.url}") if answer.status >= 400 else None)

    def look(route: Any) -> None:
        if route.request.url.startswith((served.url, "data:", "blob:")):
            route.continue_()
        else:
            wrong.append(f"elsewhere: {route.request.url}")
            route.abort()

    page.route("**/*", look)
    page.goto(path, wait_until="networkidle")
    yield page
    context.close()
    assert wrong == []


def no_wider_than_its_window(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"))


@pytest.mark.parametrize("size", SIZES)
def test_the_front_page_links_to_every_other_page(browser: Browser, served: Served, shown: Path, size: str) -> None:
    with opened(browser, served, "/", size) as page:
        page.screenshot(path=shown / f"index-{size}.png")
        assert no_wider_than_its_window(page)
        assert page.title() == "messenger"
        assert page.locator("h1").inner_text() == "messenger"
        links = {str(one.get_attribute("href")) for one in page.get_by_role("link").all()}
        assert {"docs", "graphiql", "openapi.json", "api/", "docs#/message", "docs#/actions/log_in"} <= links
        for path in links:
            assert served.get(f"/{path.partition('#')[0]}").status_code == 200


@pytest.mark.parametrize("size", SIZES)
def test_the_documentation_folds_filters_headers_and_errors(
    browser: Browser, served: Served, shown: Path, size: str
) -> None:
    with opened(browser, served, "/docs", size) as page:
        block = page.locator('.opblock-get:has([data-path="/api/message"])')
        block.locator(".opblock-summary-control").click()
        block.locator(".fold").first.wait_for()
        page.wait_for_timeout(300)
        block.screenshot(path=shown / f"docs-search-{size}.png")
        assert no_wider_than_its_window(page)
        box = block.bounding_box()
        assert box is not None
        assert box["height"] < {"wide": 3000, "phone": 3600}[size]
        contains = block.locator('tr[data-param-name="text__contains"]')
        assert contains.count() == 0
        block.get_by_role("button", name="Show 11 filters of text").click()
        assert contains.count() == 1
        block.get_by_role("button", name="Hide 11 filters of text").click()
        assert contains.count() == 0
        assert block.locator('tr[data-param-name="If-Match"]').count() == 0
        block.get_by_role("button", name="Show 4 request headers").click()
        assert block.locator('tr[data-param-name="If-Match"]').count() == 1
        block.get_by_role("button", name=re.compile(r"Show \d+ errors")).click()
        refused = block.locator('tr.response[data-code="401"]')
        assert '"status": 401' in refused.inner_text()
        assert "unauthenticated" in refused.inner_text()


def test_a_route_that_needs_a_token_has_a_closed_padlock(browser: Browser, served: Served, token: str) -> None:
    with opened(browser, served, "/docs") as page:

        def locked(path: str, method: str = "get") -> bool:
            button = page.locator(f'.opblock-{method}:has([data-path="{path}"]) .authorization__btn')
            return "authorization button locked" in str(button.get_attribute("aria-label"))

        page.locator(".opblock").first.wait_for()
        assert (locked("/api/message"), locked("/actions/statistics")) == (True, False)
        page.locator(".btn.authorize").click()
        page.locator(".auth-container input").first.fill(token)
        page.locator(".auth-btn-wrapper .authorize").first.click()
        page.locator(".btn-done").first.click()
        assert (locked("/api/message"), locked("/actions/statistics")) == (False, False)


@pytest.mark.parametrize("size", SIZES)
def test_the_documentation_sends_an_authenticated_request(
    browser: Browser, served: Served, token: str, shown: Path, size: str
) -> None:
    with opened(browser, served, "/docs", size) as page:
        page.locator(".opblock").first.wait_for()
        page.screenshot(path=shown / f"docs-{size}.png")
        assert no_wider_than_its_window(page)
        page.locator(".btn.authorize").click()
        page.locator(".auth-container input").first.fill(token)
        page.locator(".auth-btn-wrapper .authorize").first.click()
        page.locator(".btn-done").first.click()
        block = page.locator('.opblock-get:has([data-path="/api/message"])')
        block.locator(".opblock-summary-control").click()
        block.get_by_role("button", name="Try it out").click()
        block.locator('tr[data-param-name="limit"] input').fill("2")
        block.get_by_role("button", name="Execute").click()
        block.locator(".live-responses-table tbody .response-col_status").wait_for()
        assert block.locator(".live-responses-table tbody .response-col_status").first.inner_text().split()[0] == "200"
        told = json.loads(block.locator(".live-responses-table .highlight-code code").first.inner_text())
        asked = served.get("/api/message?limit=2", headers={"authorization": f"Bearer {token}"}).json()
        assert told == asked
        assert len(told["items"]) == 2
        block.locator(".live-responses-table").scroll_into_view_if_needed()
        page.screenshot(path=shown / f"docs-answer-{size}.png")


def type_into(page: Page, editor: str, text: str) -> None:
    page.locator(f"{editor} .CodeMirror:visible").first.click()
    page.keyboard.press("Control+A")
    page.keyboard.insert_text(text)


def answer_in(page: Page) -> Any:
    """Return GraphiQL's response, once it is JSON."""

    def read() -> Any:
        page.wait_for_timeout(50)
        text = page.evaluate("document.querySelector('.result-window .CodeMirror').CodeMirror.getValue()")
        try:
            return json.loads(text)
        except json.JSONDecodeError:
            return None

    return eventually(read, 15)


def begin_as(page: Page, token: str) -> None:
    """Run the document in the editor with the token of a caller."""
    page.get_by_role("button", name="Headers").click()
    type_into(page, ".graphiql-editor-tool", json.dumps({"authorization": f"Bearer {token}"}))
    page.locator(".graphiql-execute-button").click()


@pytest.mark.parametrize("size", SIZES)
def test_graphiql_runs_an_authenticated_query(
    browser: Browser, served: Served, token: str, shown: Path, size: str
) -> None:
    query = "{ messageSearch(limit: 2, order: [created_at_desc]) { items { id text author { username } } } }"
    with opened(browser, served, "/graphiql", size) as page:
        page.locator(".graphiql-execute-button").wait_for()
        type_into(page, ".graphiql-query-editor", query)
        begin_as(page, token)
        told = answer_in(page)
        headers = {"authorization": f"Bearer {token}"}
        assert told == httpx.post(f"{served.url}/graphql", json={"query": query}, headers=headers).json()
        assert len(told["data"]["messageSearch"]["items"]) == 2
        page.screenshot(path=shown / f"graphiql-{size}.png")
        answer = page.locator(".result-window").bounding_box()
        assert answer is not None
        assert answer["width"] > 0.4 * SIZES[size][0]


def test_graphiql_shows_a_query_of_the_app_first(browser: Browser, served: Served, token: str, shown: Path) -> None:
    with opened(browser, served, "/graphiql") as page:
        page.locator(".graphiql-execute-button").wait_for()
        page.screenshot(path=shown / "graphiql-opened.png")
        begin_as(page, token)
        items = answer_in(page)["data"]["messageSearch"]["items"]
        assert len(items) == 5
        assert items[0]["author"]["username"]


def test_graphiql_subscribes_as_an_authenticated_caller(
    browser: Browser, served: Served, token: str, shown: Path
) -> None:
    with opened(browser, served, "/graphiql") as page:
        page.locator(".graphiql-execute-button").wait_for()
        type_into(page, ".graphiql-query-editor", "subscription { messageCreated { text author { id } } }")
        frames: list[str] = []
        page.on("websocket", lambda socket: socket.on("framesent", lambda frame: frames.append(str(frame))))
        begin_as(page, token)

        def subscribed() -> bool:
            page.wait_for_timeout(50)
            return any('"subscribe"' in frame for frame in frames)

        eventually(subscribed)
        mutation = {"query": 'mutation { messageCreate(item: {text: "Hello, live"}) { id } }'}
        headers = {"authorization": f"Bearer {token}"}
        made = httpx.post(f"{served.url}/graphql", json=mutation, headers=headers)
        assert "errors" not in made.json()
        assert answer_in(page) == {"data": {"messageCreated": {"text": "Hello, live", "author": {"id": ANN.subject}}}}
        page.screenshot(path=shown / "graphiql-subscription.png")


def test_graphiql_shows_the_schema(browser: Browser, served: Served, shown: Path) -> None:
    with opened(browser, served, "/graphiql") as page:
        page.get_by_role("button", name="Show Documentation Explorer").click()
        page.locator(".graphiql-doc-explorer a", has_text="Query").first.click()
        page.locator(".graphiql-doc-explorer a", has_text="messageSearch").first.wait_for()
        page.screenshot(path=shown / "graphiql-schema.png")
