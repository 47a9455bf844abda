"""Base class for Jitsi: a meeting is only a room's name."""

from __future__ import annotations

from chalicelib.domain.meeting import MeetingRequest, ProviderMeeting
from chalicelib.domain.meeting_plan import CreateSemantics
from chalicelib.providers.base import KeyProvider


class RoomProvider(KeyProvider):
    """A provider where a meeting is only a room name: no API is called, and update and delete do nothing."""

    create_semantics = CreateSemantics(idempotent=True)
    is_local = True

    def update(self, token: str, meeting_id: str, request: MeetingRequest) -> ProviderMeeting | None:
        return None

    def delete(self, token: str, meeting_id: str) -> None:
        return

    def find(self, token: str, request: MeetingRequest) -> list[ProviderMeeting]:
        return [self.create(token, request)]
