"""What the product writes is read in the same way by calendar libraries that we did not write."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from random import Random
from zoneinfo import ZoneInfo

import pytest
from msgspec.structs import replace

from chalicelib.domain.invitation import Invite, Method, Party, Role
from chalicelib.mail.icalendar_object import build_calendar_file
from infra.local.console.mail_cases import INVITATIONS
from tests.support.invites import HOST, SENDER, cancellation, guest_invite, host_invite
from tests.support.readers import Entry, IcalJs, Libical, read_with_vobject

pytestmark = pytest.mark.node

ZONES = """Africa/Cairo Africa/Casablanca Africa/Johannesburg America/Anchorage America/Bogota America/Chicago
America/Havana America/Los_Angeles America/New_York America/Santiago America/Sao_Paulo America/St_Johns
Antarctica/Troll Asia/Beirut Asia/Dubai Asia/Jerusalem Asia/Kathmandu Asia/Kolkata Asia/Tokyo Atlantic/Azores
Australia/Adelaide Australia/Lord_Howe Australia/Sydney Europe/Berlin Europe/Chisinau Europe/Dublin Europe/London
Pacific/Auckland Pacific/Chatham Pacific/Kiritimati""".split()  # noqa: SIM905 - thirty names read better so
YEAR = datetime(2027, 1, 1, tzinfo=UTC)
PIECES = ["\r\n", "\n", "\r", "\0", "\x0b", "\x85", "\u2028", "\u202e", "\u05d0\u05d1", "\u0639", "e\u0301\u0323", "😀",
          "\U000e0041", "𝔘", '"', "'", ";", ":", ",", "\\", "\\n", "^n", "<b>", "BEGIN:VEVENT", "ATTENDEE:mailto:x@y.z",
          "é", " ", "a", "=?utf-8?q?x?=", "%0d%0a", "{x}", "\ufffe", "\ud800"]  # fmt: skip


@pytest.fixture(scope="module")
def libical(tmp_path_factory: pytest.TempPathFactory) -> Libical:
    return Libical(tmp_path_factory.mktemp("libical"))


@pytest.fixture(scope="module")
def icaljs(tmp_path_factory: pytest.TempPathFactory) -> IcalJs:
    return IcalJs(tmp_path_factory.mktemp("icaljs"))


def octets(invite: Invite) -> bytes:
    return build_calendar_file(invite, SENDER.address)


def wanted(invite: Invite) -> Entry:
    times = (invite.starts_at.astimezone(UTC), invite.ends_at.astimezone(UTC))
    return Entry(*times, invite.uid, invite.sequence, len(invite.attendees))


def instants(zone: ZoneInfo) -> list[datetime]:
    """Eight of a year: the minutes before and after each change of the clocks, and quiet days."""
    hours = [YEAR + timedelta(hours=hour) for hour in range(365 * 24)]
    changes = [
        late for early, late in pairwise(hours)
        if early.astimezone(zone).utcoffset() != late.astimezone(zone).utcoffset()
    ]  # fmt: skip
    around = [change + timedelta(minutes=minutes) for change in changes[:3] for minutes in (-61, -1)][:6]
    quiet = [YEAR + timedelta(days=45 * number, hours=9, minutes=30) for number in range(8)]
    return [moment.astimezone(zone) for moment in (around + quiet)[:8]]


def test_every_instant_is_read_back_in_every_zone(libical: Libical, icaljs: IcalJs):
    starts = [moment for name in ZONES for moment in instants(ZoneInfo(name))]
    assert len(starts) == 240
    invites = [guest_invite(starts_at=start, ends_at=start.astimezone(UTC) + timedelta(minutes=45)) for start in starts]
    calendars, right = [octets(invite) for invite in invites], [wanted(invite) for invite in invites]
    assert [verdict.entry for verdict in libical(calendars)] == right
    assert icaljs(calendars) == right
    assert [read_with_vobject(calendar) for calendar in calendars] == right


def test_every_kind_of_mail_keeps_to_itip(libical: Libical, icaljs: IcalJs):
    kinds = list(INVITATIONS.values())
    kinds += [replace(invite, method=Method.CANCEL) for invite in kinds if invite.method is Method.REQUEST]
    calendars = [octets(invite) for invite in kinds]
    assert [(v.passes, v.errors, v.entry) for v in libical(calendars)] == [(True, 0, wanted(i)) for i in kinds]
    assert icaljs(calendars) == [wanted(invite) for invite in kinds]


@pytest.mark.parametrize("missing", ["ORGANIZER", "ATTENDEE", "DTSTAMP", "UID", "SEQUENCE"])
def test_libical_would_notice(libical: Libical, missing: str):
    invite = cancellation(guest_invite()) if missing == "SEQUENCE" else guest_invite()
    without = re.sub(rf"{missing}[:;].*?\r\n(?! )".encode(), b"", octets(invite), flags=re.S)
    (verdict,) = libical([without])
    assert not verdict.passes or verdict.errors


def test_no_text_costs_an_attendee_in_any_of_them(libical: Libical, icaljs: IcalJs):
    random = Random(5)

    def text(length: int) -> str:
        return "".join(random.choice(PIECES) for _ in range(length))

    invites = []
    for _ in range(150):
        guests = [Party(Role.GUEST, text(12), f"guest{n}@example.com", "UTC") for n in range(random.randint(1, 5))]
        host = replace(HOST, name=text(12))
        said = {"title": text(20), "description": text(random.choice((5, 200, 2000))), "passcode": text(4)}
        link = f"https://video.example.org/{text(6)}"
        people = {"recipient": host, "host": host, "attendees": (host, *guests)}
        invites.append(host_invite(**people, **said, join_url=link))
    calendars, right = [octets(invite) for invite in invites], [wanted(invite) for invite in invites]
    assert [(v.passes, v.errors, v.entry) for v in libical(calendars)] == [(True, 0, entry) for entry in right]
    assert icaljs(calendars) == right
    assert [read_with_vobject(calendar) for calendar in calendars] == right


def test_the_lock_file_names_no_registry():
    assert "resolved" not in (Path(__file__).parent / "icaljs" / "package-lock.json").read_text()
