"""Browsers on the workspace's own pages."""

from __future__ import annotations

import re

import httpx

from infra.local.visitor import press
from tests.support.product import WORKSPACE, Product


def sign_in_by_email(product: Product, browser: httpx.Client, email: str) -> httpx.Response:
    """Request a link, follow the one in the email, and press its button: the page that is shown in the end."""
    asked = browser.post("/workspace/sign-in", data={"email": email})
    assert asked.status_code == 200, asked.text
    return follow_emailed_link(product, browser)


def follow_emailed_link(product: Product, browser: httpx.Client) -> httpx.Response:
    """Follow the link in the newest email and press its button."""
    link = re.search(rf"{re.escape(product.base_url)}/workspace/sign-in/[\w-]+", product.mails.notices[-1].text)
    assert link is not None
    return press(browser, browser.get(link[0]), "/workspace/sign-in/")


def open_workspace(
    product: Product,
    browser: httpx.Client,
    *,
    role: str = "support",
    email: str = "support@example.com",
    workspace_id: str = WORKSPACE,
) -> httpx.Response:
    """Open the pages by a link of the backend: the page that is shown in the end."""
    answer = product.caller(workspace_id).post("/v1/workspace-links", json={"email": email, "role": role})
    assert answer.status_code == 201, answer.text
    return press(browser, browser.get(answer.json()["url"]), "/workspace/sign-in/")
