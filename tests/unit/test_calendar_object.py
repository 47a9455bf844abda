"""The calendar object: what stands in it, and that other libraries read the same from it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
import vobject
from hypothesis import given
from hypothesis import strategies as st
from icalendar import Calendar, Component
from msgspec.structs import replace

from chalicelib.domain.calendar import Location, LocationType
from chalicelib.domain.invitation import Invite, Party, Role
from chalicelib.errors import MailRejected
from chalicelib.mail.icalendar_object import build_calendar_file
from tests.support.examples import examples
from tests.support.invites import HOST, LINK, SENDER, cancellation, guest_invite, host_invite, without_link

ZONES = """Africa/Casablanca Africa/Johannesburg America/Anchorage America/Bogota America/Caracas America/Chicago
America/Havana America/Los_Angeles America/New_York America/Sao_Paulo America/St_Johns Antarctica/Troll Asia/Dubai
Asia/Jerusalem Asia/Kathmandu Asia/Kolkata Asia/Shanghai Asia/Tokyo Atlantic/Azores Australia/Adelaide
Australia/Lord_Howe Australia/Sydney Europe/Berlin Europe/Dublin Europe/Istanbul Europe/London Pacific/Apia
Pacific/Auckland Pacific/Chatham Pacific/Kiritimati""".split()  # noqa: SIM905 - thirty names read better so
# Both sides of the clock changes in Europe and in North America, and the two solstices.
LOCAL_TIMES = [
    datetime(2027, 1, 5, 16, 0),
    datetime(2027, 3, 13, 23, 30),
    datetime(2027, 3, 14, 3, 30),
    datetime(2027, 3, 28, 0, 30),
    datetime(2027, 3, 28, 3, 30),
    datetime(2027, 7, 1, 9, 0),
    datetime(2027, 10, 31, 2, 30),
    datetime(2027, 11, 7, 1, 30),
]

ANYTHING = st.characters(exclude_categories=())  # lone surrogates included


def octets(invite: Invite) -> bytes:
    return build_calendar_file(invite, SENDER.address)


def event(invite: Invite) -> Component:
    (found,) = Calendar.from_ical(octets(invite)).walk("VEVENT")
    return found


@pytest.mark.parametrize("zone", ZONES)
def test_every_reader_gets_the_instant_back(zone: str):
    for local in LOCAL_TIMES:
        starts_at = local.replace(tzinfo=ZoneInfo(zone))
        ends_at = (starts_at.astimezone(UTC) + timedelta(minutes=45)).astimezone(ZoneInfo(zone))
        invite = guest_invite(starts_at=starts_at, ends_at=ends_at)
        wanted = (starts_at.astimezone(UTC), ends_at.astimezone(UTC))
        theirs = vobject.readOne(octets(invite).decode()).vevent
        assert (event(invite)["DTSTART"].dt, event(invite)["DTEND"].dt) == wanted
        assert (theirs.dtstart.value, theirs.dtend.value) == wanted


def test_a_request_is_confirmed():
    assert b"\r\nMETHOD:REQUEST\r\n" in octets(guest_invite()) and event(guest_invite())["STATUS"] == "CONFIRMED"


def test_a_cancellation_keeps_the_uid_and_the_organizer_and_is_cancelled():
    before, after = event(guest_invite()), event(cancellation(guest_invite()))
    assert b"\r\nMETHOD:CANCEL\r\n" in octets(cancellation(guest_invite()))
    assert (after["UID"], after["ORGANIZER"], after["STATUS"], after["SEQUENCE"]) == (
        before["UID"],
        before["ORGANIZER"],
        "CANCELLED",
        1,
    )


def test_the_service_organizes_in_the_hosts_name():
    organizer = event(guest_invite())["ORGANIZER"]
    assert organizer == "mailto:invitations@meet.example.net" and organizer.params == {"CN": "Demo Host"}


def test_host_and_guest_are_both_asked_for_an_answer():
    attendees = event(guest_invite())["ATTENDEE"]
    assert attendees == ["mailto:host@example.com", "mailto:guest@example.com"]
    assert all(attendee.params["RSVP"] == "TRUE" for attendee in attendees)


def test_the_link_stands_everywhere_a_calendar_may_look():
    found = event(guest_invite())
    assert found["LOCATION"] == found["URL"] == found["CONFERENCE"] == LINK and LINK in found["DESCRIPTION"]


def test_passcode_and_dial_in_stand_in_the_description():
    description = event(guest_invite())["DESCRIPTION"]
    assert "Passcode: 739 182" in description and "+1 646 555 0123 (New York, US)" in description


def test_a_link_that_will_follow_leaves_the_location_empty_and_is_described():
    found = event(without_link())
    assert "LOCATION" not in found and "will follow" in found["DESCRIPTION"]


@pytest.mark.parametrize("kind", [LocationType.PHONE, LocationType.IN_PERSON])
def test_a_place_or_number_is_the_location(kind: LocationType):
    found = event(guest_invite(location=Location(kind, "Example Street 1"), join_url=None))
    assert found["LOCATION"] == "Example Street 1" and "URL" not in found


@pytest.mark.parametrize(
    "link", ["integrations:zoom", "javascript:alert(1)", "https://", "room 7", "https://a b/", "//x/"]
)
def test_what_is_no_link_never_becomes_one(link: str):
    found = event(guest_invite(location=Location(LocationType.CUSTOM_LINK, link), join_url=link))
    assert not {"LOCATION", "URL", "CONFERENCE"} & set(found)


@pytest.mark.parametrize(
    ("typed", "written"),
    [
        ("https://rooms.example.org/räume?q=a b", "https://rooms.example.org/r%C3%A4ume?q=a%20b"),
        ("https://räume.example:8443/x", "https://xn--rume-loa.example:8443/x"),
        ("HTTPS://Rooms.example.org/%20", "HTTPS://Rooms.example.org/%20"),
    ],
)
def test_a_link_is_written_as_rfc_3986_wants_it(typed: str, written: str):
    found = event(guest_invite(location=Location(LocationType.CUSTOM_LINK, typed), join_url=typed))
    assert found["URL"] == written


def test_quotes_in_a_name_become_apostrophes():
    host = replace(HOST, name='Demo "The" Host')
    assert b"CN=\"Demo 'The' Host\"" in octets(host_invite(host=host)).replace(b"\r\n ", b"")


def test_a_typed_backslash_n_is_no_line_break():
    assert "\n" not in event(guest_invite(title="C:\\New"))["SUMMARY"]


def test_an_untitled_booking_has_a_summary():
    assert event(guest_invite(title="\x00 "))["SUMMARY"] == "Appointment"


def test_a_sender_with_a_plus_sign_is_refused():
    with pytest.raises(MailRejected):
        build_calendar_file(guest_invite(), "invitations+b42@example.net")


@examples(80)
@given(st.lists(st.text(ANYTHING, max_size=120), min_size=1, max_size=6), st.text(ANYTHING, max_size=400))
def test_no_text_loses_an_attendee_breaks_a_line_or_adds_one(names: list[str], text: str):
    guests = [Party(Role.GUEST, name, f"guest{number}@example.com", "UTC") for number, name in enumerate(names)]
    written = octets(host_invite(attendees=(HOST, *guests), title=text, description=text, passcode=text))
    lines = written.split(b"\r\n")
    assert all(len(line) <= 75 and line.decode() is not None for line in lines)
    starts = [line.split(b":")[0].split(b";")[0] for line in lines if line and line[:1] != b" "]
    assert starts.count(b"ATTENDEE") == len(names) + 1
    assert len(starts) == len(set(starts)) + len(names) + 2  # BEGIN and END twice


@examples(60)
@given(st.text("abc ,;:\\nN\"'\n\té😀", max_size=200))
def test_a_description_is_read_back_as_it_was_typed(text: str):
    typed = "\n".join(text.split("\n")).strip()
    read = event(without_link(description=text))["DESCRIPTION"].replace("\u2060", "")
    while "\n\n\n" in typed:
        typed = typed.replace("\n\n\n", "\n\n")
    assert read.endswith(typed)
