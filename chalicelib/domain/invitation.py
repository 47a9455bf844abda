"""Invitations: iMIP messages (RFC 6047) that put a booking into a calendar, and what is recorded about each."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from urllib.parse import quote

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.domain.booking import NO_LINKS, Booking, Guest, Links
from chalicelib.domain.calendar import Host, Location
from chalicelib.domain.digest import digest, set_values
from chalicelib.domain.meeting import DialIn
from chalicelib.domain.workspace import PLAIN, Brand

DEFAULT_LANGUAGE = "en"
NEEDS_ACTION = "NEEDS-ACTION"


class Role(StrEnum):
    """What a person is in a booking; a closed list, part of the API."""

    HOST = "host"
    GUEST = "guest"


class Method(StrEnum):
    """iTIP methods (RFC 5546)."""

    REQUEST = "REQUEST"
    CANCEL = "CANCEL"


class EntryOwner(StrEnum):
    """Which system maintains a recipient's calendar entry. A closed list, part of the API."""

    OURS = "ours"
    """The calendar part of our emails (iMIP)."""
    PROVIDER = "provider"
    """The meeting's provider wrote an event into the recipient's calendar. Our emails have no calendar part."""


class InvitationState(StrEnum):
    """Where the last email to a person is; a closed list, part of the API."""

    SENDING = "sending"
    SENT = "sent"
    BOUNCED = "bounced"
    COMPLAINED = "complained"
    SUPPRESSED = "suppressed"
    NOT_SENT = "not_sent"
    """The caller emails the recipient. Shown, but not stored: the previous release could not read it."""


class Trouble(StrEnum):
    """A problem with an email after SES accepted it, the most serious first. A closed list, part of the API."""

    COMPLAINT = "complaint"
    HARD_BOUNCE = "hard_bounce"
    """Refused permanently."""
    BLOCKED = "blocked"
    """Not sent: the address bounced or complained earlier."""
    REJECTED = "rejected"
    SOFT_BOUNCE = "soft_bounce"
    """Refused this time."""
    DELAYED = "delayed"
    """Not delivered yet."""

    @property
    def state(self) -> InvitationState:
        return _STATES.get(self, InvitationState.BOUNCED)

    @property
    def is_permanent(self) -> bool:
        """Whether the address must not be mailed again: bounces and complaints damage the sender's reputation."""
        return self in (Trouble.COMPLAINT, Trouble.HARD_BOUNCE, Trouble.BLOCKED)


_STATES = {
    Trouble.COMPLAINT: InvitationState.COMPLAINED,
    Trouble.BLOCKED: InvitationState.SUPPRESSED,
    Trouble.DELAYED: InvitationState.SENT,
}


class Party(Struct, frozen=True):
    """A participant of a booking. A co-host has the role of a host."""

    role: Role
    name: str
    email: str
    time_zone: str
    """IANA name of the zone that times are displayed in."""
    language: str = DEFAULT_LANGUAGE
    """BCP 47."""
    user_id: str | None = None
    """Of a host; None: unknown, for a former one."""


class Announcement(Struct, frozen=True, omit_defaults=True):
    """What the emails with one sequence number said. The next ones show what has changed."""

    sequence: int
    title: str
    starts_at: datetime
    ends_at: datetime
    location: Location
    host: str
    """The host's name."""
    join_url: str | None = None
    """None also if each recipient has a link of their own."""


class Invite(Struct, frozen=True):
    """One email to one recipient, with everything that is needed to compose it. Texts are already clean."""

    workspace_id: str
    booking_id: str
    method: Method
    uid: str
    sequence: int
    stamped_at: datetime
    recipient: Party
    host: Party
    attendees: tuple[Party, ...]
    """The participants that the recipient may see, including the recipient. The host is first, then the co-hosts."""
    title: str
    description: str
    starts_at: datetime
    ends_at: datetime
    location: Location
    join_url: str | None = None
    passcode: str | None = None
    dial_in: tuple[DialIn, ...] = ()
    link_follows: bool = False
    """Whether the video link is not available yet and will be sent in an update."""
    is_update: bool = False
    """Whether the recipient received an earlier email."""
    follows: int | None = None
    """The sequence number of the last email that the recipient received; None: of none, or the caller sent it."""
    before: Announcement | None = None
    """What that email said. Not part of `content`."""
    links: Links = NO_LINKS
    provider: str | None = None
    partstat: str = NEEDS_ACTION
    """Whether the recipient comes, as the calendar entry says it (RFC 5545, 3.2.12). Not part of `content`."""
    answer_url: str | None = None
    """The recipient's own page for the answer. Not part of `content`."""
    sender: str | None = None
    """The address in From; None: the deployment's own."""
    brand: Brand = PLAIN
    reminder_minutes: int | None = None
    is_left_to_caller: bool = False
    """Whether the recipient's emails are switched off: the invitation is recorded and not sent."""
    entry_owner: EntryOwner = EntryOwner.OURS
    """For a cancellation: the owner of the entry that is cancelled."""
    withdraws: bool = False
    """Whether our own entry is removed, because the provider's event replaces it."""
    is_event_current: bool = True
    """Whether the provider's event is known to match the booking."""
    resent_revision: int | None = None
    """See `Invitation.resent_revision`. Not part of `content`."""
    is_reminder: bool = False
    """Whether it is a plain email that repeats an earlier invitation, without a calendar entry."""

    @property
    def calendar_method(self) -> Method | None:
        """The method of the email's calendar part; None: the email has no calendar part."""
        if self.is_reminder:
            return None
        if self.entry_owner is EntryOwner.OURS:
            return self.method
        return Method.CANCEL if self.withdraws else None

    @property
    def content(self) -> str:
        """Return a digest of what the recipient sees. Equal content needs no new email.

        It is stored: a value that changes with an upgrade would email every recipient again. The workspace's settings
        (brand, reminder) are not part of it, because a new color is no reason to email everyone. The owner of the entry
        is stored and compared separately.
        """
        recipient = self.recipient
        values = set_values(
            method=self.method.value,
            recipient=_person(recipient) | set_values(time_zone=recipient.time_zone, language=recipient.language),
            attendees=[_person(party) for party in self.attendees],
            title=self.title,
            description=self.description,
            starts_at=self.starts_at,
            ends_at=self.ends_at,
            location=set_values(type=self.location.type.value, detail=self.location.detail),
            join_url=self.join_url,
            passcode=self.passcode,
            dial_in=[set_values(number=line.number, country=line.country, city=line.city) for line in self.dial_in],
            link_follows=self.link_follows,
            links=set_values(reschedule=self.links.reschedule, cancel=self.links.cancel),
        )
        return digest(values, length=16)


