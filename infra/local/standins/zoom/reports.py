"""The payloads of Zoom's events about meetings, as Zoom's own client `@zoom/rivet` declares them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from infra.local.standins.zoom.accounts import Account
from infra.local.standins.zoom.bodies import instant
from infra.local.standins.zoom.meetings import Meeting

_CHANGEABLE = ("topic", "agenda", "start_time", "duration", "timezone", "password")


def updated(host: Account, before: Meeting, after: Meeting, at: datetime) -> dict[str, Any]:
    """Zoom sends what changed, with its old and new values."""
    changed = [name for name in _CHANGEABLE if getattr(before, name) != getattr(after, name)]
    # A change of settings alone is sent too. It has no field that the stand-in knows.
    return {
        "account_id": host.account_id,
        "operator": host.email,
        "operator_id": host.user_id,
        "object": {"id": after.id, **{name: _text(getattr(after, name)) for name in changed}},
        "old_object": {"id": before.id, **{name: _text(getattr(before, name)) for name in changed}},
        "time_stamp": int(at.timestamp() * 1000),
    }


def deleted(host: Account, meeting: Meeting) -> dict[str, Any]:
    """Return the payload of `meeting.deleted`."""
    operator = {"operator": host.email, "operator_id": host.user_id, "operation": "single"}
    return {"account_id": host.account_id, **operator, "object": {**_about(host, meeting), "id": meeting.id}}


def run(host: Account, meeting: Meeting, session: str, ended_at: datetime | None = None) -> dict[str, Any]:
    """Return the payload of `meeting.started`, or with `ended_at` of `meeting.ended`."""
    end = {"end_time": instant(ended_at)} if ended_at else {}
    return {"account_id": host.account_id, "object": {**_about(host, meeting), "uuid": session, **end}}


def participant(
    host: Account, meeting: Meeting, session: str, person: Mapping[str, str], **at: datetime
) -> dict[str, Any]:
    """Return the payload of `meeting.participant_joined` (`join_time`) or `meeting.participant_left` (`leave_time`)."""
    when = {name: instant(moment) for name, moment in at.items()}
    shown = {**_about(host, meeting), "uuid": session, "participant": {**person, **when}}
    return {"account_id": host.account_id, "object": shown}


def recording(host: Account, meeting: Meeting, session: str, share_url: str, password: str) -> dict[str, Any]:
    """Return the payload of `recording.completed`. Its passcode and download links are secrets."""
    file = {
        "id": "file-1",
        "meeting_id": session,
        "recording_start": instant(meeting.start_time),
        "recording_end": instant(meeting.start_time),
        "recording_type": "shared_screen_with_speaker_view",
        "file_type": "MP4",
        "file_size": 1024,
        "file_extension": "MP4",
        "play_url": f"{share_url}/play",
        "download_url": f"{share_url}/download",
        "status": "completed",
    }
    shown = {
        **_about(host, meeting),
        "id": meeting.id,
        "uuid": session,
        "account_id": host.account_id,
        "host_email": host.email,
        "share_url": f"{share_url}?pwd={password}",
        "password": password,
        "recording_play_passcode": password,
        "total_size": 1024,
        "recording_count": 1,
        "recording_files": [file],
    }
    return {"account_id": host.account_id, "object": shown}


def _about(host: Account, meeting: Meeting) -> dict[str, Any]:
    return {
        "id": str(meeting.id),
        "uuid": meeting.uuid,
        "host_id": host.user_id,
        "topic": meeting.topic,
        "type": meeting.type,
        "start_time": instant(meeting.start_time),
        "duration": meeting.duration,
        "timezone": meeting.timezone,
    }


def _text(value: Any) -> Any:
    return instant(value) if isinstance(value, datetime) else value
