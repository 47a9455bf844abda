"""A person at a browser, for scripts: signs in on the stand-in's pages and allows or denies the app."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Literal

import httpx


def answer_consent(
    client: httpx.Client, authorize_url: str, email: str, password: str, decision: Literal["allow", "deny"] = "allow"
) -> str:
    """Walk from the authorize address to the redirect back, and return the address redirected to, unvisited.

    `client` keeps the session's cookie; a signed-in one is not asked to sign in again. Raises ValueError with the
    page's text when a page does not lead on, as after a wrong password.
    """
    page = client.get(authorize_url, follow_redirects=True)
    if form := _hidden_fields(page, "next"):
        page = client.post(
            page.url.join("/signin"), data=form | {"email": email, "password": password}, follow_redirects=True
        )
    form = _hidden_fields(page, "csrf")
    if not page.is_success or not form:
        raise ValueError(page.text)
    answer = client.post(page.url, data={"csrf": form["csrf"], "decision": decision}, follow_redirects=False)
    return answer.headers["Location"]


def _hidden_fields(page: httpx.Response, first: str) -> dict[str, str]:
    """The hidden fields of a page whose first one has that name; empty for any other page."""
    reader = _HiddenFields()
    reader.feed(page.text)
    return reader.fields if next(iter(reader.fields), None) == first else {}


class _HiddenFields(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.fields: dict[str, str] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        field = dict(attrs)
        if tag == "input" and field.get("type") == "hidden":
            self.fields.setdefault(field.get("name") or "", field.get("value") or "")
