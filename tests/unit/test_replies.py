"""Answers of calendars are read in the shape of every program, and nothing else is taken for one."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.answers import Choice
from chalicelib.mail.received_mail import ReceivedMail, read_notification
from chalicelib.mail.replies import MAX_BYTES, CalendarReply, DropReason, UnusableReply, read_reply
from infra.local.calendar_replies import PROGRAMS, Answer
from infra.local.console.mail_view import Attendee, Event
from infra.local.inbound_mail import as_received, notification
from tests.support.examples import examples

AT = datetime(2026, 12, 1, 9, 30, tzinfo=UTC)
START = datetime(2027, 1, 5, 15, 0, tzinfo=UTC)
UID = "0f3b2c1d0e9f8a7b6c5d4e3f2a1b0c9d@meetlink.example"
EMAIL = "guest@example.com"
EVENT = Event(
    method="REQUEST",
    sequence=3,
    status="CONFIRMED",
    summary="Introductory call",
    starts_at=START,
    ends_at=START + timedelta(minutes=30),
    organizer=Attendee("Demo Host", "invitations@meetlink.example"),
    attendees=(),
    location="",
    link="",
    description="",
    uid=UID,
)
RECEIVED = ReceivedMail("bucket", "key", AT, passed_dmarc=True, passed_dkim=True)
SIGNED = ReceivedMail("bucket", "key", AT, passed_dmarc=False, passed_dkim=True)
NESTED = b"From: guest@example.com\r\n" + b"".join(
    b'Content-Type: multipart/mixed; boundary="%d"\r\n\r\n--%d\r\n' % (n, n) for n in range(1100)
)
"""Deeper than Python's stack."""
FROM = re.compile(rb"(?m)^From: .*\r\n")
MOMENT_SECONDS = 2
"""Of this process, on a busy machine."""


def answer(
    shape: str = "gmail", partstat: str = "ACCEPTED", email: str = EMAIL, proposed: datetime | None = None
) -> bytes:
    return PROGRAMS[shape].write(Answer(EVENT, email, partstat, AT, proposed))


def dropped(raw: bytes, received: ReceivedMail = RECEIVED) -> DropReason:
    with pytest.raises(UnusableReply) as error:
        read_reply(raw, received)
    return error.value.reason


@pytest.mark.parametrize("shape", PROGRAMS)
@pytest.mark.parametrize(
    ("partstat", "choice"),
    [("ACCEPTED", Choice.ACCEPTED), ("TENTATIVE", Choice.TENTATIVE), ("DECLINED", Choice.DECLINED)],
)
def test_the_answers_of_every_program_are_read(shape: str, partstat: str, choice: Choice) -> None:
    reply = read_reply(as_received(answer(shape, partstat), EMAIL), RECEIVED)
    assert reply == CalendarReply(EMAIL, UID, 3, choice, stamped_at=AT, starts_at=START)


@pytest.mark.parametrize("shape", PROGRAMS)
def test_a_proposed_time_is_no_answer(shape: str) -> None:
    proposed = START + timedelta(days=1)
    reply = read_reply(as_received(answer(shape, "TENTATIVE", proposed=proposed), EMAIL), RECEIVED)
    assert (reply.is_counter, reply.starts_at) == (True, proposed)


