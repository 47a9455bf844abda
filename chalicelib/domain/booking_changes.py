"""Create a booking and change it: each function returns the booking after one request of its caller."""

from __future__ import annotations

from datetime import datetime
from urllib.parse import quote

from msgspec.structs import replace

from chalicelib.domain.booking import (
    DEFAULT_TITLE,
    DESCRIPTION_LENGTH,
    TITLE_LENGTH,
    Appointment,
    Booking,
    BookingStatus,
    Eligibility,
    content_digest,
)
from chalicelib.domain.calendar import Calendar, Fallback, Host, Location, LocationType
from chalicelib.domain.connection import Connection
from chalicelib.domain.emails import UNDECIDED, Emails
from chalicelib.domain.plain_text import clean_line, clean_lines
from chalicelib.domain.reminder import Reminder
from chalicelib.domain.text_templates import NO_TEMPLATES, TextTemplates, render
from chalicelib.errors import Conflict


def book(
    key: tuple[str, str],
    appointment: Appointment,
    calendar: Calendar,
    connection: Connection | None,
    *,
    reminders: tuple[Reminder, ...] = (),
    version: int | None,
    now: datetime,
    workspace_emails: Emails = UNDECIDED,
    base_url: str | None = None,
    language: str | None = None,
) -> Booking:
    """Return a new booking on `calendar`, whose host is the booking's. `connection` is the host's, if there is one."""
    workspace_id, booking_id = key
    templates = _templates_of(calendar)
    emails = appointment.emails.or_else(calendar.emails).or_else(workspace_emails)
    return Booking(
        workspace_id=workspace_id,
        booking_id=booking_id,
        revision=1,
        status=BookingStatus.CONFIRMED,
        appointment=_with_texts(replace(appointment, emails=emails), templates, calendar.host),
        host=calendar.host,
        location=_location_of(calendar.location, booking_id),
        eligibility=_eligibility(calendar, connection, hosted_since=now),
        hosted_since=now,
        created_at=now,
        updated_at=now,
        version=version,
        guests_see_each_other=calendar.guests_see_each_other,
        on_decline=calendar.on_decline,
        base_url=base_url,
        first_content=content_digest(appointment),
        reminders=reminders,
        language=language,
        fallback=_fallback_of(calendar, booking_id),
        templates=templates,
        cohosts=_choose_cohosts(appointment, calendar),
        meeting_settings=calendar.meeting_settings,
    )


def change(
    booking: Booking,
    appointment: Appointment,
    calendar: Calendar | None,
    connection: Connection | None,
    *,
    reminders: tuple[Reminder, ...] = (),
    version: int | None,
    now: datetime,
) -> Booking:
    """Return the booking with the caller's new content; the same object if nothing changes or `version` is older.

    `calendar` and its `reminders` are set if the booking moves to another calendar, or to another host of its calendar
    (see `as_booked`). Changes of a calendar apply to new bookings only. Raises `Conflict` if the booking is cancelled,
    or if `version` was already used for other content.
    """
    if _is_late(booking, version):
        return booking
    if booking.is_cancelled:
        raise Conflict("This booking is cancelled. Create a new one with another id.", reason="booking_cancelled")
    templates, host = (_templates_of(calendar), calendar.host) if calendar else (booking.templates, booking.host)
    appointment = _with_texts(_with_earlier_choices(appointment, booking.appointment), templates, host)
    if not _is_change(booking, appointment, version):
        return booking
    changed = _with_content(booking, appointment, version, now)
    if calendar is None:
        return _with_chosen_cohosts(changed)
    return replace(_move(changed, calendar, connection, now=now), reminders=reminders)


def _is_change(booking: Booking, appointment: Appointment, version: int | None) -> bool:
    """Return whether the content or the version is new. Raises `Conflict` if the version was used for other content."""
    is_same = content_digest(appointment) == content_digest(booking.appointment)
    if not is_same and version is not None and version == booking.version:
        raise Conflict(f"Version {version} was already used for other content.", reason="version_reused")
    return not is_same or version not in (None, booking.version)


def _with_content(booking: Booking, appointment: Appointment, version: int | None, now: datetime) -> Booking:
    """Return the booking's next revision, which has this content."""
    earlier = booking.appointment
    is_moved = (appointment.calendar_id, appointment.starts_at) != (earlier.calendar_id, earlier.starts_at)
    return replace(
        booking,
        revision=booking.revision + 1,
        appointment=appointment,
        updated_at=now,
        version=version if version is not None else booking.version,
        reminders_set_at=now if is_moved else booking.reminders_set_at,
    )


def _with_earlier_choices(appointment: Appointment, earlier: Appointment) -> Appointment:
    """Return the appointment with what the caller left out and chose before."""
    is_same_calendar = appointment.calendar_id == earlier.calendar_id
    return replace(
        appointment,
        emails=appointment.emails.or_else(earlier.emails),
        cohosts=earlier.cohosts if appointment.cohosts is None else appointment.cohosts,
        host_id=appointment.host_id or (earlier.host_id if is_same_calendar else None),
    )


def _with_chosen_cohosts(booking: Booking) -> Booking:
    chosen = booking.appointment.cohosts
    if chosen is None:
        return booking
    return replace(booking, cohosts=tuple(cohost for cohost in chosen if cohost.user_id != booking.host.user_id))


