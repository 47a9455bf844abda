"""The inbox: what people and scripts see of the mails that were sent."""

from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.policy import SMTP

import pytest
from flask.testing import FlaskClient

from infra.local.console import Demo, Mail, Mailbox, create_console

NOW = datetime(2027, 1, 4, 12, 0, tzinfo=UTC)
DEMO = Demo(
    app_url="http://app.test",
    console_url="http://console.test",
    workspace_id="w-1",
    api_key="key",
    user_id="u-1",
    host_name="Demo Host",
    host_email="host@example.com",
    calendar_id="c-1",
    provider_url="http://zoom.test",
)
LINK = "https://zoom.example/j/811"
CALENDAR = f"""\
BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//meetlink//EN
METHOD:REQUEST
BEGIN:VEVENT
UID:b-1@meet.example.com
SEQUENCE:2
DTSTAMP:20270104T120000Z
DTSTART:20270105T150000Z
DTEND:20270105T153000Z
STATUS:CONFIRMED
SUMMARY:Gartenplanung für den Frühling
LOCATION:{LINK}
URL:{LINK}
DESCRIPTION:Join: {LINK}
ORGANIZER;CN=Demo Host:mailto:bookings@meet.example.com
ATTENDEE;CN=Demo Host;PARTSTAT=NEEDS-ACTION;RSVP=TRUE:mailto:host@example.com
ATTENDEE;CN=Demo Guest;PARTSTAT=NEEDS-ACTION;RSVP=TRUE:mailto:guest@example.com
END:VEVENT
END:VCALENDAR
""".replace("\n", "\r\n")


def invitation(to: str = "guest@example.com", calendar: str = CALENDAR) -> bytes:
    """An iMIP mail in the shape that the product sends."""
    mail = EmailMessage(policy=SMTP)
    mail["From"] = "Demo Host <bookings@meet.example.com>"
    mail["To"] = to
    mail["Reply-To"] = "host@example.com"
    mail["Subject"] = "Gartenplanung für den Frühling"
    mail["Message-ID"] = "<own@meet.example.com>"
    mail["Date"] = "Fri, 01 Jan 2021 00:00:00 +0000"
    mail.set_content(f"You meet Demo Host.\n\nJoin: {LINK}\n")
    mail.add_alternative(f'<html><head></head><body><a href="{LINK}">Join</a></body></html>', subtype="html")
    mail.add_alternative(
        calendar.encode(), maintype="text", subtype="calendar", params={"method": "REQUEST", "charset": "UTF-8"}
    )
    mail.add_attachment(calendar.encode(), maintype="application", subtype="ics", filename="invite.ics")
    return mail.as_bytes()


def notice(to: str = "host@example.com", subject: str = "Please reconnect Zoom") -> bytes:
    """A plain mail without a calendar event."""
    mail = EmailMessage(policy=SMTP)
    mail["From"], mail["To"], mail["Subject"] = "bookings@meet.example.com", to, subject
    mail.set_content("Your account has to be connected again: https://app.test/connect/t\n")
    return mail.as_bytes()


