"""Meetlink and the caller share the emails of a booking: each calendar ends up with the truth, once."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import timedelta
from random import Random

from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import replace

from chalicelib.domain.emails import Emails
from chalicelib.domain.invitation import Invite, Method, Role, is_emailed
from chalicelib.errors import NotFound
from chalicelib.store.booking_records import Record
from chalicelib.usecases.calendar_files import CalendarFiles
from tests.support.examples import examples
from tests.support.invites import SENDER
from tests.support.mailbox import Mailbox
from tests.unit.test_receivers_view import GUESTS, HOSTS, Desk

CHANGES = ["link", "move", "guests", "host", "title", "cancel"]
ROLES = {host.email: Role.HOST for host in HOSTS} | {guest.email: Role.GUEST for guest in GUESTS}


class SharedDesk(Desk):
    """A caller gets the calendar files of those who are switched off, and mails them."""

    def __init__(self) -> None:
        super().__init__()
        self.files: dict[str, list[bytes]] = defaultdict(list)
        self.sent: Counter[tuple[str, int]] = Counter()
        self.writer = CalendarFiles(lambda booking, meeting, invite: invite, SENDER.address, lambda: self.now)

    def send(self, invite: Invite) -> str:
        assert is_emailed(self.lease.booking, invite.recipient.role), "a switched-off recipient was emailed"
        self.sent[invite.recipient.email, invite.sequence] += 1
        return super().send(invite)

    def change(self, step: str, random: Random) -> None:
        revision = self.lease.booking.revision
        super().change("" if step in ("off", "on", "there", "back") else step, random)
        booking = self.lease.booking
        if not booking.is_cancelled and step in ("off", "on"):
            choice = random.choice(
                (Emails(step == "on", step == "on"), Emails(step == "on"), Emails(None, step == "on"))
            )
            booking = replace(booking, appointment=replace(booking.appointment, emails=choice))
        elif not booking.is_cancelled and step in ("there", "back"):
            booking = replace(
                booking, appointment=replace(booking.appointment, title="Talk" if step == "back" else step)
            )
        self.lease = replace(self.lease, booking=replace(booking, revision=revision + bool(step)))

    def settle(self) -> None:
        super().settle()
        self.lease = replace(self.lease, settled_revision=self.lease.booking.revision)
        for invitation in self.lease.settlement.invitations:
            is_left = invitation.is_left_to_caller and invitation.method is Method.REQUEST
            assert not (is_left and is_emailed(self.lease.booking, invitation.role)), "switched on, and not invited"

    def email_the_others(self) -> None:
        """What a caller does: get a file for each person who is switched off, and mail it."""
        booking = self.lease.booking
        record = Record(booking, self.lease.settlement, self.lease.settled_revision)
        for email, role in ROLES.items():
            self.now += timedelta(seconds=1)
            if not is_emailed(booking, role):
                try:
                    self.files[email].append(self.writer.write(record, self.get("ws-1"), email).content)
                except NotFound:
                    continue

    def shown(self, email: str) -> Mailbox:
        return Mailbox().receive(self.mails[email]).receive_files(self.files[email])


STEPS = st.lists(
    st.sampled_from([*CHANGES, "there", "back", "there", "back", "off", "off", "on"]), min_size=3, max_size=9
)
FAILURES = st.lists(st.sampled_from(["", "", "lost before", "lost after"]), max_size=5)


@examples(60, deadline=None)
@given(STEPS, FAILURES, st.integers(0, 2**32))
@example(["off", "there", "back"], [], 0)
@example(["off", "link", "move", "move", "on", "link"], [], 1)
@example(["off", "title", "back", "on", "link"], [], 1)
def test_one_correct_entry_whoever_mails_it(steps: list[str], failures: list[str], seed: int) -> None:
    desk, random = SharedDesk(), Random(seed)
    desk.failures = list(failures)
    for step in ["", *steps]:
        desk.change(step, random)
        if random.random() < 0.5 or not step:
            desk.email_the_others()
        # A choice is settled before the next change; other changes may be settled together.
        if step in ("", "off", "on") or random.random() < 0.6:
            desk.settle()
            desk.email_the_others()
    desk.failures = []
    desk.settle()
    desk.email_the_others()
    for email in ROLES:
        assert desk.shown(email).entries == desk.truth(email), email
    if not failures:
        assert max(desk.sent.values(), default=0) <= 1


def test_a_file_never_changes_what_is_stored() -> None:
    desk = SharedDesk()
    desk.change("switch", Random(1))
    before = desk.lease
    desk.email_the_others()
    assert desk.lease is before
