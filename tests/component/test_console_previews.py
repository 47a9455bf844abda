"""The console shows every kind of mail."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from infra.local.console import Mailbox, create_console
from infra.local.console.mail_cases import INVITATIONS, NOTICES, REMINDERS
from tests.component.test_console_inbox import DEMO


@pytest.fixture(scope="module")
def browser() -> FlaskClient:
    return create_console(DEMO, Mailbox()).test_client()


@pytest.mark.parametrize("case", [*INVITATIONS, *REMINDERS, *NOTICES])
def test_it_can_be_looked_at(browser: FlaskClient, case: str) -> None:
    page = browser.get("/mails", query_string={"case": case})
    paper = browser.get("/mails/html", query_string={"case": case})
    assert (page.status_code, paper.status_code) == (200, 200)
    assert "<!doctype html>" in paper.text and "default-src 'none'" in paper.headers["Content-Security-Policy"]


def test_an_unknown_kind_is_not_found(browser: FlaskClient) -> None:
    assert browser.get("/mails?case=nonsense").status_code == 404