def as_booked(calendar: Calendar, booking: Booking) -> Calendar:
    """Return the calendar with its present host, and everything else as the booking got it."""
    return replace(
        calendar,
        location=booking.location,
        guests_see_each_other=booking.guests_see_each_other,
        on_decline=booking.on_decline,
        fallback=booking.fallback,
        templates=booking.templates,
        cohosts=booking.cohosts,
        reminders=booking.reminders,
        meeting_settings=booking.meeting_settings,
    )


def _move(booking: Booking, calendar: Calendar, connection: Connection | None, *, now: datetime) -> Booking:
    """Return the booking on the other calendar. With the same host, it keeps the eligibility for a video link."""
    same_host = calendar.host.user_id == booking.host.user_id
    hosted_since = booking.hosted_since if same_host else now
    eligibility = _eligibility(calendar, connection, hosted_since=hosted_since)
    if same_host and eligibility is None and calendar.location.type is LocationType.VIDEO:
        eligibility = booking.eligibility  # It keeps a link that it got from an earlier connection.
    return replace(
        booking,
        host=calendar.host,
        location=_location_of(calendar.location, booking.booking_id),
        hosted_since=hosted_since,
        eligibility=eligibility,
        guests_see_each_other=calendar.guests_see_each_other,
        on_decline=calendar.on_decline,
        fallback=_fallback_of(calendar, booking.booking_id),
        templates=_templates_of(calendar),
        cohosts=_choose_cohosts(booking.appointment, calendar),
        meeting_settings=calendar.meeting_settings,
    )


def _templates_of(calendar: Calendar) -> TextTemplates:
    """Return the calendar's templates with its name; those of a booking (`as_booked`) have it already."""
    templates = calendar.templates
    if templates == NO_TEMPLATES:
        return NO_TEMPLATES
    return replace(templates, calendar_name=templates.calendar_name or calendar.name)


def _with_texts(appointment: Appointment, templates: TextTemplates, host: Host) -> Appointment:
    """Return the appointment with the texts that the caller left out."""
    values = {
        "guest.name": appointment.guests[0].name if appointment.guests else "",
        "host.name": host.name,
        "calendar.name": templates.calendar_name,
    }
    title = clean_line(render(templates.title or "", values), TITLE_LENGTH)
    description = clean_lines(render(templates.description or "", values), DESCRIPTION_LENGTH)
    return replace(
        appointment,
        title=appointment.title or title or DEFAULT_TITLE,
        description=appointment.description or description,
    )


def _choose_cohosts(appointment: Appointment, calendar: Calendar) -> tuple[Host, ...]:
    """Return the appointment's co-hosts, else the calendar's, without the host."""
    cohosts = calendar.cohosts if appointment.cohosts is None else appointment.cohosts
    return tuple(cohost for cohost in cohosts if cohost.user_id != calendar.host.user_id)


def _location_of(location: Location, booking_id: str) -> Location:
    """Return the booking's location: a calendar's fixed link may contain a placeholder for the booking id."""
    if location.type is not LocationType.CUSTOM_LINK or location.detail is None:
        return location
    return replace(location, detail=_with_booking_id(location.detail, booking_id))


def _fallback_of(calendar: Calendar, booking_id: str) -> Fallback | None:
    fallback = calendar.fallback
    return None if fallback is None else replace(fallback, url=_with_booking_id(fallback.url, booking_id))


def _with_booking_id(link: str, booking_id: str) -> str:
    return link.replace("{booking_id}", quote(booking_id, safe=""))


def cancel(booking: Booking, *, version: int | None = None, now: datetime) -> Booking:
    """Return the booking as cancelled; the same object if it is cancelled already or `version` is older."""
    if booking.is_cancelled or _is_late(booking, version):
        return booking
    return replace(
        booking,
        revision=booking.revision + 1,
        status=BookingStatus.CANCELLED,
        updated_at=now,
        version=version if version is not None else booking.version,
    )


def settle_again(booking: Booking, *, now: datetime) -> Booking:
    """Return the booking with a new revision and the same content, so that it is settled again."""
    return replace(booking, revision=booking.revision + 1, updated_at=now)


def resend_to(booking: Booking, key: str, *, now: datetime) -> Booking:
    """Return the booking with a new revision that requests the last invitation of one recipient once more."""
    again = settle_again(booking, now=now)
    return replace(again, resends={**booking.resends, key: again.revision})


def give_up_meeting(booking: Booking, *, now: datetime) -> Booking:
    """Return the booking without its eligibility for a meeting; the same object if it has none."""
    if booking.eligibility is None:
        return booking
    return replace(booking, revision=booking.revision + 1, eligibility=None, updated_at=now)


def _is_late(booking: Booking, version: int | None) -> bool:
    return version is not None and booking.version is not None and version < booking.version


def _eligibility(calendar: Calendar, connection: Connection | None, *, hosted_since: datetime) -> Eligibility | None:
    # Promise 6: only what was booked after the connection was established gets links.
    if calendar.location.type is not LocationType.VIDEO or connection is None:
        return None
    if not connection.serves_new_bookings:
        return None
    if connection.connected_at > hosted_since:
        return None
    return Eligibility(connection.provider, connection.grant_id, connection.connected_at)
