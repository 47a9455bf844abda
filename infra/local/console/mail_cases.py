"""One example of every kind of mail that the product sends."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache

from msgspec.structs import replace

from chalicelib.domain.booking import NO_LINKS, Appointment, Booking, BookingStatus, Links
from chalicelib.domain.calendar import Host, Location, LocationType
from chalicelib.domain.invitation import Announcement, EntryOwner, Invite, Method, Party, Role, Trouble
from chalicelib.domain.meeting import DialIn, Meeting, MeetingReason, MeetingState
from chalicelib.domain.workspace import Brand, Workspace
from chalicelib.mail.addresses import SenderAddress
from chalicelib.mail.message import Mail, compose, compose_notice
from chalicelib.mail.notice_templates import (
    Letterhead,
    Notice,
    write_connect_notice,
    write_declined_notice,
    write_failed_meeting_notice,
    write_proposed_notice,
    write_reconnect_notice,
    write_undelivered_notice,
)

SENDER = SenderAddress("invitations@meetlink.example", "meetlink")
_HOST = Party(Role.HOST, "Demo Host", "host@example.com", "Europe/Berlin")
_GUEST = Party(Role.GUEST, "Demo Guest", "guest@example.com", "America/New_York")
_SECOND = Party(Role.GUEST, "Second Guest", "second.guest@example.com", "Asia/Tokyo")
_BRAND = Brand(
    name="Example Clinic",
    color="#0f766e",
    footer="Example Clinic, Example Street 1, 10115 Berlin\nPhone +49 30 0000 0000",
)
_STARTS_AT, _ENDS_AT = datetime(2027, 1, 5, 15, 0, tzinfo=UTC), datetime(2027, 1, 5, 15, 30, tzinfo=UTC)

_GUESTS = Invite(
    workspace_id="demo",
    booking_id="b-42",
    method=Method.REQUEST,
    uid="b-42@meetlink.example",
    sequence=0,
    stamped_at=datetime(2026, 12, 1, 9, 30, tzinfo=UTC),
    recipient=_GUEST,
    host=_HOST,
    attendees=(_HOST, _GUEST),
    title="Introductory call",
    description="We will look at your questions.\n\nPlease bring the signed form.",
    starts_at=_STARTS_AT,
    ends_at=_ENDS_AT,
    location=Location(LocationType.VIDEO),
    join_url="https://video.example.org/j/93412345678?pwd=a8Fk2mQx7Lz",
    passcode="739 182",
    dial_in=(DialIn("+49 69 1234 5678", "DE", "Frankfurt"), DialIn("+1 646 555 0123", "US", "New York")),
    links=Links("https://shop.example.com/b-42/reschedule", "https://shop.example.com/b-42/cancel"),
    answer_url="https://meetlink.example/a/1.MjAyNy0wMS0wNQ",
    reminder_minutes=15,
)
_EARLIER = Announcement(
    0,
    title="First call",
    starts_at=_STARTS_AT - timedelta(days=1, hours=2),
    ends_at=_ENDS_AT - timedelta(days=1, hours=2),
    location=Location(LocationType.IN_PERSON, "Example Street 1, 10115 Berlin"),
    host="Former Host",
    join_url="https://video.example.org/j/81100223344?pwd=k2Lm9QaXz3B",
)
_HOSTS = replace(_GUESTS, recipient=_HOST, attendees=(_HOST, _GUEST, _SECOND))
_LINKLESS = replace(_GUESTS, join_url=None, passcode=None, dial_in=())
_AT_A_PLACE = replace(_LINKLESS, links=NO_LINKS)


_LANGUAGES = {
    "German": ("de", "Europe/Vienna"),
    "French": ("fr", "Europe/Paris"),
    "Spanish": ("es", "Europe/Madrid"),
    "Japanese": ("ja", "Asia/Tokyo"),
    "American": ("en-US", "America/New_York"),
}


def _translated(name: str, invite: Invite) -> Invite:
    language, zone = _LANGUAGES[name]
    return replace(invite, recipient=replace(invite.recipient, language=language, time_zone=zone))


def _cancelled(invite: Invite) -> Invite:
    return replace(invite, method=Method.CANCEL, sequence=invite.sequence + 1, is_update=True)


def _updated(invite: Invite) -> Invite:
    return replace(invite, sequence=invite.sequence + 1, is_update=True, before=_EARLIER)


def _with_event(invite: Invite) -> Invite:
    return replace(invite, entry_owner=EntryOwner.PROVIDER)


def _handed_over(invite: Invite) -> Invite:
    return replace(_with_event(_updated(invite)), withdraws=True)


INVITATIONS: dict[str, Invite] = {
    "guest": _GUESTS,
    "guest, no links of the caller's": replace(_GUESTS, links=NO_LINKS),
    "guest among others": replace(_GUESTS, attendees=(_HOST, _GUEST, _SECOND)),
    "host": _HOSTS,
    "guest, changed": _updated(_GUESTS),
    "host, changed": _updated(_HOSTS),
    "guest, cancelled": _cancelled(_GUESTS),
    "host, cancelled": _cancelled(_HOSTS),
    "host, event in the calendar": _with_event(_HOSTS),
    "host, event changed": _with_event(_updated(_HOSTS)),
    "host, event not changed yet": replace(_with_event(_updated(_HOSTS)), is_event_current=False),
    "host, event cancelled": _with_event(_cancelled(_HOSTS)),
    "host, entry replaced by an event": _handed_over(_HOSTS),
    "guest, entry replaced by an event": _handed_over(_GUESTS),
    "guest, link follows": replace(_LINKLESS, link_follows=True),
    "host, link follows": replace(_HOSTS, join_url=None, passcode=None, dial_in=(), link_follows=True),
    "guest, no link could be made": _LINKLESS,
    "host, no link could be made": replace(_HOSTS, join_url=None, passcode=None, dial_in=()),
    "by phone": replace(_AT_A_PLACE, location=Location(LocationType.PHONE, "+49 30 0000 0000")),
    "in person": replace(_AT_A_PLACE, location=Location(LocationType.IN_PERSON, "Example Street 1, 10115 Berlin")),
    "fixed link": replace(
        _AT_A_PLACE,
        location=Location(LocationType.CUSTOM_LINK, "https://rooms.example.org/demo"),
        join_url="https://rooms.example.org/demo",
    ),
    "branded": replace(_GUESTS, brand=_BRAND, sender="appointments@clinic.example"),
    "branded, pale colour": replace(_GUESTS, brand=replace(_BRAND, color="#ffd166")),
    **{
        f"{language} {kind}": _translated(language, invite)
        for language in _LANGUAGES
        for kind, invite in {
            "guest": _GUESTS,
            "host": _HOSTS,
            "guest, changed": _updated(_GUESTS),
            "guest, cancelled": _cancelled(_GUESTS),
            "host, event in the calendar": _with_event(_HOSTS),
            "host, event not changed yet": replace(_with_event(_updated(_HOSTS)), is_event_current=False),
            "host, event cancelled": _with_event(_cancelled(_HOSTS)),
            "host, entry replaced by an event": _handed_over(_HOSTS),
            "guest, link follows": replace(_LINKLESS, link_follows=True, links=NO_LINKS),
        }.items()
    },
}


def _reminder(invite: Invite) -> Invite:
    return replace(invite, is_reminder=True)


REMINDERS: dict[str, Invite] = {
    "guest, reminder": _reminder(_GUESTS),
    "host, reminder": _reminder(_HOSTS),
    "guest, reminder without a link": _reminder(_LINKLESS),
    "branded reminder": _reminder(INVITATIONS["branded"]),
    **{
        f"{language} {kind}": _translated(language, _reminder(invite))
        for language in _LANGUAGES
        for kind, invite in {"guest, reminder": _GUESTS, "host, reminder": _HOSTS}.items()
    },
}


def _booking(language: str) -> Booking:
    appointment = Appointment("c-1", _STARTS_AT, _ENDS_AT, "Europe/Berlin", "Introductory call")
    return Booking(
        workspace_id="demo",
        booking_id="b-42",
        revision=1,
        status=BookingStatus.CONFIRMED,
        appointment=appointment,
        host=Host("u-1", _HOST.name, _HOST.email, _HOST.time_zone, language),
        location=Location(LocationType.VIDEO),
        eligibility=None,
        hosted_since=_STARTS_AT,
        created_at=_STARTS_AT,
        updated_at=_STARTS_AT,
    )


_URL = "https://meet.example.com/connect/example"
_REFUSED = Meeting(
    MeetingState.FAILED,
    reason=MeetingReason.PROVIDER_REJECTED,
    detail="This Zoom user is not allowed to host meetings. Ask your Zoom administrator for a licence or permission.",
)


_PLAIN = Letterhead("meetlink", Workspace("demo", "Demo Workspace", _STARTS_AT))
_BRANDED = Letterhead("meetlink", Workspace("clinic", "Example Clinic", _STARTS_AT, brand=_BRAND))


def _notices(language: str, letterhead: Letterhead) -> dict[str, Notice]:
    booking, existing = _booking(language), replace(_REFUSED, id="93412345678", join_url=_GUESTS.join_url)
    cancelled = replace(booking, status=BookingStatus.CANCELLED)
    return {
        "connect": write_connect_notice(_URL, language, letterhead),
        "reconnect": write_reconnect_notice("Zoom", "host@example.com", _URL, language, letterhead),
        **{trouble.value: write_undelivered_notice(booking, _GUEST.email, trouble, letterhead) for trouble in Trouble},
        "declined": write_declined_notice(booking, _GUEST, letterhead),
        "another time proposed": write_proposed_notice(booking, _GUEST, _STARTS_AT + timedelta(days=1), letterhead),
        "no link": write_failed_meeting_notice(booking, _REFUSED, letterhead),
        "not changed": write_failed_meeting_notice(booking, existing, letterhead),
        "not deleted": write_failed_meeting_notice(cancelled, existing, letterhead),
    }


NOTICES: dict[str, Notice] = {
    **{f"notice: {kind}": notice for kind, notice in _notices("en", _PLAIN).items()},
    **{f"branded notice: {kind}": notice for kind, notice in _notices("en", _BRANDED).items()},
    **{
        f"{name} notice: {kind}": notice
        for name, (tag, _) in _LANGUAGES.items()
        for kind, notice in _notices(tag, _BRANDED).items()
    },
}


@cache
def mails() -> dict[str, Mail]:
    """Every case, made by the product's own composer."""
    bookings = {name: compose(invite, SENDER) for name, invite in (INVITATIONS | REMINDERS).items()}
    return bookings | {name: compose_notice(_HOST.email, *notice, SENDER) for name, notice in NOTICES.items()}