class Ticking:
    """A clock that moves one second with every look."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now


@pytest.fixture
def mailbox() -> Mailbox:
    return Mailbox(Ticking())


@pytest.fixture
def browser(mailbox: Mailbox) -> FlaskClient:
    return create_console(DEMO, mailbox).test_client()


@pytest.fixture
def mail(mailbox: Mailbox) -> Mail:
    return mailbox.deliver(invitation(), ["guest@example.com"], {"sequence": "2"})


def test_inbox_json_lists_every_mail_in_the_order_sent(browser: FlaskClient, mailbox: Mailbox) -> None:
    mailbox.deliver(invitation(), ["guest@example.com"])
    mailbox.deliver(notice(), ["host@example.com"])
    mails = browser.get("/inbox.json").get_json()
    assert [mail["to"] for mail in mails] == [["guest@example.com"], ["host@example.com"]]
    assert [mail["sent_at"] for mail in mails] == ["2027-01-04T12:00:01Z", "2027-01-04T12:00:02Z"]


def test_inbox_json_decodes_the_subject_and_keeps_the_source(browser: FlaskClient, mail: Mail) -> None:
    (listed,) = browser.get("/inbox.json").get_json()
    assert listed["id"] == mail.id
    assert listed["subject"] == "Gartenplanung für den Frühling"
    assert listed["raw"].encode() == mail.source


def test_inbox_json_of_an_empty_inbox_is_an_empty_list(browser: FlaskClient) -> None:
    assert browser.get("/inbox.json").get_json() == []


def test_the_delivered_copy_has_message_id_and_date_of_ses_and_the_same_body(browser: FlaskClient, mail: Mail) -> None:
    copy = browser.get(f"/inbox/{mail.id}/mail.eml").data
    assert copy.startswith(
        f"Message-ID: <{mail.id}@email.amazonses.com>\r\nDate: Mon, 04 Jan 2027 12:00:01 +0000\r\n".encode()
    )
    assert b"own@meet.example.com" not in copy
    assert copy.count(b"\r\nDate:") == 1
    assert copy.partition(b"\r\n\r\n")[2] == mail.source.partition(b"\r\n\r\n")[2]


def test_the_page_lists_the_newest_mail_first(browser: FlaskClient, mailbox: Mailbox) -> None:
    mailbox.deliver(notice(subject="Older"), ["host@example.com"])
    mailbox.deliver(notice(subject="Newer"), ["host@example.com"])
    page = browser.get("/inbox").text
    assert page.index("Newer") < page.index("Older")


def test_the_page_can_be_narrowed_to_one_recipient_in_any_case(browser: FlaskClient, mailbox: Mailbox) -> None:
    mailbox.deliver(notice(subject="For the host"), ["Host@example.com"])
    mailbox.deliver(notice(subject="For the guest"), ["guest@example.com"])
    page = browser.get("/inbox?to=host@example.com").text
    assert "For the host" in page
    assert "For the guest" not in page


def test_the_page_watches_a_list_that_shows_what_it_shows_itself(browser: FlaskClient, mail: Mail) -> None:
    page = browser.get("/inbox?to=guest@example.com").text
    assert 'data-live="/inbox/live?to=guest@example.com"' in page
    assert browser.get("/inbox/live?to=guest@example.com").get_json()["html"] in page


def test_emptying_the_inbox_forgets_all_mails(browser: FlaskClient, mail: Mail) -> None:
    page = browser.post("/inbox/clear", follow_redirects=True).text
    assert "No email yet." in page
    assert browser.get("/inbox.json").get_json() == []


def test_a_mail_shows_its_event_in_readable_form(browser: FlaskClient, mail: Mail) -> None:
    page = browser.get(f"/inbox/{mail.id}").text
    expected = [
        "<code>REQUEST</code>, sequence <code>2</code>, status <code>CONFIRMED</code>",
        "Tuesday, 5 January 2027, 15:00–15:30 UTC",
        "bookings@meet.example.com",
        "Demo Guest",
        "(needs action)",
        f'href="{LINK}"',
        "b-1@meet.example.com",
    ]
    assert [text for text in expected if text not in page] == []


def test_the_html_is_shown_in_a_frame_that_runs_no_scripts(browser: FlaskClient, mail: Mail) -> None:
    page = browser.get(f"/inbox/{mail.id}").text
    assert f'src="/inbox/{mail.id}/html"' in page
    framed = browser.get(f"/inbox/{mail.id}/html")
    policy = framed.headers["Content-Security-Policy"]
    assert policy.startswith("sandbox ")
    assert "allow-scripts" not in page + policy
    assert '<base target="_blank">' in framed.text


def test_the_plain_text_has_live_links_and_no_markup_of_its_own(browser: FlaskClient, mailbox: Mailbox) -> None:
    source = notice().replace(b"again:", b"<b>again</b>:")
    mail = mailbox.deliver(source, ["host@example.com"])
    page = browser.get(f"/inbox/{mail.id}?view=text").text
    assert "&lt;b&gt;again" in page
    assert 'href="https://app.test/connect/t"' in page


def test_the_source_is_shown_as_ses_got_it(browser: FlaskClient, mail: Mail) -> None:
    page = browser.get(f"/inbox/{mail.id}?view=source").text
    assert "Message-ID: &lt;own@meet.example.com&gt;" in page


def test_a_mail_without_html_opens_with_its_text_and_without_an_event(browser: FlaskClient, mailbox: Mailbox) -> None:
    mail = mailbox.deliver(notice(), ["host@example.com"])
    page = browser.get(f"/inbox/{mail.id}").text
    assert "Your account has to be connected again" in page
    assert "Calendar event" not in page
    assert browser.get(f"/inbox/{mail.id}/invite.ics").status_code == 404


def test_the_invitation_can_be_downloaded_as_it_was_sent(browser: FlaskClient, mail: Mail) -> None:
    answer = browser.get(f"/inbox/{mail.id}/invite.ics")
    assert answer.data == CALENDAR.encode()
    assert answer.headers["Content-Type"] == "text/calendar; charset=utf-8; method=REQUEST"
    assert answer.headers["Content-Disposition"] == 'attachment; filename="invite.ics"'


@pytest.mark.parametrize(
    "calendar",
    ["", "no calendar at all", "BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n", CALENDAR.replace("SEQUENCE:2", "SEQUENCE:two")],
)
def test_a_broken_event_is_told_and_the_mail_still_shown(browser: FlaskClient, mailbox: Mailbox, calendar: str) -> None:
    mail = mailbox.deliver(invitation(calendar=calendar), ["guest@example.com"])
    answer = browser.get(f"/inbox/{mail.id}")
    assert answer.status_code == 200
    assert "cannot be read" in answer.text


@pytest.mark.parametrize(
    "source", [b"\r\n\r\n", b"Subject: =?x?q?=FF?=\r\nContent-Type: text/plain; charset=x\r\n\r\n\xff"]
)
def test_a_mail_of_rubbish_is_shown(browser: FlaskClient, mailbox: Mailbox, source: bytes) -> None:
    mail = mailbox.deliver(source, ["guest@example.com"])
    assert browser.get(f"/inbox/{mail.id}").status_code == 200
    assert browser.get("/inbox.json").status_code == 200


def test_an_unknown_mail_is_not_found(browser: FlaskClient) -> None:
    answer = browser.get("/inbox/unknown")
    assert answer.status_code == 404
    assert "There is no such mail." in answer.text