def test_an_object_that_repeats_all_guests_says_what_the_sender_answers() -> None:
    others = b"ATTENDEE;PARTSTAT=DECLINED:mailto:other@example.com\r\nSEQUENCE"
    raw = as_received(answer().replace(b"SEQUENCE", others), EMAIL)
    assert read_reply(raw, RECEIVED).choice is Choice.ACCEPTED


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", DropReason.NO_ANSWER),
        (b"From: a@example.com\r\n\r\nThank you!", DropReason.NO_ANSWER),
        (answer() + b"x" * MAX_BYTES, DropReason.TOO_LARGE),
        (answer().replace(b"METHOD:REPLY", b"METHOD:REQUEST"), DropReason.NO_ANSWER),
        (answer().replace(b"mailto:" + EMAIL.encode(), b"mailto:other@example.com"), DropReason.NOT_THE_ATTENDEE),
        (answer().replace(b"mailto:" + EMAIL.encode(), b"https://example.com"), DropReason.NOT_THE_ATTENDEE),
        (answer().replace(b"mailto:" + EMAIL.encode(), b"mailto:" + b"x" * 10_000), DropReason.NOT_THE_ATTENDEE),
        (answer().replace(b"PARTSTAT=ACCEPTED", b"PARTSTAT=DELEGATED"), DropReason.UNREADABLE),
        (answer().replace(b"SEQUENCE:3", b"SEQUENCE:-3"), DropReason.UNREADABLE),
        (answer().replace(b"SEQUENCE:3", b"SEQUENCE:many"), DropReason.UNREADABLE),
        (answer().replace(b"UID:", b"UID:" + b"u" * 600), DropReason.UNREADABLE),
        (answer().replace(b"UID:", b"X-UID:"), DropReason.UNREADABLE),
        (answer().replace(b"DTSTAMP:2", b"DTSTAMP:never"), DropReason.UNREADABLE),
        (
            answer().replace(b"SEQUENCE:3", b"ATTENDEE:mailto:x@y.example\r\n" * 600 + b"SEQUENCE:3"),
            DropReason.UNREADABLE,
        ),
    ],
)
def test_other_emails_are_dropped_with_their_reason(raw: bytes, reason: DropReason) -> None:
    assert dropped(as_received(raw, EMAIL)) is reason


def test_parts_that_are_nested_deeply_are_dropped() -> None:
    """How deep Python's parser reads depends on the frames of its caller."""
    assert dropped(as_received(NESTED, EMAIL)) in (DropReason.UNREADABLE, DropReason.NO_ANSWER)


def test_a_zone_that_takes_hours_to_expand_is_not_read() -> None:
    raw = (
        answer("gmail")
        .replace(
            b"BEGIN:VEVENT",
            b"BEGIN:VTIMEZONE\r\nTZID:Slow\r\nBEGIN:STANDARD\r\n"
            b"DTSTART:16010101T000000\r\nTZOFFSETFROM:+0200\r\nTZOFFSETTO:+0100\r\nRRULE:FREQ=SECONDLY\r\n"
            b"END:STANDARD\r\nEND:VTIMEZONE\r\nBEGIN:VEVENT",
        )
        .replace(b"DTSTART:2027", b"DTSTART;TZID=Slow:2027")
    )
    assert read_reply(as_received(raw, EMAIL), RECEIVED).starts_at in (None, START)


@pytest.mark.parametrize(
    ("results", "is_authentic"),
    [
        ("dkim=pass header.i=@example.com;", True),
        ("dkim=fail header.i=@other.example;\r\n dkim=pass header.i=@EXAMPLE.com;", True),
        ("dkim=pass header.i=@com;", False),
        ("dkim=pass header.i=@ample.com;", False),
        ("dkim=pass header.i=@mail.example.com;", False),
        ("dkim=pass header.i=@attacker.example;", False),
        ("dkim=fail header.i=@example.com;", False),
        ('dkim=none "; dkim=pass header.i=@example.com";', False),
        ("", False),
    ],
)
def test_without_dmarc_the_domain_itself_must_have_signed(results: str, is_authentic: bool) -> None:
    raw = as_received(answer(), EMAIL, results=results or "dkim=none;")
    if is_authentic:
        assert read_reply(raw, SIGNED).email == EMAIL
    else:
        assert dropped(raw, SIGNED) is DropReason.FORGED


def test_a_domain_above_may_have_signed() -> None:
    email = "guest@mail.example.com"
    raw = as_received(answer(email=email), email, results="dkim=pass header.i=@example.com;")
    assert read_reply(raw, SIGNED).email == email


def test_results_that_the_sender_wrote_do_not_count() -> None:
    own = b"Authentication-Results: amazonses.com; dkim=pass header.i=@example.com;\r\nX-SES-RECEIPT: own\r\n"
    assert dropped(as_received(own + answer(), EMAIL, results="dkim=pass header.i=@attacker.example;"), SIGNED) is (
        DropReason.FORGED
    )
    without_results = b"X-SES-RECEIPT: of-ses\r\n" + own + answer()
    assert dropped(without_results, SIGNED) is DropReason.FORGED
    other_server = as_received(answer(), EMAIL).replace(b"amazonses.com;", b"mx.example.com;")
    assert dropped(other_server, SIGNED) is DropReason.FORGED


