"""What must be true when the world has come to rest: RELIABILITY 1 to 10, and section 2 of the design."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from typing import Any

from chalicelib.domain.answers import Choice, declining_guests
from chalicelib.domain.booking import Booking
from chalicelib.domain.cohost import CohostState
from chalicelib.domain.cohost_plan import cohost_result
from chalicelib.domain.invitation import Invite, Method, Role, address_key, is_emailed, parties
from chalicelib.domain.meeting import Meeting, MeetingState
from chalicelib.domain.reminder import Addressees
from chalicelib.domain.reminder_plan import SPREAD
from chalicelib.store.booking_records import Record
from chalicelib.store.references import meeting_key
from infra.local.standins.base import HeldMeeting
from tests.chaos.places import USERS
from tests.chaos.scenarios import FALLBACK
from tests.chaos.secrets import text_of
from tests.chaos.services import Mail
from tests.chaos.world import BASE_URL, World


def broken_promises(world: World) -> list[str]:
    """Everything that is wrong with a world at rest; nothing if all is well."""
    wrong = list(world.failures)
    links: Counter[str] = Counter()
    for record in world.records():
        booking_id, meeting = record.booking.booking_id, record.settlement.meeting
        expected = _expects_meeting(record.booking)
        wrong += [f"{booking_id}: {what}" for what in (*_settled(world, record), *_meeting(world, record, expected))]
        wrong += [f"{booking_id}: {what}" for what in (*_mails(world, record), *_answers(world, record))]
        if meeting.join_url and not meeting.is_fallback:
            links[meeting.join_url] += 1
    wrong += [f"{count} bookings share a link" for link, count in links.items() if count > 1]
    extra = orphans(world)
    unknown = sorted(world.rooms.rooms.keys() - {record.settlement.meeting.id for record in world.records()})
    if unknown or (extra and world.place.marks):
        wrong.append(f"{len(extra) + len(unknown)} meetings live that belong to no booking")
    if len(extra) > world.network.strikes:
        wrong.append(f"{len(extra)} meetings were left behind by {world.network.strikes} faults")
    wrong += [f"the link of {one.id} is known, though no booking has it" for one in extra if _is_known(world, one)]
    return wrong + leaks(world)


def orphans(world: World) -> list[HeldMeeting]:
    """Meetings alive at the run's provider that belong to no booking, unless nothing could be done about them."""
    recorded = {record.settlement.meeting.id for record in world.records()} | world.left_behind
    return [one for one in world.place.held() if one.id not in recorded]


def lost(world: World) -> int:
    """Bookings that were acknowledged and are not settled as wanted."""
    settled = {
        r.booking.booking_id
        for r in world.records()
        if r.is_settled
        and (r.settlement.meeting.exists or r.settlement.meeting.is_fallback or not _expects_meeting(r.booking))
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
            reminder_of(mail),
        )
        before = seen.get(key)
        if before is not None and not before.may_be_repeated:
            twice.append(mail)
        seen[key] = mail
    return twice


def reminder_of(mail: Mail) -> tuple[datetime, int] | None:
    """The start and the minutes of the reminder that a mail is, by the time at which it was written."""
    invite = mail.invite
    minutes = (invite.starts_at - invite.stamped_at) / timedelta(minutes=1)
    return (invite.starts_at, 60 if minutes > 45 else 30) if invite.is_reminder else None


