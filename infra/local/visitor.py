"""A person at a browser, for scripts: finds a form on a page and presses its button."""

from __future__ import annotations

from html.parser import HTMLParser

import httpx


def press(browser: httpx.Client, page: httpx.Response, action: str, *, follow: bool = True) -> httpx.Response:
    """Submit the form whose address contains `action`, with its hidden fields.

    Raises ValueError with the page's text if there is no such form.
    """
    forms = _Forms()
    forms.feed(page.text)
    for address, fields in forms.found:
        if action in address:
            return browser.post(page.url.join(address), data=fields, follow_redirects=follow)
    raise ValueError(f"There is no form for {action} on this page: {page.text[:500]}")


class _Forms(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = dict(attrs)
        if tag == "form":
            self.found.append((known.get("action") or "", {}))
        elif tag == "input" and known.get("type") == "hidden" and self.found:
            self.found[-1][1][known.get("name") or ""] = known.get("value") or ""
