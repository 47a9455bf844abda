"""The whole product on a loopback port, for real browsers: still one process, moto and a clock that tests move.

Zoom is the stand-in: what a browser asks of zoom.us never leaves the machine.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from infra.local.gateway import wsgi
from infra.local.standins.server import serve
from tests.support.aws import Aws
from tests.support.clock import FakeClock
from tests.support.product import ACCOUNT, WORKSPACE, ZOOM, Product

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Route


@contextmanager
def served(aws: Aws, clock: FakeClock, **environment: str) -> Iterator[Product]:
    """A product that browsers find at its `base_url`."""
    apps: list[Any] = []

    def app(environ: Any, start_response: Any) -> Any:
        return apps[0](environ, start_response)  # The address is known before the product.

    server = serve(app)
    try:
        product = Product(aws, clock, base_url=server.url, **environment)
        apps.append(wsgi(product.app))
        yield product
    finally:
        server.close()


@contextmanager
def window(browser: Browser, product: Product, **options: Any) -> Iterator[Page]:
    """A browser session of its own."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, **options)
    zoom = product.browser()

    def answer(route: Route) -> None:
        asked = route.request
        media_type = {"Content-Type": asked.headers["content-type"]} if asked.post_data_buffer else {}
        answer = zoom.request(asked.method, asked.url, content=asked.post_data_buffer, headers=media_type)
        route.fulfill(status=answer.status_code, headers=dict(answer.headers), body=answer.content)

    context.route(f"{ZOOM}/**", answer)
    try:
        yield context.new_page()
    finally:
        context.close()


def open_settings(page: Page, product: Product, workspace_id: str = WORKSPACE) -> None:
    """Follow a new connect link and press its button."""
    page.goto(product.connect_link(workspace_id=workspace_id, name="Demo Host", email="host@example.com"))
    page.get_by_role("button", name="Continue").click()
    page.wait_for_url(f"{product.base_url}/settings*")


def sign_in(page: Page, *, allow: bool = True) -> None:
    """On the stand-in's pages, until the browser is back on ours."""
    page.get_by_label("email").fill(ACCOUNT.email)
    page.get_by_label("password").fill(ACCOUNT.password)
    page.get_by_role("button", name="Allow" if allow else "Deny").click()
    page.wait_for_url(lambda url: not url.startswith(ZOOM))