def lost_reminders(world: World) -> list[tuple[str, int]]:
    """Reminders of bookings that are past, and that a recipient did not get: the address and the minutes."""
    sent = {(mail.invite.booking_id, mail.invite.recipient.email, reminder_of(mail)) for mail in world.post.mails}
    lost = []
    for booking in (record.booking for record in world.records() if not record.booking.is_cancelled):
        for reminder in booking.reminders:
            due_by = booking.appointment.starts_at - timedelta(minutes=reminder.minutes_before)
            was_in_time = (booking.reminders_set_at or booking.created_at) <= due_by - SPREAD
            for party in parties(booking) if was_in_time and due_by < world.simulation.now else ():
                key = booking.booking_id, party.email, (booking.appointment.starts_at, reminder.minutes_before)
                is_addressed = reminder.to is Addressees.ALL or party.role is Role.GUEST
                lost += [key[1:2] + key[2][1:]] if is_addressed and key not in sent else []
    return lost


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
    if meeting.is_fallback:
        is_right = meeting.join_url == FALLBACK and not record.settlement.leftovers
        return [] if is_right else ["the fallback has another link, or its original attempt is not removed"]
    if meeting.state is not MeetingState.READY:
        return [f"the meeting is {meeting.state.value} ({meeting.reason})"]
    host, local = record.booking.host.user_id, meeting.provider == world.place.name and world.place.kind.is_local
    if meeting.user_id != host:
        return [f"the meeting is recorded for {meeting.user_id}"]
    there = _at_provider(world, meeting)
    if there is None:
        return [] if local else ["the recorded meeting is not at the provider"]
    wrong = []
    if world.place.kind.reports_meetings and meeting.provider == world.place.name:
        key = meeting_key(world.place.name, str(meeting.id))
        if key not in {item["key"]["S"] for item in world.db.items("references")}:
            wrong.append("no reference leads from the meeting to the booking")
    if meeting.join_url != there.link if there.link else not str(meeting.join_url).startswith(f"{BASE_URL}/j/"):
        wrong.append("another link than the provider's is recorded")
    if there.starts_at not in (None, record.booking.appointment.starts_at):
        wrong.append(f"the provider's meeting starts at {there.starts_at}")
    wrong += _cohosts(world, record)
    if there.lets_guests_in is False:
        wrong.append("guests wait at the meeting's door")
    if there.owner is not None and there.owner != world.place.owner(host):
        wrong.append(f"the meeting is hosted by {there.owner}")
    return wrong


def _cohosts(world: World, record: Record) -> list[str]:
    """The people who may join as hosts are those that the booking shows, and no one is forgotten."""
    meeting, cohosts = record.settlement.meeting, record.booking.cohosts
    if meeting.provider != "zoom":
        return []
    settings = world.zoom.held.by_id[int(str(meeting.id))].settings
    there = set(filter(None, settings.get("alternative_hosts", "").split(";")))
    states = {cohost.email: cohost_result(record.booking, meeting, cohost) for cohost in cohosts}
    shown = {email for email, result in states.items() if result and result.state is CohostState.HOST}
    unsettled = [result for result in states.values() if result is None or result.state is CohostState.PENDING]
    return ["the co-hosts are not settled"] if unsettled or there != shown else []


def _at_provider(world: World, meeting: Meeting) -> HeldMeeting | None:
    if meeting.provider == "rooms":
        room = world.rooms.rooms.get(str(meeting.id))
        return room and HeldMeeting(room.name, "", datetime.fromisoformat(room.starts_at), None, room.link)
    return next((one for one in world.place.held() if one.id == meeting.id), None)


def _is_known(world: World, orphan: HeldMeeting) -> bool:
    """Whether its link went out, or stands anywhere."""
    mails = any(mail.invite.join_url == orphan.link for mail in world.post.mails)
    return orphan.link is not None and (mails or any(orphan.link in str(item) for _, item in world.db.all_items()))


