"""Who must be mailed what: one iMIP message (RFC 6047) per recipient whenever that recipient's view changed."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from enum import StrEnum

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.domain.booking import NO_LINKS, Booking, Guest, Links
from chalicelib.domain.calendar import Host, Location, LocationType
from chalicelib.domain.meeting import DialIn, Meeting, MeetingState
from chalicelib.domain.workspace import PLAIN, Brand

DEFAULT_LANGUAGE = "en"
DEFAULT_HOLD = timedelta(minutes=15)
"""How long an invitation waits for a link that a provider cannot give now, unless the workspace says otherwise."""


class Role(StrEnum):
    HOST = "host"
    GUEST = "guest"


class Method(StrEnum):
    """iTIP methods (RFC 5546)."""

    REQUEST = "REQUEST"
    CANCEL = "CANCEL"


class InvitationState(StrEnum):
    SENDING = "sending"
    SENT = "sent"
    BOUNCED = "bounced"
    COMPLAINED = "complained"
    SUPPRESSED = "suppressed"


class Trouble(StrEnum):
    """What became of a mail after it was handed over, the gravest first; closed list, part of the API.

    `soft_bounce` was refused this time, `hard_bounce` for good; `blocked` means that nothing was sent to an address
    that refused or complained earlier; a `delayed` mail is still under way.
    """

    COMPLAINT = "complaint"
    HARD_BOUNCE = "hard_bounce"
    BLOCKED = "blocked"
    REJECTED = "rejected"
    SOFT_BOUNCE = "soft_bounce"
    DELAYED = "delayed"

    @property
    def state(self) -> InvitationState:
        return _STATES.get(self, InvitationState.BOUNCED)

    @property
    def lasts(self) -> bool:
        """Whether the address must not be mailed again: more bounces or complaints cost the sender's reputation."""
        return self in (Trouble.COMPLAINT, Trouble.HARD_BOUNCE, Trouble.BLOCKED)


_STATES = {
    Trouble.COMPLAINT: InvitationState.COMPLAINED,
    Trouble.BLOCKED: InvitationState.SUPPRESSED,
    Trouble.DELAYED: InvitationState.SENT,
}


class Party(Struct, frozen=True):
    """Somebody who takes part. `time_zone` is the IANA zone in which they read times, `language` is BCP 47."""

    role: Role
    name: str
    email: str
    time_zone: str
    language: str = DEFAULT_LANGUAGE


class Invite(Struct, frozen=True):
    """One mail to one recipient: everything that composing it needs. Texts are already clean.

    `attendees` are those whom the recipient may see, the recipient included, host first. `link_follows` says that
    the video link is not there yet and will come in an update; `is_update` that the recipient was mailed before.
    `sender` is the address that the mail comes from, None for the deployment's own.
    """

    workspace_id: str
    booking_id: str
    method: Method
    uid: str
    sequence: int
    stamped_at: datetime
    recipient: Party
    host: Party
    attendees: tuple[Party, ...]
    title: str
    description: str
    starts_at: datetime
    ends_at: datetime
    location: Location
    join_url: str | None = None
    passcode: str | None = None
    dial_in: tuple[DialIn, ...] = ()
    link_follows: bool = False
    is_update: bool = False
    links: Links = NO_LINKS
    provider: str | None = None
    sender: str | None = None
    brand: Brand = PLAIN
    reminder_minutes: int | None = None

    @property
    def content(self) -> str:
        """A fingerprint of what the recipient sees; equal content needs no new mail.

        A workspace's settings (brand, reminder) do not count: a new colour is no reason to write to everybody again.
        """
        others = [(party.role, party.name, party.email) for party in self.attendees]
        seen = (self.method, self.recipient, others, self.title, self.description, self.starts_at, self.ends_at)
        place = (self.location, self.join_url, self.passcode, self.dial_in, self.link_follows, self.links)
        return hashlib.sha256(repr((seen, place)).encode("utf-8", "replace")).hexdigest()[:16]


class Invitation(Struct, frozen=True):
    """The last mail to one recipient. `sending` means that a send was begun: its outcome is not recorded yet.

    `reason` says why it did not arrive, or not yet. `title`, `starts_at` and `ends_at` are what it told: whoever is
    uninvited hears of that, and not of what came in its place.
    """

    email: str
    name: str
    role: Role
    time_zone: str
    method: Method
    sequence: int
    content: str
    state: InvitationState
    sent_at: datetime | None = None
    message_id: str | None = None
    language: str = DEFAULT_LANGUAGE
    reason: Trouble | None = None
    title: str | None = None
    starts_at: datetime | None = None
    ends_at: datetime | None = None


def release_at(booking: Booking, meeting: Meeting, hold: timedelta = DEFAULT_HOLD) -> datetime | None:
    """When invitations may go out; None while they wait for a meeting that is being made.

    A link that a provider cannot give now holds them for `hold`, less when the start is near; it follows later.
    """
    if booking.is_cancelled:
        return booking.updated_at
    if meeting.state is MeetingState.PENDING:
        return None
    if meeting.state in (MeetingState.WAITING, MeetingState.FAILED) and meeting.join_url is None:
        return min(booking.updated_at + hold, max(booking.updated_at, booking.appointment.starts_at - hold))
    return booking.updated_at


