"""The checker of invitation mails would notice every mistake that others have made in theirs."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable

import pytest
from msgspec.structs import replace

from chalicelib.domain.invitation import EntryOwner
from chalicelib.mail.message import compose
from tests.support.invites import SENDER, cancellation, guest_invite, host_invite
from tests.support.mailcheck import calendar_of, check_mail, has_calendar

Change = Callable[[bytes], bytes]


def in_calendar(old: str, new: str, count: int = 1) -> Change:
    return rewritten(lambda octets: octets.replace(old.encode(), new.encode(), count))


def in_mail(pattern: str, new: str) -> Change:
    return lambda mail: re.sub(pattern.encode(), new.encode(), mail, count=1, flags=re.S)


def rewritten(change: Change) -> Change:
    """Changes the calendar object in both of its places."""

    def mutate(mail: bytes) -> bytes:
        before = calendar_of(mail)
        return mail.replace(encoded(before), encoded(change(before)))

    return mutate


def encoded(octets: bytes) -> bytes:
    return base64.encodebytes(octets).replace(b"\n", b"\r\n")


def without(name: str) -> Change:
    """Removes a property, with its folded lines."""
    return rewritten(lambda octets: re.sub(rf"{name}[:;].*?\r\n(?! )".encode(), b"", octets, count=1, flags=re.S))


def calendar_first(mail: bytes) -> bytes:
    boundary = re.search(rb'alternative;\s+boundary="([^"]+)"', mail)
    assert boundary
    head, *parts, tail = mail.split(b"--" + boundary[1])
    return (b"--" + boundary[1]).join([head, parts[2], parts[0], parts[1], tail])


def html_without_link(mail: bytes) -> bytes:
    head, html, tail = re.split(rb"(<!doctype.*?</html>)", mail, maxsplit=1, flags=re.S)
    return head + html.replace(b"video.example.org", b"x") + tail


def both(*changes: Change) -> Change:
    def mutate(mail: bytes) -> bytes:
        for change in changes:
            mail = change(mail)
        return mail

    return mutate


ORGANIZER = "mailto:invitations@meet.example.net"
METHOD_IN_EVENT = in_calendar("BEGIN:VEVENT\r\n", "BEGIN:VEVENT\r\nMETHOD:REQUEST\r\n")
LINK_IN_LOCATION = rb"LOCATION:.*?\r\n(?! )"
MUTANTS: dict[str, tuple[Change, str]] = {
    "METHOD missing": (without("METHOD"), "METHOD None"),
    "METHOD in VEVENT": (METHOD_IN_EVENT, "METHOD stands in VEVENT"),
    "METHOD only in VEVENT": (both(without("METHOD"), METHOD_IN_EVENT), "METHOD None"),
    "METHOD mismatched": (in_mail('method="REQUEST"', 'method="CANCEL"'), "not the calendar part's"),
    "MIME method missing": (in_mail(r';\s+method="REQUEST"', ""), "names no method"),
    "a cancellation sent as REQUEST": (in_calendar("STATUS:CONFIRMED", "STATUS:CANCELLED"), "contradicts METHOD"),
    "two UIDs": (in_calendar("\r\nUID:", "\r\nUID:other@meet.example.net\r\nUID:"), "exactly one UID"),
    "two events": (
        rewritten(lambda octets: re.sub(rb"(BEGIN:VEVENT.*END:VEVENT\r\n)", rb"\1\1", octets, flags=re.S)),
        "exactly one VEVENT",
    ),
    "ORGANIZER missing": (without("ORGANIZER"), "exactly one ORGANIZER"),
    "ORGANIZER equal to the recipient": (in_calendar(ORGANIZER, "mailto:guest@example.com"), "is the recipient"),
    "a display name in ORGANIZER's mailto": (
        in_calendar(ORGANIZER, "mailto:Demo Host <invitations@meet.example.net>"),
        "not a bare mailto",
    ),
    "ORGANIZER different from From": (in_calendar(ORGANIZER, "mailto:host@example.com"), "ORGANIZER is not From"),
    "a plus sign in ORGANIZER": (
        both(
            in_calendar(ORGANIZER, "mailto:invitations+b42@meet.example.net"),
            in_mail("<invitations@meet", "<invitations+b42@meet"),
        ),
        "a plus sign in ORGANIZER",
    ),
    "ATTENDEE without the recipient": (
        in_calendar("mailto:guest@example.com", "mailto:other@example.com"),
        "recipient is not an ATTENDEE",
    ),
    "ATTENDEE not asked for an answer": (
        in_calendar("ROLE=REQ-PARTICIPANT", "ROLE=NON-PARTICIPANT"),
        "not asked for an answer",
    ),
    "floating DTSTART": (in_calendar("DTSTART:20270105T150000Z", "DTSTART:20270105T150000"), "DTSTART is not in UTC"),
    "floating DTEND": (in_calendar("DTEND:20270105T153000Z", "DTEND:20270105T153000"), "DTEND is not in UTC"),
    "TZID without VTIMEZONE": (
        in_calendar("DTSTART:20270105T150000Z", "DTSTART;TZID=Europe/Berlin:20270105T160000"),
        "TZID without VTIMEZONE",
    ),
    "DTEND equal to DTSTART": (in_calendar("DTEND:20270105T153000Z", "DTEND:20270105T150000Z"), "not after DTSTART"),
    "DTEND before DTSTART": (in_calendar("DTEND:20270105T153000Z", "DTEND:20270105T143000Z"), "not after DTSTART"),
    "LF only in the calendar": (in_calendar("\r\n", "\n", -1), "calendar line does not end in CRLF"),
    "LF only in the mail": (lambda mail: mail.replace(b"\r\n", b"\n"), "line of the mail does not end in CRLF"),
    "a line over 75 octets": (in_calendar("SUMMARY:", f"COMMENT:{'x' * 68}\r\nSUMMARY:"), "longer than 75"),
    "a UTF-8 sequence split at a fold": (
        rewritten(lambda octets: octets.replace(b"\xc3\xa9", b"\xc3\r\n \xa9", 1)),
        "not UTF-8 by itself",
    ),
    "text/calendar not last": (calendar_first, "wrong structure"),
    "Content-Disposition on the calendar part": (
        in_mail("Content-Type: text/calendar", "Content-Disposition: attachment\r\nContent-Type: text/calendar"),
        "has a Content-Disposition",
    ),
    "another attachment": (
        lambda mail: mail.replace(encoded(calendar_of(mail)), encoded(b"BEGIN:VCALENDAR\r\n"), 1),
        "attachment differs",
    ),
    "base64 twice": (rewritten(base64.b64encode), "not one VCALENDAR"),
    "the link absent from LOCATION": (without("LOCATION"), "absent from LOCATION"),
    "the link absent from DESCRIPTION": (without("DESCRIPTION"), "absent from DESCRIPTION"),
    "the link absent from URL": (without("URL"), "absent from URL"),
    "the link absent from CONFERENCE": (without("CONFERENCE"), "absent from CONFERENCE"),
    "the link absent from the text": (in_mail("https://video.example", "https://other.example"), "absent from text"),
    "the link absent from the HTML": (html_without_link, "absent from html"),
    "a provider's code in LOCATION": (
        rewritten(lambda octets: re.sub(LINK_IN_LOCATION, b"LOCATION:integrations:zoom\r\n", octets, flags=re.S)),
        "LOCATION is not a link",
    ),
    "NUL in CN": (in_calendar("Demo Host", "Demo\0Host"), "holds control characters"),
    "a bare CR in the calendar": (in_calendar("Introductory call", "Introductory\rcall"), "does not end in CRLF"),
    "a bare CR in the mail": (in_mail("Subject: Invitation", "Subject: \rInvitation"), "does not end in CRLF"),
    "a second recipient": (in_mail("To: ", "To: evil@example.org, "), "To is not exactly one address"),
    "an injected header": (in_mail("\r\nSubject: ", "\r\nBcc: evil@example.org\r\nSubject: "), "header bcc"),
    "too many octets": (lambda mail: mail + b"x\r\n" * 40_000, "larger than"),
}
CANCEL_MUTANTS: dict[str, tuple[Change, str]] = {
    "no STATUS": (without("STATUS"), "contradicts METHOD"),
    "STATUS:CONFIRMED": (in_calendar("STATUS:CANCELLED", "STATUS:CONFIRMED"), "contradicts METHOD"),
    "SEQUENCE not raised": (in_calendar("SEQUENCE:1", "SEQUENCE:0"), "SEQUENCE was not raised"),
    "SEQUENCE missing": (without("SEQUENCE"), "exactly one SEQUENCE"),
    "another UID": (in_calendar("UID:b-42@", "UID:b-43@"), "UID changed"),
    "another ORGANIZER": (
        both(in_calendar(ORGANIZER, "mailto:other@meet.example.net"), in_mail("<invitations@meet", "<other@meet")),
        "ORGANIZER changed",
    ),
}


@pytest.mark.parametrize(("mutate", "problem"), MUTANTS.values(), ids=MUTANTS)
def test_it_rejects_an_invitation_with(mutate: Change, problem: str):
    genuine = compose(guest_invite(description="Café"), SENDER).raw
    assert check_mail(genuine) == []
    assert problem in "\n".join(check_mail(mutate(genuine)))


@pytest.mark.parametrize(("mutate", "problem"), CANCEL_MUTANTS.values(), ids=CANCEL_MUTANTS)
def test_it_rejects_a_cancellation_with(mutate: Change, problem: str):
    genuine, previous = (compose(invite, SENDER).raw for invite in (cancellation(guest_invite()), guest_invite()))
    assert check_mail(genuine, previous=previous) == []
    assert problem in "\n".join(check_mail(mutate(genuine), previous=previous))


PLAIN = replace(host_invite(), entry_owner=EntryOwner.PROVIDER)
PLAIN_MUTANTS: dict[str, tuple[Change, str]] = {
    "the file named": (in_mail("Sent by", "Open invite.ics. Sent by"), "names a file"),
    "a link to add it": (in_mail("</body>", "<a href=3D'https://calendar.google.com/'>+</a></body>"), "a second entry"),
    "the link absent from the HTML": (html_without_link, "absent from html"),
    "a second recipient": (in_mail("To: ", "To: evil@example.org, "), "To is not exactly one address"),
}


@pytest.mark.parametrize(("mutate", "problem"), PLAIN_MUTANTS.values(), ids=PLAIN_MUTANTS)
def test_it_rejects_a_plain_mail_with(mutate: Change, problem: str):
    genuine = compose(PLAIN, SENDER).raw
    assert check_mail(genuine, is_plain=True) == []
    assert problem in "\n".join(check_mail(mutate(genuine), is_plain=True))


def test_it_rejects_a_calendar_part_beside_the_providers_event_and_a_missing_one_without_it():
    plain, invitation = (compose(invite, SENDER).raw for invite in (PLAIN, host_invite()))
    assert "wrong structure" in "\n".join(check_mail(invitation, is_plain=True))
    assert "wrong structure" in "\n".join(check_mail(plain))
    assert (has_calendar(plain), has_calendar(invitation)) == (False, True)
