"""Mails of the service itself, in words."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jinja2 import Environment

Notice = tuple[str, str, str]
"""Subject, plain text, HTML."""


def reconnect(provider: str, account: str, url: str) -> Notice:
    """An account's access was lost; `url` is a connect link for the reader."""
    return _notice(
        subject=f"Reconnect {provider} to keep your meeting links coming",
        heading=f"{provider} needs to be reconnected",
        paragraphs=(
            f"{provider} no longer lets us make meetings with the account {account}.",
            "New bookings are accepted, and wait for their link until the account is connected again. "
            "Links that were sent already keep working.",
        ),
        button=f"Reconnect {provider}",
        url=url,
        footnote="This link works once and for eight days. Sign in with the same account.",
    )


def _notice(**said: object) -> Notice:
    text = _templates().get_template("notice.txt").render(said)
    html = _templates().get_template("notice.html").render(said)
    return str(said["subject"]), text, html


@cache
def _templates() -> Environment:
    from chalicelib.mail.compose import templates

    return templates()