def outstanding(
    booking: Booking, meeting: Meeting, invitations: tuple[Invitation, ...], *, uid: str, sequence: int, now: datetime
) -> list[Invite]:
    """The mails that bring every recipient up to date. `sequence` is the number for mails with new content.

    A mail whose sending was begun and never confirmed goes again under its own number, so that calendars show one
    entry. Nobody is invited to what is already over, or told that it changed.
    """
    known = {address_key(invitation.email): invitation for invitation in invitations}
    wanted = [] if booking.is_cancelled else parties(booking)
    invites = [_invite(booking, meeting, Method.REQUEST, party, uid=uid, now=now) for party in wanted]
    if booking.appointment.ends_at <= now:
        invites = []
    still_wanted = {address_key(party.email) for party in wanted}
    uninvited = [i for i in invitations if address_key(i.email) not in still_wanted and _was_invited(i)]
    invites += [_uninvite(booking, meeting, i, uid=uid, now=now) for i in uninvited]
    numbered = (_number(invite, known.get(address_key(invite.recipient.email)), sequence) for invite in invites)
    return [invite for invite in numbered if invite is not None]


def host_invite(booking: Booking, meeting: Meeting, *, uid: str, sequence: int, now: datetime) -> Invite:
    """The host's calendar entry as it is now."""
    method = Method.CANCEL if booking.is_cancelled else Method.REQUEST
    return replace(_invite(booking, meeting, method, parties(booking)[0], uid=uid, now=now), sequence=sequence)


def parties(booking: Booking) -> list[Party]:
    """Host first, then the guests; one address once."""
    zone = booking.appointment.time_zone
    host = _party(Role.HOST, booking.host, zone)
    guests = [_party(Role.GUEST, guest, zone) for guest in booking.appointment.guests]
    unique: dict[str, Party] = {}
    for party in [host, *guests]:
        unique.setdefault(address_key(party.email), party)
    return list(unique.values())


def in_trouble(invitations: tuple[Invitation, ...], troubles: dict[str, Trouble]) -> tuple[Invitation, ...]:
    """`invitations` with what is known of their mails, by message id."""

    def known(invitation: Invitation) -> Invitation:
        trouble = troubles.get(invitation.message_id or "")
        return invitation if trouble is None else replace(invitation, state=trouble.state, reason=trouble)

    return tuple(known(invitation) for invitation in invitations)


def address_key(email: str) -> str:
    """Equal for two spellings of one mailbox: no provider of note tells upper from lower case."""
    return email.casefold()


def _party(role: Role, person: Host | Guest, zone: str) -> Party:
    return Party(role, person.name, person.email, person.time_zone or zone, person.language or DEFAULT_LANGUAGE)


def _uninvite(booking: Booking, meeting: Meeting, last: Invitation, *, uid: str, now: datetime) -> Invite:
    """The end of what the last mail told its recipient, who may have nothing to do with the booking any more."""
    invite = _invite(booking, meeting, Method.CANCEL, _recipient(last), uid=uid, now=now)
    takes_part = any(address_key(party.email) == address_key(last.email) for party in parties(booking))
    if takes_part or last.title is None or last.starts_at is None or last.ends_at is None:
        return invite
    return replace(invite, title=last.title, description="", starts_at=last.starts_at, ends_at=last.ends_at)


def _recipient(invitation: Invitation) -> Party:
    return Party(invitation.role, invitation.name, invitation.email, invitation.time_zone, invitation.language)


def _was_invited(invitation: Invitation) -> bool:
    # A cancellation that was begun and not confirmed is still owed.
    return invitation.method is Method.REQUEST or invitation.state is InvitationState.SENDING


def _number(invite: Invite, last: Invitation | None, sequence: int) -> Invite | None:
    if last is None or last.content != invite.content:
        return replace(invite, sequence=sequence, is_update=last is not None)
    # One that did not arrive stays owed; whether its address may be mailed again is asked by whoever sends.
    if last.state is not InvitationState.SENT:
        return replace(invite, sequence=last.sequence, is_update=last.sequence > 0)
    return None


def _invite(booking: Booking, meeting: Meeting, method: Method, to: Party, *, uid: str, now: datetime) -> Invite:
    everybody = parties(booking)
    host = everybody[0]
    # Guests see each other's addresses only where the calendar says so.
    if to.role is Role.HOST or (booking.guests_see_each_other and to in everybody):
        visible = everybody if to in everybody else [to, *everybody[1:]]
    else:
        visible = [host, to]
    appointment = booking.appointment
    waits = meeting.is_under_way and meeting.join_url is None
    return Invite(
        workspace_id=booking.workspace_id,
        booking_id=booking.booking_id,
        method=method,
        uid=uid,
        sequence=0,
        stamped_at=now,
        recipient=to,
        host=host,
        attendees=tuple(visible),
        title=appointment.title,
        description=appointment.description,
        starts_at=appointment.starts_at,
        ends_at=appointment.ends_at,
        location=booking.location,
        join_url=_join_url(booking, meeting, to),
        passcode=meeting.passcode,
        dial_in=meeting.dial_in,
        link_follows=waits and booking.wants_video,
        links=appointment.links,
        provider=meeting.provider,
    )


def _join_url(booking: Booking, meeting: Meeting, to: Party) -> str | None:
    if booking.location.type is not LocationType.VIDEO:
        return booking_link(booking)
    return (meeting.host_url if to.role is Role.HOST else None) or meeting.join_url


def booking_link(booking: Booking) -> str | None:
    """The fixed link of a `custom_link` booking."""
    return booking.location.detail if booking.location.type is LocationType.CUSTOM_LINK else None
