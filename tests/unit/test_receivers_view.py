"""Whatever happens to a booking, and in whatever order its mails arrive, each calendar ends up with the truth."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from random import Random

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from chalicelib.domain.booking import Appointment, Booking, BookingStatus, Guest
from chalicelib.domain.calendar import Host, Location, LocationType
from chalicelib.domain.deadline import NO_DEADLINE
from chalicelib.domain.invitation import Invite, parties
from chalicelib.domain.meeting import Meeting, MeetingState
from chalicelib.domain.settlement import Settlement
from chalicelib.domain.workspace import Workspace
from chalicelib.errors import MailUnavailable
from chalicelib.mail.message import compose
from chalicelib.store.booking_leases import Lease
from chalicelib.usecases.invitations import Invitations
from tests.support.examples import examples
from tests.support.invites import SENDER
from tests.support.mailbox import Mailbox, Shown

NOW = datetime(2026, 12, 1, 9, 0, tzinfo=UTC)
GUESTS = tuple(Guest(f"Guest {n}", f"guest{n}@example.com") for n in range(3))
HOSTS = [Host(f"u-{n}", f"Host {n}", f"host{n}@example.com") for n in range(2)]
ADDRESSES = [host.email for host in HOSTS] + [GUESTS[0].email, "other@example.com"]
"""Calendars that a provider may write into: a host's, a guest's, or one that is no recipient's."""
BOOKING = Booking(
    workspace_id="ws-1",
    booking_id="b-1",
    revision=1,
    status=BookingStatus.CONFIRMED,
    appointment=Appointment(
        "c-1", NOW + timedelta(days=9), NOW + timedelta(days=9, hours=1), "UTC", "Talk", guests=GUESTS[:2]
    ),
    host=HOSTS[0],
    location=Location(LocationType.VIDEO),
    eligibility=None,
    hosted_since=NOW,
    created_at=NOW,
    updated_at=NOW,
)


