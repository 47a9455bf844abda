"""Calendar objects have the lines of the icalendar library, and emails the headers of `EmailMessage`."""

from __future__ import annotations

from email.message import EmailMessage
from email.policy import SMTP

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from icalendar import Calendar
from icalendar.parser import Contentline
from msgspec.structs import replace

from chalicelib.domain.invitation import Invite
from chalicelib.mail.addresses import mailbox
from chalicelib.mail.content_lines import escape_text, quote_text, write_line
from chalicelib.mail.icalendar_object import build_calendar_file
from chalicelib.mail.message import compose
from chalicelib.mail.sanitize import sanitize_invite
from infra.local.console.mail_cases import INVITATIONS
from tests.support.examples import examples
from tests.support.invites import GUEST, HOST, SENDER, guest_invite, host_invite

PRINTABLE = st.text(st.characters(exclude_categories=("C", "Z")) | st.sampled_from(" ,;:\\^\"'\n"), max_size=200)

LONG = "a;b,c:d\\e\n" * 30


def property_lines(calendar: bytes) -> list[str]:
    """Return the lines in any order, without the quotes that the library writes only where a reader needs them."""
    return sorted(calendar.replace(b"\r\n ", b"").decode().replace('"', "").splitlines())


@pytest.mark.parametrize("invite", INVITATIONS.values(), ids=INVITATIONS)
def test_the_library_writes_the_same_object(invite: Invite):
    ours = build_calendar_file(invite, SENDER.address)
    assert property_lines(Calendar.from_ical(ours).to_ical()) == property_lines(ours)


@examples(80)
@given(PRINTABLE, PRINTABLE)
@example(LONG, LONG)
def test_the_library_writes_the_same_texts(text: str, name: str):
    ours = build_calendar_file(host_invite(title=text, description=name, host=HOST), SENDER.address)
    assert property_lines(Calendar.from_ical(ours).to_ical()) == property_lines(ours)


@examples(80)
@given(PRINTABLE.map(lambda text: text.replace("\n", " ")), PRINTABLE)
@example("é" * 100, LONG)
def test_the_library_folds_at_the_same_places(name: str, text: str):
    name, text = quote_text(name), escape_text(text)
    assert write_line("ATTENDEE", text, CN=name) == Contentline(f"ATTENDEE;CN={name}:{text}").to_ical() + b"\r\n"


@pytest.mark.parametrize("text", ["a\nATTENDEE:mailto:x@example.com", "a\rb"])
def test_a_line_break_is_refused(text: str):
    with pytest.raises(ValueError, match="line break"):
        write_line("URL", text)


@examples(80)
@given(PRINTABLE, PRINTABLE)
def test_the_library_writes_the_same_headers(title: str, name: str):
    host, guest = replace(HOST, name=name), replace(GUEST, name=name)
    invite = sanitize_invite(guest_invite(title=title, host=host, recipient=guest, attendees=(host, guest)))
    mail = compose(invite, SENDER)
    expected = EmailMessage(policy=SMTP)
    expected["From"] = mailbox(invite.host.name or SENDER.name, SENDER.address)
    expected["Auto-Submitted"] = "auto-generated"
    expected["To"] = mailbox(invite.recipient.name, GUEST.email)
    expected["Subject"] = mail.subject
    expected["Date"] = invite.stamped_at
    expected["MIME-Version"] = "1.0"
    expected["Reply-To"] = mailbox(invite.host.name, HOST.email)
    assert mail.raw.startswith(expected.as_bytes().removesuffix(b"\r\n"))
