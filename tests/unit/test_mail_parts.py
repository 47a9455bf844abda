"""The parts of a mail: words in every language, colours that can be read, links into calendars, the sending rate."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from chalicelib.api.page_look import _DARK, _LIGHT
from chalicelib.domain.colors import contrast, ink_on, readable_on
from chalicelib.domain.invitation import Invite
from chalicelib.domain.workspace import Brand, Workspace
from chalicelib.errors import MailUnavailable
from chalicelib.mail.addresses import shown_address
from chalicelib.mail.content import look_of
from chalicelib.mail.message import compose
from chalicelib.mail.notice_templates import Letterhead, write_reconnect_notice
from chalicelib.mail.send_rate import SendRate, read_account_rate
from chalicelib.mail.web_calendars import web_calendar_links
from infra.local.console.mail_cases import NOTICES, mails
from tests.support.invites import GUEST, HOST, LINK, SENDER, guest_invite, host_invite, without_link
from tests.support.mailcheck import texts_of

COLORS = st.integers(0, 0xFFFFFF).map(lambda number: f"#{number:06x}")


# Words


def test_a_german_mail_holds_no_english_word():
    german, english = (texts_of(mails()[name].raw)[0] for name in ("German guest", "guest"))
    assert "Dienstag, 5. Januar 2027, 16:00 – 16:30 Uhr (Ortszeit Wien)" in german
    same = {line for line in german.splitlines() if line} & set(english.splitlines())
    assert not [line for line in same if re.search(r"\b(the|Join|With|When|Where|by)\b", line) and "://" not in line
                and line not in guest_invite().description]  # fmt: skip


def test_a_japanese_mail_has_no_space_between_sentences():
    text = texts_of(mails()["Japanese host, event not changed yet"].raw)[0]
    assert "次のとおりです。カレンダー" in text and "。 " not in text


# Colours


@given(COLORS)
def test_the_button_can_be_read(color: str):
    assert contrast(ink_on(color), color) >= 4.5


@given(COLORS)
def test_a_coloured_link_can_be_read_on_white(color: str):
    assert contrast(readable_on(color, "#ffffff"), "#ffffff") >= 4.5


@given(COLORS)
def test_a_coloured_link_can_be_read_on_the_cards_and_pages_of_day_and_night(color: str):
    light, dark = (readable_on(color, *backgrounds) for backgrounds in (_LIGHT, _DARK))
    assert min(contrast(light, background) for background in _LIGHT) >= 4.5
    assert min(contrast(dark, background) for background in _DARK) >= 4.5


@given(st.none() | COLORS)
def test_a_mails_links_can_be_read_at_night(color: str | None):
    night = look_of(Brand(color=color)).night_accent
    html = texts_of(compose(guest_invite(brand=Brand(color=color)), SENDER).raw)[1]
    card = re.search(r"\.card { background: (#\w{6}) !important", html)
    assert f".good, .plain {{ color: {night} !important; }}" in html
    assert card is not None and contrast(night, card.group(1)) >= 4.5


def test_a_readable_colour_stays_as_it_is_and_a_pale_one_keeps_its_hue():
    assert readable_on("#0f766e", *_LIGHT) == "#0f766e"
    red, green, blue = (int(readable_on("#ffd166", *_LIGHT)[at : at + 2], 16) for at in (1, 3, 5))
    assert red > green > blue


def test_the_backgrounds_are_those_of_the_stylesheet():
    sheet = (Path(__file__).parents[2] / "chalicelib/api/assets/settings.css").read_text(encoding="utf-8")
    found = [(card if len(card) == 7 else "#ffffff", paper) for paper, card in
             re.findall(r"--paper: (#\w+); --card: (#\w+)", sheet)]  # fmt: skip
    assert found == [_LIGHT, _DARK]


@pytest.mark.parametrize("color", ["red", "#fff", "#12345g", "#000000;background:url(x)", '"', None])
def test_what_is_no_colour_is_not_used(color: str | None):
    from chalicelib.mail.message import compose
    from tests.support.invites import SENDER

    html = texts_of(compose(guest_invite(brand=Brand(color=color)), SENDER).raw)[1]
    assert "background:#1f5fd6" in html and "url(" not in html


# Links into calendars


def query(link: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(link).query).items()}


def link(calendar: str, invite: Invite, title: str, details: str = "") -> str:
    return web_calendar_links(invite, title, details)[calendar]


def test_google_gets_the_booking():
    assert query(link("Google Calendar", guest_invite(), "A & B", "x\ny")) == {
        "action": "TEMPLATE", "text": "A & B", "dates": "20270105T150000Z/20270105T153000Z", "details": "x\ny",
        "location": LINK,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("calendar", "host"), [("Outlook.com", "outlook.live.com"), ("Outlook 365", "outlook.office.com")]
)
def test_outlook_gets_the_booking(calendar: str, host: str):
    outlook = link(calendar, without_link(), "A")
    assert urlsplit(outlook).hostname == host
    assert query(outlook) == {
        "path": "/calendar/action/compose", "rru": "addevent", "subject": "A", "startdt": "2027-01-05T15:00:00Z",
        "enddt": "2027-01-05T15:30:00Z",
    }  # fmt: skip


def test_yahoo_gets_the_booking():
    assert query(link("Yahoo", guest_invite(), "A & B", "x\ny")) == {
        "v": "60", "title": "A & B", "st": "20270105T150000Z", "et": "20270105T153000Z", "desc": "x\ny", "in_loc": LINK,
    }  # fmt: skip


@given(st.text(max_size=300))
def test_no_title_makes_an_address_longer_than_calendars_take(title: str):
    assert max(map(len, web_calendar_links(guest_invite(), title, "").values())) < 2000


# Every kind


def test_a_notice_shows_its_workspace_and_the_product():
    brand = Brand("Example Clinic", "#ffd166", "https://cdn.example.com/logo.png")
    workspace = Workspace("clinic", "Clinic", datetime(2026, 1, 1, tzinfo=UTC), brand=brand, language="fr")
    shown = {
        name: write_reconnect_notice("Zoom", "host@example.com", "https://meet.example.com/c", None, letterhead)
        for name, letterhead in {
            "branded": Letterhead("Terminly", workspace),
            "without a brand": Letterhead("Terminly", replace(workspace, brand=Brand(), language=None)),
            "without a workspace": Letterhead("Terminly"),
        }.items()
    }
    _, text, html = shown["branded"]
    assert '<img src="https://cdn.example.com/logo.png" alt="Example Clinic"' in html
    assert 'bgcolor="#ffd166"' in html and "color:#000000" in html
    assert text.endswith("Envoyé par Terminly pour Example Clinic.")
    assert shown["without a brand"][1].endswith("Sent by Terminly for Clinic.")
    assert ">Clinic</div>" in shown["without a brand"][2]
    assert shown["without a workspace"][1].endswith("Sent by Terminly.")


@pytest.mark.parametrize("name", NOTICES)
def test_a_notice_says_the_same_in_text_and_html(name: str):
    message = message_from_bytes(mails()[name].raw, policy=policy.default)
    text, html = (message.get_body((kind,)).get_content() for kind in ("plain", "html"))  # type: ignore[union-attr]
    shown = " ".join(re.sub(r"<[^>]+>", " ", html.split("<body", 1)[1].partition(">")[2]).split())
    lines = [line.rstrip(":") for line in text.splitlines() if line.strip("- ") and "://" not in line]
    assert [line for line in lines if line not in shown] == []
    assert "{" not in text


# Pace


class Stopwatch:
    def __init__(self) -> None:
        self.now, self.slept = 100.0, [0.0]

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


def test_mails_are_spread_evenly_at_the_accounts_rate():
    watch, asked = Stopwatch(), []
    pace = SendRate(lambda: asked.append(1) or 10.0, lambda: watch.now, watch.sleep)
    for _ in range(5):
        pace.wait()
    assert watch.slept[1:] == pytest.approx([0, 0.1, 0.2, 0.3, 0.4])
    assert len(asked) == 1


def test_whoever_would_wait_too_long_gives_way():
    watch = Stopwatch()
    pace = SendRate(lambda: 1.0, lambda: watch.now, watch.sleep)
    for _ in range(6):
        pace.wait()
    with pytest.raises(MailUnavailable):
        pace.wait()
    watch.now += 1
    pace.wait()


def test_an_unknown_rate_is_a_cautious_one_and_is_asked_for_again_after_a_minute():
    from botocore.exceptions import ClientError

    class Account:
        answers: list[float | None] = [None, 10.0, None]
        asked = 0

        def get_account(self) -> dict[str, Any]:
            self.asked += 1
            rate = self.answers.pop(0)
            if rate is None:
                raise ClientError({"Error": {"Code": "TooManyRequestsException"}}, "GetAccount")
            return {"SendQuota": {"MaxSendRate": rate}}

    account, watch = Account(), Stopwatch()
    pace = SendRate(lambda: read_account_rate(account), lambda: watch.now, watch.sleep)

    def pauses() -> list[float]:
        watch.slept.clear()
        for _ in range(4):
            pace.wait()
        return watch.slept

    assert pauses() == pytest.approx([0, 1, 2, 3])
    assert account.asked == 1
    watch.now += 61
    assert pauses() == pytest.approx([0, 0.1, 0.2, 0.3])
    watch.now += 901
    assert pauses() == pytest.approx([0, 0.1, 0.2, 0.3])  # It could not be read: the last known one goes on.
    assert account.asked == 3


def test_the_accounts_rate_is_what_ses_says():
    class Account:
        def get_account(self) -> dict[str, Any]:
            return {"SendQuota": {"MaxSendRate": 14.0}}

    assert read_account_rate(Account()) == 14.0


def test_a_fingerprint_tells_what_is_seen_from_what_is_not():
    invite = guest_invite()
    seen = [replace(invite, recipient=replace(invite.recipient, language="de")), replace(invite, title="x")]
    unseen = [
        replace(invite, brand=Brand(name="x"), reminder_minutes=5, sender="x@example.com"),
        replace(invite, attendees=(replace(invite.host, time_zone="Asia/Tokyo"), invite.recipient)),
        replace(invite, stamped_at=datetime.now(UTC) + timedelta(days=1), sequence=9),
    ]
    assert all(other.content != invite.content for other in seen)
    assert all(other.content == invite.content for other in unseen)


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("boss@аpple.com", "boss@xn--pple-43d.com"),
        ("boss@аррӏе.com", "boss@xn--80ak6aa92e.com"),
        ("boss@appIe.com", "boss@appIe.com"),
        ("gast@müller.example", "gast@müller.example"),
        ("gast@straße.example", "gast@straße.example"),
        ("boss@goog\u0142e.example", "boss@xn--googe-n7a.example"),
        ("guest@example.com", "guest@example.com"),
    ],
)
def test_a_domain_that_could_pass_for_another_one_is_shown_in_punycode(address: str, shown: str) -> None:
    assert shown_address(address) == shown


def test_the_mail_shows_a_homograph_in_punycode() -> None:
    guest = replace(GUEST, email="boss@аpple.com")
    message = message_from_bytes(compose(host_invite(attendees=(HOST, guest)), SENDER).raw, policy=policy.default)
    for kind in ("plain", "html"):
        text = message.get_body((kind,)).get_content()  # type: ignore[union-attr]
        assert "boss@xn--pple-43d.com" in text
        assert "аpple" not in text
