"""Which invitations are outstanding: one email per recipient whenever that recipient's view of the booking changed."""

from __future__ import annotations

from datetime import datetime, timedelta

from msgspec.structs import replace

from chalicelib.domain.answers import answer_key
from chalicelib.domain.booking import Booking
from chalicelib.domain.calendar import Location, LocationType
from chalicelib.domain.invitation import (
    Announcement,
    EntryOwner,
    Invitation,
    InvitationState,
    Invite,
    Method,
    Party,
    Role,
    address_key,
    is_emailed,
    parties,
)
from chalicelib.domain.meeting import Meeting, MeetingState
from chalicelib.domain.settlement import Settlement

DEFAULT_HOLD = timedelta(minutes=15)
"""How long an invitation waits for a link during an outage, unless the workspace has its own setting."""


def release_at(booking: Booking, meeting: Meeting, hold: timedelta = DEFAULT_HOLD) -> datetime | None:
    """Return when invitations may be sent; None while the meeting is being created.

    A link that the provider cannot create now delays them by `hold`, or less when the start is near. Then they are sent
    without the link, which follows later.
    """
    if booking.is_cancelled:
        return booking.updated_at
    if meeting.state is MeetingState.PENDING:
        return None
    if meeting.state in (MeetingState.WAITING, MeetingState.FAILED) and meeting.join_url is None:
        return min(booking.updated_at + hold, max(booking.updated_at, booking.appointment.starts_at - hold))
    return booking.updated_at


def outstanding(
    booking: Booking,
    meeting: Meeting,
    invitations: tuple[Invitation, ...],
    *,
    leftovers: tuple[Meeting, ...] = (),
    announcements: tuple[Announcement, ...] = (),
    uid: str,
    sequence: int,
    now: datetime,
    settled_revision: int = 0,
) -> list[Invite]:
    """Return the emails that bring every recipient up to date. `sequence` is the number for emails with new content.

    An email with an unknown outcome is sent again with its own number, so that calendars show one entry. Nothing is
    announced for a booking that is over. `leftovers` are former meetings that are not deleted yet. `announcements` are
    what earlier emails said.
    """
    invites: list[Invite] = []
    if not booking.is_cancelled and now < booking.appointment.ends_at:
        requests = (_invite(booking, meeting, Method.REQUEST, party, uid=uid, now=now) for party in parties(booking))
        invites = [_with_owner(invite, meeting, leftovers) for invite in requests]
    former = _to_cancel(booking, meeting, invitations)
    invites += [_cancellation(booking, meeting, invitation, uid=uid, now=now) for invitation in former]
    last_by_address = {address_key(invitation.email): invitation for invitation in invitations}
    lasts = (last_by_address.get(address_key(invite.recipient.email)) for invite in invites)
    pairs = zip(invites, lasts, strict=True)
    numbered = (_number(booking, invite, last, sequence, settled_revision) for invite, last in pairs)
    announced = {announcement.sequence: announcement for announcement in announcements}
    return [_with_before(invite, announced) for invite in numbered if invite is not None]


def _to_cancel(booking: Booking, meeting: Meeting, invitations: tuple[Invitation, ...]) -> list[Invitation]:
    """Return the invitations of people who are no longer invited, and have not been cancelled yet."""
    if booking.is_cancelled:
        return [invitation for invitation in invitations if needs_cancellation(invitation)]
    invited = {address_key(party.email) for party in parties(booking)}
    return [
        invitation
        for invitation in invitations
        if address_key(invitation.email) not in invited
        and needs_cancellation(invitation)
        # Under another address, the host still uses the calendar with the meeting's event.
        and (invitation.entry_owner is EntryOwner.OURS or not has_event_for(invitation.email, meeting))
    ]


def _with_before(invite: Invite, announced: dict[int, Announcement]) -> Invite:
    return invite if invite.follows is None else replace(invite, before=announced.get(invite.follows))