def _person(party: Party) -> dict[str, str]:
    return set_values(role=party.role.value, name=party.name, email=party.email)


class Invitation(Struct, frozen=True, omit_defaults=True):
    """The last email to one recipient."""

    email: str
    name: str
    role: Role
    time_zone: str
    method: Method
    sequence: int
    content: str
    """Digest of what the recipient saw: see `Invite.content`."""
    state: InvitationState
    """`sending`: a send was started and its outcome is not recorded yet. `sent`: also if it was left to the caller."""
    sent_at: datetime | None = None
    message_id: str | None = None
    language: str = DEFAULT_LANGUAGE
    reason: Trouble | None = None
    """Why it was not delivered, or not yet."""
    title: str | None = None
    """What the email said, as `starts_at` and `ends_at`: a cancellation to a former recipient repeats it."""
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    follows: int | None = None
    """See `Invite.follows`."""
    left_at_revision: int | None = None
    """The booking's revision from which on emails are left to the caller; None: meetlink sends them."""
    entry_owner: EntryOwner = EntryOwner.OURS
    withdraws: bool = False
    """Whether the email removed our earlier entry: see `Invite.withdraws`."""
    resent_revision: int | None = None
    """The booking's revision that requested this email again: see `Booking.resends`."""

    @property
    def is_left_to_caller(self) -> bool:
        """Whether the caller sent the last email. One that meetlink sent before it was switched off stays ours."""
        return self.left_at_revision is not None and self.sent_at is None

    @property
    def shown_state(self) -> InvitationState:
        return InvitationState.NOT_SENT if self.is_left_to_caller else self.state

    @property
    def may_have_our_entry(self) -> bool:
        """Whether our entry may be in the recipient's calendar after this email."""
        is_delivered = self.state is InvitationState.SENT and not self.is_left_to_caller
        removed_ours = self.withdraws if self.entry_owner is EntryOwner.PROVIDER else self.method is Method.CANCEL
        if removed_ours:
            return not is_delivered
        return self.entry_owner is EntryOwner.OURS


def is_emailed(booking: Booking, role: Role) -> bool:
    """Return whether meetlink emails the host, or the guests. The caller emails recipients that are switched off."""
    emails = booking.appointment.emails
    return (emails.host if role is Role.HOST else emails.guests) is not False


def parties(booking: Booking) -> list[Party]:
    """Return the host, the co-hosts, then the guests; each address once."""
    zone = booking.appointment.time_zone
    hosts = [replace(_party(Role.HOST, host, zone, booking.language), user_id=host.user_id) for host in booking.hosts]
    guests = [_party(Role.GUEST, guest, zone, booking.language) for guest in booking.appointment.guests]
    unique: dict[str, Party] = {}
    for party in [*hosts, *guests]:
        unique.setdefault(address_key(party.email), party)
    return list(unique.values())


def calendar_file_path(booking_id: str, email: str) -> str:
    """Return the path of a recipient's calendar file in the API."""
    return f"/v1/bookings/{quote(booking_id, safe='')}/invite.ics?for={quote(email, safe='@')}"


def with_troubles(invitations: tuple[Invitation, ...], troubles: dict[str, Trouble]) -> tuple[Invitation, ...]:
    """Return the invitations with the troubles that were reported for their message ids."""

    def with_trouble(invitation: Invitation) -> Invitation:
        trouble = troubles.get(invitation.message_id or "")
        return invitation if trouble is None else replace(invitation, state=trouble.state, reason=trouble)

    return tuple(with_trouble(invitation) for invitation in invitations)


def address_key(email: str) -> str:
    """Return a key that is equal for two spellings of one mailbox: major providers ignore upper and lower case."""
    return email.casefold()


def _party(role: Role, person: Host | Guest, zone: str, language: str | None) -> Party:
    language = person.language or language or DEFAULT_LANGUAGE
    return Party(role, person.name, person.email, person.time_zone or zone, language)
