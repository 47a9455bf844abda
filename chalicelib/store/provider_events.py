"""The table of providers' events about meetings: a row for each event, kept for a week."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta

import msgspec
from msgspec.structs import replace

from chalicelib.decoding import decode_json
from chalicelib.domain.meeting_report import MeetingReport
from chalicelib.errors import LostRace
from chalicelib.store.dynamodb import translated_errors
from chalicelib.store.tables import ProviderEventItem

LIFE = timedelta(days=7)


class ProviderEventStore:
    """Events by meeting. A row is written when everything that follows from its event is done."""

    def has(self, provider: str, report: MeetingReport) -> bool:
        """Return whether the event is stored: it was delivered before."""
        return ProviderEventItem.find(_meeting_key(provider, report.meeting_id), report.name) is not None

    def add(self, provider: str, report: MeetingReport, booking: tuple[str, str], now: datetime) -> None:
        """Store an event of this (workspace, booking), unless it is stored already."""
        workspace_id, booking_id = booking
        stored = replace(report, share_url=None, passcode=None, changes={})  # Links and passcodes are secrets.
        item = ProviderEventItem(
            _meeting_key(provider, report.meeting_id),
            report.name,
            workspace_id=workspace_id,
            booking_id=booking_id,
            document=msgspec.json.encode(stored).decode(),
            expires_at=now + LIFE,
        )
        with suppress(LostRace), translated_errors():
            item.save(condition=ProviderEventItem.event_name.does_not_exist())

    def list_by_meeting(self, provider: str, meeting_id: str, limit: int | None = None) -> list[MeetingReport]:
        """Return the stored events of a meeting, at most `limit`, by kind and then by time."""
        key = _meeting_key(provider, meeting_id)
        with translated_errors():
            items = list(ProviderEventItem.query(key, consistent_read=True, limit=limit))
        return [decode_json(item.document, MeetingReport) for item in items]


def _meeting_key(provider: str, meeting_id: str) -> str:
    return f"{provider}#{meeting_id}"