def announce(booking: Booking, meeting: Meeting, sequence: int) -> Announcement:
    """Return what the emails with this sequence number say."""
    appointment = booking.appointment
    return Announcement(
        sequence,
        title=appointment.title,
        starts_at=appointment.starts_at,
        ends_at=appointment.ends_at,
        location=_location(booking, meeting),
        host=booking.host.name,
        join_url=_join_url(booking, meeting, Role.GUEST) if meeting.host_url is None else None,
    )


def current_invite(
    booking: Booking, settlement: Settlement, email: str, *, uid: str, settled_revision: int, now: datetime
) -> Invite | None:
    """Return a recipient's calendar entry as it is now; None for an address that never had a part in the booking.

    It has the number of the email that is outstanding, else that of the last one.
    """
    key, meeting, sequence = address_key(email), settlement.meeting, settlement.sequence + 1
    last = next((i for i in settlement.invitations if address_key(i.email) == key), None)
    party = next((party for party in parties(booking) if address_key(party.email) == key), None)
    if party is not None and not booking.is_cancelled:
        invite = _invite(booking, meeting, Method.REQUEST, party, uid=uid, now=now)
        invite = _with_owner(invite, meeting, settlement.leftovers)
    elif last is not None:
        invite = _cancellation(booking, meeting, last, uid=uid, now=now)
        if not needs_cancellation(last):
            return replace(invite, sequence=last.sequence)
    elif party is not None:
        invite = _invite(booking, meeting, Method.CANCEL, party, uid=uid, now=now)
    else:
        return None
    numbered = _number(booking, invite, last, sequence, settled_revision)
    if numbered is not None or last is None:
        return numbered
    return replace(invite, sequence=last.sequence, withdraws=last.withdraws)


def reminder_invite(booking: Booking, meeting: Meeting, to: Party, *, uid: str, sequence: int, now: datetime) -> Invite:
    """Return the email that reminds a participant of the booking as it is now."""
    invite = _invite(booking, meeting, Method.REQUEST, to, uid=uid, now=now)
    return replace(invite, sequence=sequence, is_reminder=True)


def _cancellation(booking: Booking, meeting: Meeting, last: Invitation, *, uid: str, now: datetime) -> Invite:
    """Return a CANCEL with what the last email said: its recipient may have no part in the booking any more."""
    invite = _invite(booking, meeting, Method.CANCEL, _recipient(last), uid=uid, now=now)
    invite = replace(invite, entry_owner=last.entry_owner)
    takes_part = any(address_key(party.email) == address_key(last.email) for party in parties(booking))
    if takes_part or last.title is None or last.starts_at is None or last.ends_at is None:
        return invite
    return replace(invite, title=last.title, description="", starts_at=last.starts_at, ends_at=last.ends_at)


def _with_owner(invite: Invite, meeting: Meeting, leftovers: tuple[Meeting, ...]) -> Invite:
    """Return the invite with the owner of the entry: the provider, while an event is in the recipient's calendar.

    A former meeting's event counts until it is deleted: our entry follows then, so that there are never two.
    """
    email = invite.recipient.email
    if not has_event_for(email, meeting, *leftovers):
        return invite
    is_current = has_event_for(email, meeting) and meeting.state is MeetingState.READY and meeting.reason is None
    return replace(invite, entry_owner=EntryOwner.PROVIDER, is_event_current=is_current)


def has_event_for(email: str, *meetings: Meeting) -> bool:
    """Return whether one of the meetings is an event in the calendar of this address."""
    calendars = {address_key(meeting.calendar_address or "") for meeting in meetings if meeting.exists}
    return address_key(email) in calendars


def _recipient(invitation: Invitation) -> Party:
    return Party(invitation.role, invitation.name, invitation.email, invitation.time_zone, invitation.language)


def needs_cancellation(invitation: Invitation) -> bool:
    """Return whether a recipient who is not invited any more still has to get a cancellation."""
    # A cancellation with an unknown outcome is still outstanding.
    return invitation.method is Method.REQUEST or invitation.state is InvitationState.SENDING


