"""Meetings that take place at the stand-in: people join and leave, and Zoom sends its events."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from infra.local.standins.zoom import reports
from infra.local.standins.zoom.accounts import Account
from infra.local.standins.zoom.meetings import Meeting
from infra.local.standins.zoom.webhooks import Delivery

if TYPE_CHECKING:
    from infra.local.standins.zoom.world import Zoom


@dataclass
class _Session:
    uuid: str
    present: list[dict[str, str]] = field(default_factory=list)


class Sessions:
    """What happens to meetings without an API call. Each method sends one or more events and returns their deliveries.

    A meeting's id that does not exist raises KeyError.
    """

    def __init__(self, zoom: Zoom) -> None:
        self._zoom = zoom
        self._running: dict[int, _Session] = {}

    def reset(self) -> None:
        """Forget who is in a meeting."""
        self._running.clear()

    def start(self, meeting_id: int) -> list[Delivery]:
        """Start the meeting, unless it runs."""
        host, meeting = self._find(meeting_id)
        if meeting_id in self._running:
            return []
        session = self._running[meeting_id] = _Session(self._zoom.mint.text(22) + "==")
        return self._send("meeting.started", reports.run(host, meeting, session.uuid))

    def join(self, meeting_id: int, *, is_host: bool = False) -> list[Delivery]:
        """Have a person join. The first one starts the meeting."""
        deliveries = self.start(meeting_id)
        host, meeting = self._find(meeting_id)
        session = self._running[meeting_id]
        person = _person(host, self._zoom.mint.digits(8), is_host=is_host)
        session.present.append(person)
        payload = reports.participant(host, meeting, session.uuid, person, join_time=self._zoom.clock())
        return deliveries + self._send("meeting.participant_joined", payload)

    def end(self, meeting_id: int) -> list[Delivery]:
        """Have everyone leave and end the meeting."""
        host, meeting = self._find(meeting_id)
        session, now, deliveries = self._running.pop(meeting_id, None), self._zoom.clock(), list[Delivery]()
        if session is None:
            return []
        for person in session.present:
            payload = reports.participant(host, meeting, session.uuid, person, leave_time=now)
            deliveries += self._send("meeting.participant_left", payload)
        return deliveries + self._send("meeting.ended", reports.run(host, meeting, session.uuid, now))

    def take_place(
        self, meeting_id: int, *, with_host: bool = True, guests: int = 1, is_recorded: bool = False
    ) -> list[Delivery]:
        """Run the meeting from its start to its end."""
        deliveries = self.start(meeting_id)
        for is_host in [True] * with_host + [False] * guests:
            deliveries += self.join(meeting_id, is_host=is_host)
        session = self._running[meeting_id]
        deliveries += self.end(meeting_id)
        return deliveries + (self._record(meeting_id, session) if is_recorded else [])

    def delete_by_hand(self, meeting_id: int) -> list[Delivery]:
        """Delete the meeting as its host does on Zoom's website."""
        host, meeting = self._find(meeting_id)
        with self._zoom.lock:
            self._zoom.held.delete(meeting)
        return self._send("meeting.deleted", reports.deleted(host, meeting))

    def change_by_hand(self, meeting_id: int, **body: Any) -> list[Delivery]:
        """Change the meeting as its host does on Zoom's website."""
        host, before = self._find(meeting_id)
        with self._zoom.lock:
            self._zoom.held.update(before, body)
        after = self._zoom.held.by_id[meeting_id]
        return self._send("meeting.updated", reports.updated(host, before, after, self._zoom.clock()))

    def _record(self, meeting_id: int, session: _Session) -> list[Delivery]:
        host, meeting = self._find(meeting_id)
        mint = self._zoom.mint
        share_url = f"https://zoom.us/rec/share/{mint.text(32)}"
        payload = reports.recording(host, meeting, session.uuid, share_url, mint.text(8))
        return self._send("recording.completed", payload, download_token=mint.text(40))

    def _find(self, meeting_id: int) -> tuple[Account, Meeting]:
        meeting = self._zoom.held.by_id[meeting_id]
        return self._zoom.accounts[meeting.host_user_id], meeting

    def _send(self, event: str, payload: dict[str, Any], **others: str) -> list[Delivery]:
        delivery = self._zoom.send(event, payload, **others)
        return [delivery] if delivery else []


def _person(host: Account, number: str, *, is_host: bool) -> dict[str, str]:
    """Return a participant. Zoom knows the user only of those who are signed in."""
    person = {"user_id": number, "participant_uuid": f"P-{number}"}
    if is_host:
        return {**person, "user_name": host.display_name, "id": host.user_id, "email": host.email}
    return {**person, "user_name": "Demo Guest", "id": "", "email": "guest@example.com"}
