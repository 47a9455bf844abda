"""A browser for scripts: submit forms, sign in at a stand-in and consent."""

from __future__ import annotations

from collections.abc import Mapping
from html.parser import HTMLParser

import httpx


def press(
    browser: httpx.Client,
    page: httpx.Response,
    action: str,
    *,
    follow: bool = True,
    typed: Mapping[str, str] | None = None,
) -> httpx.Response:
    """Submit the form with `action` in its address. It sends the hidden fields and the `typed` ones.

    Raises ValueError with the page's text if there is no such form.
    """
    forms = _Forms()
    forms.feed(page.text)
    for address, fields in forms.found:
        if action in address:
            return browser.post(page.url.join(address), data=fields | dict(typed or {}), follow_redirects=follow)
    raise ValueError(f"There is no form for {action} on this page: {page.text[:500]}")


def sign_in_and_consent(
    browser: httpx.Client, authorize_url: str, email: str, password: str, *, allow: bool = True, untick: str = ""
) -> str:
    """Sign in and decide on the consent page of a stand-in. Return the redirect address, without visiting it.

    `untick` is a scope to refuse, where the provider lets people choose. Raises ValueError with the page's text if the
    stand-in does not redirect.
    """
    page = browser.get(authorize_url, follow_redirects=True)
    boxes = _Forms()
    boxes.feed(page.text)
    form = {"email": email, "password": password, "decision": "allow" if allow else "deny"}
    scopes = [value for value in boxes.ticked if value != untick]
    response = browser.post(page.url, data=form | {"scope": scopes}, follow_redirects=False)
    if "Location" not in response.headers:
        raise ValueError(response.text)
    return response.headers["Location"]


class _Forms(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str]]] = []
        self.ticked: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        if tag == "form":
            self.found.append((attributes.get("action") or "", {}))
        elif tag == "input" and attributes.get("type") == "hidden" and self.found:
            self.found[-1][1][attributes.get("name") or ""] = attributes.get("value") or ""
        elif tag == "input" and attributes.get("type") == "checkbox" and "checked" in attributes:
            self.ticked.append(attributes.get("value") or "")