def _number(
    booking: Booking, invite: Invite, last: Invitation | None, sequence: int, settled_revision: int
) -> Invite | None:
    """Return the email with its sequence number; None if the recipient is up to date."""
    skipped = _skipped_revisions(booking, invite, last, settled_revision)
    if last is None or (last.content, last.entry_owner) != (invite.content, invite.entry_owner) or skipped:
        withdraws = invite.entry_owner is EntryOwner.PROVIDER and last is not None and last.may_have_our_entry
        is_update = last is not None and not last.is_left_to_caller
        invite = replace(invite, sequence=sequence + skipped, is_update=is_update, withdraws=withdraws)
        return replace(invite, follows=_last_received(last))
    if invite.is_left_to_caller:
        # Nothing is sent, but the revision is recorded: from now on the caller may mail calendar files. An email with
        # an unknown outcome is not sent again: it is the caller's now.
        is_outstanding = last.left_at_revision is None or last.state is InvitationState.SENDING
    else:
        # An email that was not delivered stays outstanding. The sender checks whether the address is suppressed.
        is_requested = (invite.resent_revision or 0) > (last.resent_revision or 0)
        is_outstanding = last.is_left_to_caller or last.state is not InvitationState.SENT or is_requested
    is_update = last.sequence > 0 and not last.is_left_to_caller
    again = replace(invite, sequence=last.sequence, is_update=is_update, withdraws=last.withdraws, follows=last.follows)
    return again if is_outstanding else None


def _last_received(last: Invitation | None) -> int | None:
    """Return the number of the email that the recipient surely received; None if there is none."""
    if last is None or last.is_left_to_caller:
        return None
    return last.sequence if last.state is InvitationState.SENT else last.follows


def _skipped_revisions(booking: Booking, invite: Invite, last: Invitation | None, settled_revision: int) -> int:
    """Return how many earlier revisions were never settled, if the caller may have mailed their calendar files.

    Each of these files had a sequence number of its own, and the next one must be higher.
    """
    left_at_revision = last.left_at_revision if last is not None else None
    if not invite.is_left_to_caller and left_at_revision is None:
        return 0
    return max(0, booking.revision - 1 - max(settled_revision, left_at_revision or 0))


def _invite(booking: Booking, meeting: Meeting, method: Method, to: Party, *, uid: str, now: datetime) -> Invite:
    appointment = booking.appointment
    is_link_pending = meeting.is_under_way and meeting.join_url is None
    return Invite(
        workspace_id=booking.workspace_id,
        booking_id=booking.booking_id,
        method=method,
        uid=uid,
        sequence=0,
        stamped_at=now,
        recipient=to,
        host=parties(booking)[0],
        attendees=_visible_attendees(booking, to),
        title=appointment.title,
        description=appointment.description,
        starts_at=appointment.starts_at,
        ends_at=appointment.ends_at,
        location=_location(booking, meeting),
        join_url=_join_url(booking, meeting, to.role),
        passcode=meeting.passcode,
        dial_in=meeting.dial_in,
        link_follows=is_link_pending and booking.wants_video,
        links=appointment.links,
        provider=meeting.provider,
        is_left_to_caller=not is_emailed(booking, to.role),
        resent_revision=booking.resends.get(answer_key(to.email)) if booking.resends else None,
    )


def _visible_attendees(booking: Booking, to: Party) -> tuple[Party, ...]:
    """Return the participants that `to` may see. Guests see each other's addresses only if the calendar allows it."""
    everyone = parties(booking)
    if to.role is Role.HOST or (booking.guests_see_each_other and to in everyone):
        return tuple(everyone if to in everyone else [to, *everyone[1:]])
    return *(party for party in everyone if party.role is Role.HOST), to


def _location(booking: Booking, meeting: Meeting) -> Location:
    """Return the place that emails name: a fallback is a link, and not the provider's meeting."""
    return Location(LocationType.CUSTOM_LINK, meeting.join_url) if meeting.is_fallback else booking.location


def _join_url(booking: Booking, meeting: Meeting, role: Role) -> str | None:
    if booking.location.type is not LocationType.VIDEO:
        return booking.location.detail if booking.location.type is LocationType.CUSTOM_LINK else None
    return (meeting.host_url if role is Role.HOST else None) or meeting.join_url