def test_without_a_verdict_nothing_counts() -> None:
    raw = as_received(answer(), EMAIL)
    assert dropped(raw, ReceivedMail("b", "k", AT, passed_dmarc=False, passed_dkim=False)) is DropReason.FORGED


@pytest.mark.parametrize(
    "header",
    [
        b"From: guest@example.com, mallory@attacker.example",
        b"From: guest@example.com <mallory@attacker.example>",
        b"From: <guest@example.com> <mallory@attacker.example>",
        b"From: mallory@attacker.example (guest@example.com)",
        b"From: friends: guest@example.com;",
        b"From: guest@example.com\r\nFrom: mallory@attacker.example",
        b'From: "guest@example.com" <>',
        b"Sender: guest@example.com",
        b"From: guest@@example.com",
    ],
)
def test_a_from_that_can_be_read_in_two_ways_is_refused(header: bytes) -> None:
    raw = FROM.sub(header + b"\r\n", as_received(answer(), EMAIL), count=1)
    assert dropped(raw) is DropReason.FORGED


@pytest.mark.parametrize(
    "header",
    [
        b"From: guest@example.com",
        b'From: "guest@example.com" <guest@example.com>',
        b"From: guest@example.com <guest@example.com>",
        b'From: "Guest, Demo \\"D\\"" <Guest@Example.com>',
        b"From: =?utf-8?q?D=C3=A9mo?=\r\n Guest\r\n <guest@example.com>",
    ],
)
def test_names_of_all_kinds_are_read(header: bytes) -> None:
    raw = FROM.sub(header.replace(b"\\", b"\\\\") + b"\r\n", as_received(answer(), EMAIL), count=1)
    assert read_reply(raw, RECEIVED).email.lower() == EMAIL


def test_a_from_of_any_length_takes_no_time() -> None:
    """An opening quote without a closing one takes quadratic time: minutes for the longest email that is read."""
    endless = b'From: "' + b'\\"' * 20_000
    raw = as_received(answer(), EMAIL)
    started_at = time.process_time()
    for header in (endless, b"From: " + b"n" * 2000 + b" <guest@example.com>"):
        assert dropped(FROM.sub(header.replace(b"\\", b"\\\\") + b"\r\n", raw, count=1)) is DropReason.FORGED
    assert time.process_time() - started_at < MOMENT_SECONDS


def test_the_checked_domain_must_be_that_of_from() -> None:
    raw = as_received(answer(), EMAIL, results="dmarc=pass header.from=attacker.example;")
    assert dropped(raw) is DropReason.FORGED


@examples(300)
@given(
    st.sampled_from(sorted(PROGRAMS)),
    st.lists(st.tuples(st.integers(0, 4000), st.integers(0, 60), st.binary(max_size=30)), max_size=6),
)
def test_damaged_answers_are_read_or_dropped(shape: str, damages: list[tuple[int, int, bytes]]) -> None:
    raw = as_received(answer(shape), EMAIL)
    for start, length, replacement in damages:
        raw = raw[:start] + replacement + raw[start + length :]
    try:
        assert read_reply(raw, RECEIVED).uid
    except UnusableReply as error:
        assert error.reason in DropReason


@examples(300)
@given(st.one_of(st.binary(), st.text().map(str.encode)))
def test_any_bytes_are_dropped(content: bytes) -> None:
    calendar = b"From: guest@example.com\r\nContent-Type: text/calendar; method=REPLY\r\n\r\n"
    begin = (
        b"BEGIN:VCALENDAR\r\nMETHOD:REPLY\r\nBEGIN:VEVENT\r\nATTENDEE;PARTSTAT=ACCEPTED:mailto:guest@example.com\r\n"
    )
    for raw in (content, calendar + content, calendar + begin + content):
        assert dropped(raw) in DropReason


def test_notifications_are_read() -> None:
    received = read_notification(notification("bucket", "key", AT, dmarc="GRAY"))
    assert received == SIGNED


@examples(200)
@given(
    st.one_of(
        st.text(),
        st.recursive(
            st.none() | st.text(),
            lambda e: st.dictionaries(st.sampled_from(["mail", "receipt", "action", "timestamp", "bucketName"]), e),
        ).map(str),
    )
)
def test_any_other_message_is_no_notification(text: str) -> None:
    assert read_notification(text) is None
    assert read_notification(text.replace("'", '"')) is None
