"""What the invitation mail says, how it is built, and that the checker would notice if it were built wrongly."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from html import unescape

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from chalicelib.domain.booking import Links
from chalicelib.domain.calendar import Location, LocationType
from chalicelib.domain.invitation import EntryOwner, Invite, Method, Party, Role
from chalicelib.domain.workspace import Brand
from chalicelib.errors import MailRejected
from chalicelib.mail.addresses import SenderAddress
from chalicelib.mail.message import compose, compose_notice
from chalicelib.wording import in_language
from infra.local.console.mail_cases import INVITATIONS
from tests.support.examples import examples
from tests.support.invites import GUEST, HOST, LINK, SENDER, cancellation, guest_invite, host_invite, without_link
from tests.support.mailcheck import calendar_of, check_mail, has_calendar, texts_of

HOSTILE = [
    "a\r\nBcc: evil@example.org",
    "a\nATTENDEE:mailto:evil@example.org",
    "a\rb",
    "a\x00b\x0b\x0c\x1b\x7f",
    "a\x85b\u2028c\u2029d",
    "\ud800 lone",
    "\u202egnp.exe\u200f",
    "😀" * 2000,
    "ß, <evil@example.org>; \"quoted\" 'x' \\ ^ " * 40,
    "a, b <evil@example.org> " * 80,
    "=?utf-8?q?a=0D=0ABcc:=20evil@example.org?=",
    "<script>alert(1)</script> & {{ 7*7 }} {title} %s",
    "C:\\New\\next",
    '"',
    " ",
    "",
]
UNUSABLE = [
    "",
    "guest",
    "@example.com",
    "guest@",
    "gä@example.com",
    "a b@example.com",
    "guest@exa\x00mple.com",
    "a@b@c.d",
    "guest@-x.example",
    "guest@xn--ä.example",
    "guest@\ud800.example",
    "guest@example.com\r\nBcc: x@example.org",
    f"{'x' * 65}@example.com",
    "<guest@example.com>",
    "guest@example.com, x@example.org",
    SENDER.address.upper(),
]
PLAIN_LOCATIONS = [
    (LocationType.PHONE, "+49 30 1234 567", "By phone: +49 30 1234 567"),
    (LocationType.IN_PERSON, "Example Street 1, 10115 Berlin", "Example Street 1, 10115 Berlin"),
    (LocationType.CUSTOM_LINK, "https://rooms.example.org/demo", "Online"),
]


def raw(invite: Invite) -> bytes:
    return compose(invite, SENDER).raw


def says(invite: Invite) -> str:
    return texts_of(raw(invite))[0]


def location_invite(kind: LocationType, detail: str | None) -> Invite:
    link = detail if kind is LocationType.CUSTOM_LINK else None
    return guest_invite(location=Location(kind, detail), join_url=link, passcode=None, dial_in=())


# What it says


def test_a_guest_reads_the_time_in_words_in_their_own_zone():
    assert "Tuesday, 5 January 2027, 10:00 – 10:30 (New York time)" in says(guest_invite())


def test_the_host_reads_the_same_moment_in_the_hosts_zone():
    assert "Tuesday, 5 January 2027, 16:00 – 16:30 (Berlin time)" in says(host_invite())


def test_a_guests_mail_names_the_host():
    assert "With: Demo Host (host@example.com)" in says(guest_invite())


def test_the_hosts_mail_names_every_guest():
    second = replace(GUEST, name="Second Guest", email="second.guest@example.com")
    text = says(host_invite(attendees=(HOST, GUEST, second)))
    assert "Demo Guest (guest@example.com)" in text and "Second Guest (second.guest@example.com)" in text


def test_the_subject_says_what_happened_and_when():
    first = guest_invite()
    subjects = [
        compose(invite, SENDER).subject for invite in (first, replace(first, is_update=True), cancellation(first))
    ]
    assert subjects == [
        f"{what}: Introductory call, Tue, 5 Jan 2027, 10:00 (New York time)"
        for what in ("Invitation", "Updated", "Cancelled")
    ]


def test_passcode_and_dial_in_are_shown():
    text = says(guest_invite())
    assert "Passcode: 739 182" in text and "+49 69 1234 5678 (Frankfurt, DE)" in text


def test_a_link_that_will_follow_is_announced_in_words():
    assert "The link will follow soon" in says(without_link())


def test_a_missing_link_sends_the_guest_to_the_host():
    assert "ask your host how to join" in says(without_link(link_follows=False))


def test_a_cancelled_booking_offers_nothing_to_join():
    assert LINK not in says(cancellation(guest_invite()))


@pytest.mark.parametrize(("kind", "detail", "words"), PLAIN_LOCATIONS)
def test_other_places_are_named(kind: LocationType, detail: str, words: str):
    assert f"Where: {words}" in says(location_invite(kind, detail))


@pytest.mark.parametrize("invite", INVITATIONS.values(), ids=INVITATIONS)
def test_every_kind_of_mail_is_well_formed(invite: Invite):
    is_plain = invite.calendar_method is None
    assert check_mail(raw(invite), is_plain=is_plain) == []
    assert has_calendar(raw(invite)) is not is_plain


@pytest.mark.parametrize("withdraws", [False, True])
@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_texts_do_no_harm_beside_the_providers_event(text: str, withdraws: bool):
    host = replace(HOST, name=text)
    invite = host_invite(title=text, description=text, recipient=host, host=host, attendees=(host, GUEST))
    invite = replace(invite, entry_owner=EntryOwner.PROVIDER, withdraws=withdraws, is_update=withdraws)
    assert check_mail(raw(invite), is_plain=not withdraws) == []


def test_the_entry_that_an_event_replaces_has_no_link_and_says_that_the_booking_takes_place():
    calendar = calendar_of(raw(replace(host_invite(), entry_owner=EntryOwner.PROVIDER, withdraws=True)))
    assert b"METHOD:CANCEL" in calendar and b"STATUS:CANCELLED" in calendar
    assert b"COMMENT:The appointment takes place" in calendar and b"video.example.org" not in calendar


@pytest.mark.parametrize("invite", INVITATIONS.values(), ids=INVITATIONS)
def test_text_and_html_say_the_same(invite: Invite):
    """Every line and every address of the HTML stands in the text, and every word of the text in the HTML."""
    text, html = texts_of(raw(invite))
    page = re.sub(r"<br>|</(?:td|div|p|h1|a|span)>", "\n", html.split("<body", 1)[1].partition(">")[2])
    shown = [" ".join(unescape(line).split()).strip(" ·,") for line in re.sub(r"<[^>]+>", "", page).splitlines()]
    shown = [line for line in shown if line not in ("", in_language(invite.recipient.language).link_below_button)]
    said = " ".join(text.split())
    assert [line for line in shown if line not in said] == []
    assert [link for link in re.findall(r'href="(http[^"]+)"', page) if unescape(link) not in said] == []
    # The HTML strikes through what the text says "before:" of.
    plain = said.replace(f" {in_language(invite.recipient.language).before}: ", " ")
    words = re.findall(r"\w{3,}", re.sub(r"https?://\S+", "", plain))
    assert [word for word in words if word not in " ".join(shown)] == []


def test_typed_html_is_shown_not_run():
    html = texts_of(raw(guest_invite(title="<script>alert(1)</script>", description="<img src=x onerror=y>")))[1]
    assert "<script" not in html and "<img" not in html and "&lt;script&gt;" in html


def test_the_html_loads_nothing():
    assert not re.findall(r"<(?:img|link|script|iframe)|url\(|@import|src=", texts_of(raw(guest_invite()))[1])


def test_an_unknown_language_is_served_in_english():
    guest = replace(GUEST, language="tlh")
    assert compose(guest_invite(recipient=guest), SENDER).subject.startswith("Invitation: ")


# When it takes place


def when(zone: str, starts_at: datetime, minutes: int = 30) -> str:
    party = replace(GUEST, time_zone=zone)
    invite = guest_invite(recipient=party, starts_at=starts_at, ends_at=starts_at + timedelta(minutes=minutes))
    return next(line for line in says(invite).splitlines() if line.startswith("When: "))[6:]


NOON = datetime(2027, 7, 1, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    "zone", ["Nowhere/Atlantis", "", "../../etc/passwd", "America", "\x00", "\ud800", "/etc/passwd"]
)
def test_an_unknown_zone_is_read_as_utc(zone: str):
    assert when(zone, NOON) == "Thursday, 1 July 2027, 12:00 – 12:30 (UTC)"


def test_a_zone_without_letters_of_its_own_has_the_name_of_its_city():
    assert when("Asia/Kathmandu", NOON).endswith("17:45 – 18:15 (Kathmandu time)")


def test_a_booking_over_midnight_names_both_days():
    assert when("UTC", NOON.replace(hour=23), 120) == "Thursday, 1 July 2027, 23:00 – Friday, 2 July 2027, 01:00 (UTC)"


def test_a_booking_over_a_clock_change_tells_each_times_offset():
    assert when("Europe/Berlin", datetime(2027, 10, 31, 0, 30, tzinfo=UTC), 60).endswith(
        "02:30 CEST – 02:30 CET (Berlin time)"
    )


@pytest.mark.parametrize("moment", [datetime.min.replace(tzinfo=UTC), datetime(9999, 12, 31, 23, tzinfo=UTC)])
def test_the_ends_of_time_raise_nothing(moment: datetime):
    assert when("Pacific/Kiritimati", moment) and when("Pacific/Pago_Pago", moment)


# How it is built


@pytest.mark.parametrize("invite", [guest_invite(), host_invite(), without_link()], ids=["guest", "host", "no link"])
def test_genuine_invitations_pass(invite: Invite):
    assert check_mail(raw(invite)) == []


@pytest.mark.parametrize("location", PLAIN_LOCATIONS, ids=str)
def test_genuine_invitations_to_other_places_pass(location: tuple[LocationType, str, str]):
    assert check_mail(raw(location_invite(*location[:2]))) == []


def test_an_update_may_follow_an_invitation():
    assert check_mail(raw(guest_invite(sequence=3)), previous=raw(without_link(sequence=2))) == []


def test_a_cancellation_may_follow_an_invitation():
    assert check_mail(raw(cancellation(guest_invite())), previous=raw(guest_invite())) == []


def headers(invite: Invite) -> dict[str, str | None]:
    message = message_from_bytes(raw(invite), policy=policy.SMTP)
    return {name: message[name] for name in ("From", "To", "Reply-To")}


def test_a_guests_mail_comes_from_the_service_in_the_hosts_name_and_answers_go_to_the_host():
    assert headers(guest_invite()) == {
        "From": "Demo Host <invitations@meet.example.net>",
        "To": "Demo Guest <guest@example.com>",
        "Reply-To": "Demo Host <host@example.com>",
    }


def test_the_hosts_answer_goes_to_the_only_guest():
    assert headers(host_invite())["Reply-To"] == "Demo Guest <guest@example.com>"


def test_the_hosts_answer_goes_to_all_of_several_guests():
    second = replace(GUEST, name="Guest, Second", email="second.guest@example.com")
    invite = host_invite(attendees=(HOST, GUEST, second))
    assert headers(invite)["Reply-To"] == "guest@example.com, second.guest@example.com"
    assert check_mail(raw(invite)) == []


def test_fifty_guests_are_all_in_the_hosts_reply_to():
    guests = tuple(replace(GUEST, email=f"guest.number.{number}@a-long-domain.example.com") for number in range(50))
    message = message_from_bytes(raw(host_invite(attendees=(HOST, *guests))), policy=policy.SMTP)
    assert [str(address) for address in message["Reply-To"].addresses] == [guest.email for guest in guests]


def test_a_nameless_host_writes_in_the_services_name():
    assert headers(guest_invite(host=replace(HOST, name=" ")))["From"] == (
        "Example Bookings <invitations@meet.example.net>"
    )


def test_a_non_ascii_domain_is_written_in_idna():
    guest = replace(GUEST, email="guest@faß.example")
    invite = guest_invite(recipient=guest, attendees=(HOST, guest))
    assert compose(invite, SENDER).to == "guest@xn--fa-hia.example" and check_mail(raw(invite)) == []


@pytest.mark.parametrize("address", UNUSABLE)
def test_an_unusable_recipient_is_refused_without_being_named(address: str):
    guest = replace(GUEST, email=address)
    with pytest.raises(MailRejected) as refusal:
        compose(guest_invite(recipient=guest, attendees=(HOST, guest)), SENDER)
    assert not address or address not in str(refusal.value)


def test_a_sending_address_with_a_plus_sign_is_refused():
    with pytest.raises(MailRejected):
        compose(guest_invite(), SenderAddress("invitations+x@example.net", "Example Bookings"))


def test_a_guest_may_have_an_address_with_a_plus_sign():
    guest = replace(GUEST, email="guest+work@example.com")
    mail = compose(guest_invite(recipient=guest, attendees=(HOST, guest)), SENDER)
    assert (mail.to, check_mail(mail.raw)) == (guest.email, [])


def test_a_guests_unusable_address_does_not_cost_the_host_the_invitation():
    broken = replace(GUEST, name="Broken", email="broken@")
    mail = raw(host_invite(attendees=(HOST, GUEST, broken)))
    assert check_mail(mail) == []
    assert "Broken (broken@)" in texts_of(mail)[0]


# Hostile text

ANYTHING = st.characters(exclude_categories=())  # lone surrogates included
hostile = st.one_of(
    st.sampled_from(HOSTILE), st.text(ANYTHING, max_size=300), st.text('\r\n\0\ud800\u2028"\\=?,;:<>@()é ', max_size=90)
)


@examples(60)
@given(
    hostile, hostile, hostile, hostile, st.sampled_from(LocationType), st.sampled_from(Method), st.sampled_from(Role)
)
def test_no_text_breaks_a_mail(
    name: str, title: str, description: str, detail: str, kind: LocationType, method: Method, role: Role
):
    host, guest = replace(HOST, name=name), replace(GUEST, name=name[::-1])
    invite = guest_invite(
        method=method,
        recipient=host if role is Role.HOST else guest,
        host=host,
        attendees=(host, guest),
        title=title,
        description=description,
        location=Location(kind, detail),
        join_url=detail if kind is LocationType.CUSTOM_LINK else LINK if kind is LocationType.VIDEO else None,
        passcode=detail,
    )
    mail = raw(invite)
    assert check_mail(mail) == []
    assert calendar_of(mail).count(b"\r\nATTENDEE;") == 2
    names = re.findall(rb"^[A-Z-]+", calendar_of(mail).replace(b"\r\n ", b""), re.M)
    assert len(names) == len(set(names)) + 3  # BEGIN and END twice, ATTENDEE twice: nothing else was slipped in


@pytest.mark.parametrize("text", HOSTILE)
def test_the_largest_mail_stays_below_a_hundred_kilobytes(text: str):
    long = (text * 2000)[:20_000]
    guests = tuple(Party(Role.GUEST, long, f"guest{n}@example.com", "UTC") for n in range(10))
    invite = host_invite(title=long, description=long, passcode=long, attendees=(HOST, *guests))
    assert check_mail(raw(invite)) == []


@pytest.mark.parametrize("text", HOSTILE)
def test_a_notice_carries_no_injected_header(text: str):
    mail = compose_notice("host@example.com", text, text, f"<p>{text}</p>", SENDER)
    names = [line.split(b":")[0] for line in mail.raw.split(b"\r\n\r\n")[0].split(b"\r\n") if line[:1].strip()]
    assert set(names) <= {b"From", b"To", b"Subject", b"Date", b"Auto-Submitted", b"MIME-Version", b"Content-Type"}


LONGEST = f"{'x' * 64}@{'d' * 63}.{'d' * 63}.{'d' * 53}.example"


@pytest.mark.parametrize("method", Method)
@pytest.mark.parametrize("role", Role)
def test_the_most_that_a_caller_may_send_stays_below_a_hundred_kilobytes(method: Method, role: Role):
    emoji, link = "😀" * 5000, "https://video.example.org/" + "%F0%9F%98%80" * 80
    guests = tuple(Party(Role.GUEST, emoji, f"{n:03}{LONGEST[3:]}", "UTC") for n in range(50))
    people = (replace(HOST, name=emoji), *guests)
    invite = guest_invite(
        method=method,
        recipient=people[0] if role is Role.HOST else people[1],
        host=people[0],
        attendees=people,
        title=emoji,
        description=emoji,
        join_url=link,
        links=Links(link, link),
        brand=Brand(emoji, "#000000", link, emoji),
    )
    mail = raw(invite)
    assert check_mail(mail) == []
    assert calendar_of(mail).count(b"\r\nATTENDEE;") == 51


@examples(200)
@given(st.text(ANYTHING, max_size=80) | st.from_regex(r"[\w.+\"(),:;<>@\[\]\\\s-]{1,70}@[\w.\[\]\s-]{1,70}"))
def test_any_address_is_refused_or_mailed_rightly(address: str):
    guest = replace(GUEST, email=address)
    try:
        mail = raw(guest_invite(recipient=guest, attendees=(HOST, guest)))
    except MailRejected:
        return
    # What else is mailed are addresses such as `a..b@` that carriers gave out; readers by the letter stumble on those.
    if re.fullmatch(r"[A-Za-z0-9_+-]+([.][A-Za-z0-9_+-]+)*@.+", address):
        assert check_mail(mail) == []


@examples(150)
@given(hostile, hostile)
def test_any_link_is_left_out_or_stands_everywhere(path: str, host: str):
    link = f"https://{host[:20] or 'video.example.org'}/{path}"
    assert check_mail(raw(guest_invite(join_url=link, links=Links(link, link)))) == []
