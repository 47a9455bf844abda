"""What must be true when the world has come to rest: RELIABILITY 1 to 10, and section 2 of the design."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import Any

from chalicelib.domain.booking import Booking
from chalicelib.domain.invitation import Invite, Method, address_key, parties
from chalicelib.domain.meeting import Meeting, MeetingState
from chalicelib.store.bookings import Record
from tests.chaos.secrets import text_of
from tests.chaos.services import Mail
from tests.chaos.world import World


def broken_promises(world: World) -> list[str]:
    """Everything that is wrong with a world at rest; nothing if all is well."""
    wrong = list(world.failures)
    links: Counter[str] = Counter()
    wanted_meetings = 0
    for record in world.records():
        booking_id, meeting = record.booking.booking_id, record.settlement.meeting
        expected = _expects_meeting(record.booking)
        wrong += [f"{booking_id}: {what}" for what in (*_settled(world, record), *_meeting(world, record, expected))]
        wrong += [f"{booking_id}: {what}" for what in _mails(world, record)]
        if meeting.join_url:
            links[meeting.join_url] += 1
        wanted_meetings += meeting.exists
    wrong += [f"{count} bookings share a link" for link, count in links.items() if count > 1]
    recorded = {str(record.settlement.meeting.id) for record in world.records()}
    at_zoom = [i for i in world.zoom.held.by_id if i not in world.left_behind or str(i) in recorded]
    live = len(at_zoom) + len(world.rooms.rooms)
    if live != wanted_meetings:
        wrong.append(f"{live} meetings live, {wanted_meetings} belong to bookings")
    return wrong + leaks(world)


def lost(world: World) -> int:
    """Bookings that were acknowledged and are not settled as wanted."""
    settled = {
        r.booking.booking_id
        for r in world.records()
        if r.is_settled and (r.settlement.meeting.exists or not _expects_meeting(r.booking))
    }
    return len(set(world.acknowledged) - settled)


def duplicate_mails(world: World) -> list[Mail]:
    """Mails sent twice although the sender neither died nor lost the answer between sending and writing that down."""
    twice: list[Mail] = []
    seen: dict[Any, Mail] = {}
    for mail in world.post.mails:
        key = (
            mail.invite.booking_id,
            address_key(mail.invite.recipient.email),
            mail.invite.method,
            mail.invite.sequence,
        )
        before = seen.get(key)
        if before is not None and not before.may_be_repeated:
            twice.append(mail)
        seen[key] = mail
    return twice


def _expects_meeting(booking: Booking) -> bool:
    return booking.wants_video and booking.eligibility is not None


def _settled(world: World, record: Record) -> list[str]:
    wrong = []
    revision = record.booking.revision
    if record.settled_revision != revision:
        wrong.append(f"settled_revision {record.settled_revision} of {revision}")
    if world.acknowledged.get(record.booking.booking_id, 0) > revision:
        wrong.append("an acknowledged change is lost")
    return wrong


def _meeting(world: World, record: Record, expected: bool) -> list[str]:
    meeting = record.settlement.meeting
    if not expected:
        return [] if not meeting.exists else ["a meeting is recorded that should not be there"]
    if meeting.state is not MeetingState.READY:
        return [f"the meeting is {meeting.state.value} ({meeting.reason})"]
    there = _at_provider(world, meeting)
    if there is None:
        return ["the recorded meeting is not at the provider"]
    link, starts_at, owner = there
    wrong = []
    if link != meeting.join_url:
        wrong.append("another link than the provider's is recorded")
    if starts_at != record.booking.appointment.starts_at:
        wrong.append(f"the provider's meeting starts at {starts_at}")
    if owner != record.booking.host.user_id:
        wrong.append(f"the meeting is hosted by {owner}")
    return wrong


def _at_provider(world: World, meeting: Meeting) -> tuple[str, datetime, str] | None:
    if meeting.provider == "rooms":
        room = world.rooms.rooms.get(str(meeting.id))
        return room and (room.link, datetime.fromisoformat(room.starts_at), str(meeting.user_id))
    held = world.zoom.held.by_id.get(int(meeting.id or 0))
    if held is None:
        return None
    from infra.local.standins.zoom.bodies import join_url

    return join_url(held, world.zoom.web_url), held.start_time.astimezone(UTC), held.host_user_id.removeprefix("zoom-")


def _mails(world: World, record: Record) -> list[str]:
    booking, wrong = record.booking, []
    mails = [mail.invite for mail in world.post.mails if mail.invite.booking_id == booking.booking_id]
    if len({mail.uid for mail in mails}) > 1:
        wrong.append("two calendar entries")
    wanted = {} if booking.is_cancelled else {address_key(p.email): p for p in parties(booking)}
    inboxes: dict[str, list[Invite]] = {address: [] for address in wanted}
    for mail in mails:
        inboxes.setdefault(address_key(mail.recipient.email), []).append(mail)
    for address, inbox in inboxes.items():
        entry = _calendar(inbox)
        if address not in wanted:
            if entry is not None:
                wrong.append("a cancelled entry stays in a calendar")
        elif entry is None:
            wrong.append("a recipient has no entry")
        elif (entry.join_url, entry.starts_at) != (record.settlement.meeting.join_url, booking.appointment.starts_at):
            wrong.append("a calendar shows another link or time")
    return wrong


def _calendar(inbox: list[Invite]) -> Invite | None:
    """The entry that a calendar shows after these mails (RFC 5546, 2.1.5: an older sequence changes nothing)."""
    entry: Invite | None = None
    newest = -1
    for mail in inbox:
        if mail.sequence < newest:
            continue
        newest = mail.sequence
        entry = mail if mail.method is Method.REQUEST else None
    return entry


def leaks(world: World) -> list[str]:
    """Secrets where they must not be: in the log and in stream images at any time, in stored rows, mails, notices."""
    look = world.canaries.look
    for table, item in world.db.all_items():
        look(f"the table {table}", text_of(item))
    for mail in world.post.mails:
        look("a mail", repr(mail.invite))
    look("a mail", repr(world.post.sources))
    look("a notice", repr(world.post.notices))
    return sorted(set(world.canaries.leaks))