def _mails(world: World, record: Record) -> list[str]:
    booking, wrong = record.booking, []
    mails = [mail.invite for mail in world.post.mails if mail.invite.booking_id == booking.booking_id]
    cancelled_at = booking.updated_at + timedelta(seconds=30) if booking.is_cancelled else world.simulation.now
    if any(mail.is_reminder and mail.stamped_at > cancelled_at for mail in mails):
        wrong.append("a reminder of a cancelled booking")
    mails = [mail for mail in mails if not mail.is_reminder]
    if len({mail.uid for mail in mails}) > 1:
        wrong.append("two calendar entries")
    wanted = {} if booking.is_cancelled else {address_key(p.email): p for p in parties(booking)}
    inboxes: dict[str, list[Invite]] = {address: [] for address in wanted}
    for mail in mails:
        inboxes.setdefault(address_key(mail.recipient.email), []).append(mail)
    wrong += _links(mails)
    for address, inbox in inboxes.items():
        entry, events = _calendar(inbox), _events(world, booking, address)
        if address in wanted and not is_emailed(booking, wanted[address].role):
            wrong += _left_to_caller(record, address, inbox)
            continue
        if address not in wanted:
            if entry is not None or events:
                wrong.append("a cancelled entry stays in a calendar")
            continue
        if entry is None and not events:
            wrong.append("a recipient has no entry")
        elif (entry is not None) + len(events) > 1:
            wrong.append("a recipient has two entries")
        if any(event.starts_at != booking.appointment.starts_at for event in events):
            wrong.append("the provider's event is at another time")
        truth = (_link(world, record, address), booking.appointment.starts_at)
        if not inbox or (inbox[-1].join_url, inbox[-1].starts_at) != truth or inbox[-1].method is Method.CANCEL:
            wrong.append("the newest email shows another link or time")
    return wrong


def _links(mails: list[Invite]) -> list[str]:
    """No person is told two links without an update: each link has a number of its own, and a calendar shows one."""
    told: dict[tuple[str, int], set[str | None]] = {}
    for mail in mails:
        told.setdefault((address_key(mail.recipient.email), mail.sequence), set()).add(mail.join_url)
    return ["a recipient was told two links under one number"] if any(len(links) > 1 for links in told.values()) else []


def _left_to_caller(record: Record, address: str, inbox: list[Invite]) -> list[str]:
    """What is wrong about a recipient who is switched off: the caller mails the newest entry, and meetlink does not."""
    last = next((i for i in record.settlement.invitations if address_key(i.email) == address), None)
    if last is None or not last.is_left_to_caller or last.starts_at != record.booking.appointment.starts_at:
        return ["the newest entry of a switched-off recipient is not left to the caller"]
    is_emailed_too = any(mail.is_left_to_caller or mail.sequence >= last.sequence for mail in inbox)
    return ["a switched-off recipient was emailed"] if is_emailed_too else []


def _events(world: World, booking: Booking, address: str) -> list[HeldMeeting]:
    """The events of the booking that the provider keeps in the calendar of this address."""
    user_id = address.partition("@")[0]
    if world.place.name != "google_meet" or user_id not in USERS:
        return []
    return [one for one in world.held_for(booking.booking_id) if one.owner == world.place.owner(user_id)]


def _answers(world: World, record: Record) -> list[str]:
    """The answer is there, no guest was emailed because of it, and the host knows of a decline, once.

    A cancellation says more than a decline shortly before it.
    """
    choices = world.answered.get(record.booking.booking_id)
    if not choices:
        return []
    (stored,) = record.answers.values() or (None,)
    if stored is None or stored.choice is not choices[-1]:
        return ["the guest's answer is lost"]
    notices = [notice for notice in world.post.notices if "will not come" in notice.subject]
    declines = [party.email for party in declining_guests(record.booking, record.answers)]
    certain = [notice for notice in notices if not notice.may_be_repeated]
    is_due = declines and not record.booking.is_cancelled
    wrong = ["the host does not know of a decline"] if is_due and not notices else []
    if len(certain) > choices.count(Choice.DECLINED):
        wrong.append("the host was notified more often than guests declined")
    return wrong


def _link(world: World, record: Record, address: str) -> str | None:
    booking, meeting = record.booking, record.settlement.meeting
    recipient = next(party for party in parties(booking) if address_key(party.email) == address)
    return world.tickets.personal_link(booking, meeting, recipient) or meeting.join_url


def _calendar(inbox: list[Invite]) -> Invite | None:
    """Our entry that a calendar shows after these mails (RFC 5546, 2.1.5: an older sequence changes nothing)."""
    entry: Invite | None = None
    newest = -1
    for mail in inbox:
        if mail.sequence < newest or mail.calendar_method is None:
            continue
        newest = mail.sequence
        entry = mail if mail.calendar_method is Method.REQUEST else None
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