class Desk:
    """The real inviter and composer on one booking, with a post office that fails when it is told to."""

    def __init__(self) -> None:
        self.now = NOW
        self.lease = Lease(BOOKING, Settlement(meeting=Meeting(MeetingState.WAITING)), fence=1)
        self.failures: list[str] = []
        self.mails: dict[str, list[bytes]] = defaultdict(list)
        self.events: dict[int, str] = {}
        """The calendars that have an event of the provider, by the generation of the meeting."""
        self.inviter = Invitations(  # type: ignore[arg-type]
            self,
            self,
            self,
            self,
            lambda: self.now,
            self,
            add_links=lambda booking, meeting, invite: invite,
            mail_from=SENDER.address,
        )

    def save(self, lease: Lease, settlement: Settlement, now: datetime) -> Lease:
        self.lease = replace(lease, settlement=settlement)
        return self.lease

    def get(self, workspace_id: str) -> Workspace:
        return Workspace(workspace_id, "Example", NOW, hold_minutes=0)

    def find_suppressed(self, workspace_id: str, emails: object) -> frozenset[str]:
        return frozenset()

    def is_suppressed(self, workspace_id: str, email: str) -> bool:
        return False

    def check(self, *_: object) -> None:
        return None

    take = give_back = check

    def send(self, invite: Invite) -> str:
        failure = self.failures.pop() if self.failures else ""
        if failure != "lost before":
            self.mails[invite.recipient.email].append(compose(invite, SENDER).raw)
        if failure:
            raise MailUnavailable(failure)
        return "message"

    def change(self, step: str, random: Random) -> None:
        booking, meeting = self.lease.booking, self.lease.settlement.meeting
        appointment = booking.appointment
        later = timedelta(hours=random.randint(1, 5))
        if booking.is_cancelled:
            return
        leftovers = self.lease.settlement.leftovers
        if step == "link":
            self.events.pop(meeting.generation, None)
            link = f"https://video.example.org/j/{random.randint(1, 9)}"
            meeting = Meeting(MeetingState.READY, id="1", join_url=link, generation=meeting.generation + 1)
        elif step == "event":
            self.events.pop(meeting.generation, None)
            meeting = self.event(meeting.generation + 1, random.choice(ADDRESSES))
        elif step == "leave":
            leftovers += (meeting,) if meeting.exists else ()
            meeting = Meeting(MeetingState.WAITING, generation=meeting.generation + 1)
        elif step == "tidy":
            for leftover in leftovers:
                self.events.pop(leftover.generation, None)
            leftovers = ()
        elif step == "move":
            moved = {"starts_at": appointment.starts_at + later, "ends_at": appointment.ends_at + later}
            booking = replace(booking, appointment=replace(appointment, **moved))
        elif step == "guests":
            guests = tuple(random.sample(GUESTS, random.randint(0, 3)))
            booking = replace(booking, appointment=replace(appointment, guests=guests))
        elif step == "host":
            booking = replace(booking, host=random.choice(HOSTS))
        elif step == "title":
            booking = replace(booking, appointment=replace(appointment, title=f"Talk {random.randint(1, 9)}"))
        elif step == "cancel":
            booking, meeting = replace(booking, status=BookingStatus.CANCELLED), Meeting(MeetingState.REMOVED)
            self.events, leftovers = {}, ()
        settlement = replace(self.lease.settlement, meeting=meeting, leftovers=leftovers)
        self.lease = replace(self.lease, booking=replace(booking, updated_at=self.now), settlement=settlement)

    def event(self, generation: int, calendar: str) -> Meeting:
        """A meeting that the provider wrote into this calendar as an event."""
        self.events[generation] = calendar
        link = f"https://video.example.org/e/{generation}"
        return Meeting(
            MeetingState.READY, id="1", join_url=link, generation=generation, calendar_address=calendar.upper()
        )

    def entries(self, email: str, mails: list[bytes]) -> int:
        """How many entries the recipient's calendar shows: our own, and the provider's events."""
        return len(Mailbox().receive(mails).entries) + sum(calendar == email for calendar in self.events.values())

    def settle(self) -> None:
        self.now += timedelta(seconds=7)
        self.lease = self.inviter.apply(self.lease, NO_DEADLINE).lease

    def truth(self, email: str) -> list[Shown]:
        """What the recipient's calendar must show."""
        booking = self.lease.booking
        recipients = parties(booking)
        if booking.is_cancelled or email not in [party.email for party in recipients]:
            return []
        if email in self.events.values():
            return []  # The provider's event is the entry.
        host = recipients[0].email
        visible = [party.email for party in recipients] if email == host else [host, email]
        appointment, link = booking.appointment, self.lease.settlement.meeting.join_url
        return [Shown(appointment.starts_at, appointment.ends_at, appointment.title, link, tuple(sorted(visible)))]


CHANGES = ["link", "event", "leave", "tidy", "move", "guests", "host", "title", "cancel"]
STEPS = st.lists(st.sampled_from(CHANGES), max_size=8)
FAILURES = st.lists(st.sampled_from(["", "", "lost before", "lost after"]), max_size=8)


@examples(80)
@given(STEPS, FAILURES, st.randoms(use_true_random=False))
def test_one_correct_entry_whatever_the_order(steps: list[str], failures: list[str], random: Random):
    desk = Desk()
    desk.failures = failures
    for step in ["", *steps]:
        desk.change(step, random)
        desk.settle()
    desk.failures = []
    desk.settle()
    assert desk.mails
    recipients = [] if desk.lease.booking.is_cancelled else [party.email for party in parties(desk.lease.booking)]
    for email in recipients:
        calendars = desk.events.values()
        assert desk.entries(email, desk.mails[email]) == max(1, list(calendars).count(email)), email
    for email, mails in desk.mails.items():
        for _ in range(3):
            assert Mailbox().receive(mails).entries == desk.truth(email)
            random.shuffle(mails)
        assert Mailbox().receive(mails + mails[::-1]).entries == desk.truth(email)


def test_the_model_would_notice_a_number_that_does_not_rise():
    desk = Desk()
    desk.settle()
    desk.change("move", Random(2))
    desk.now -= timedelta(minutes=5)
    desk.lease = replace(desk.lease, settlement=replace(desk.lease.settlement, sequence=-1))
    desk.settle()
    assert Mailbox().receive(desk.mails["guest0@example.com"]).entries != desk.truth("guest0@example.com")
