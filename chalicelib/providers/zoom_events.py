"""Zoom's events: developers.zoom.us/docs/api/webhooks, with the payloads that `@zoom/rivet` declares."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from chalicelib.domain.meeting_report import MeetingReport, ReportKind
from chalicelib.domain.plain_text import is_web_address
from chalicelib.providers.base import Deauthorized, Event, Ignored, Reply
from chalicelib.providers.parsing import parse_text

_FRESH_SECONDS = 300
_LONGEST_ID = 255
"""In characters, also of a passcode: such ids become part of rows and their keys."""
_LONGEST_LINK = 2048
_OWN_FIELDS = ("topic", "agenda", "start_time", "duration")
"""What our updates set. Of these, an update event contains those that changed."""
_KINDS = {
    "meeting.updated": ReportKind.UPDATED,
    "meeting.deleted": ReportKind.DELETED,
    "meeting.permanently_deleted": ReportKind.DELETED,
    "meeting.started": ReportKind.STARTED,
    "meeting.ended": ReportKind.ENDED,
    "meeting.participant_joined": ReportKind.JOINED,
    "meeting.participant_left": ReportKind.LEFT,
    "recording.completed": ReportKind.RECORDING_READY,
}


def read_event(headers: Mapping[str, str], raw: bytes, secret: str, now: datetime) -> Event | None:
    """Return the event. None without a recent time and `v0=` with the HMAC-SHA256 of `v0:{timestamp}:{raw body}`."""
    timestamp, signature = headers.get("x-zm-request-timestamp", ""), headers.get("x-zm-signature", "")
    expected = "v0=" + _hmac(secret, b"v0:" + timestamp.encode() + b":" + raw)
    sent_at = _read_time(timestamp)
    is_signed = hmac.compare_digest(expected.encode(), signature.encode("utf-8", "replace"))
    if not is_signed or sent_at is None or abs((now - sent_at).total_seconds()) > _FRESH_SECONDS:
        return None
    try:
        event = json.loads(raw)
        return _parse_event(event, sent_at, secret)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError):
        return Ignored()  # The signature proves that it is from Zoom, but it is an event that needs no action.


def changes_only(changes: Mapping[str, Any], body: Mapping[str, Any]) -> bool:
    """Return whether every changed value is the one in the product's own request body."""
    return all(name not in changes or _is_same(changes[name], body[name]) for name in _OWN_FIELDS)


def _parse_event(event: dict[str, Any], sent_at: datetime, secret: str) -> Event:
    name, payload = event["event"], event.get("payload", {})
    if name == "endpoint.url_validation":
        token = str(payload["plainToken"])
        return Reply({"plainToken": token, "encryptedToken": _hmac(secret, token.encode())})
    if name == "app_deauthorized":
        return Deauthorized(str(payload["user_id"]), _deauthorized_at(event.get("event_ts"), payload))
    at = sent_at if event.get("event_ts") is None else _event_time(event["event_ts"])
    return _parse_report(_KINDS[name], payload, at)


def _deauthorized_at(event_ts: Any, payload: dict[str, Any]) -> datetime:
    return _event_time(event_ts) if event_ts else datetime.fromisoformat(payload["deauthorization_time"])


def _parse_report(kind: ReportKind, payload: dict[str, Any], at: datetime) -> Event:
    meeting = payload["object"]
    meeting_id = parse_text(meeting.get("id"), _LONGEST_ID)
    if meeting_id is None:
        return Ignored()
    host_id, person = parse_text(meeting.get("host_id"), _LONGEST_ID), meeting.get("participant") or {}
    # Zoom knows the Zoom user of a participant who is signed in. A host who is not signed in counts as a guest.
    users = [parse_text(person.get(name), _LONGEST_ID) for name in ("id", "participant_user_id")]
    return MeetingReport(
        kind,
        meeting_id,
        at,
        account_id=host_id,
        organization=parse_text(payload.get("account_id"), _LONGEST_ID),
        session=parse_text(meeting.get("uuid"), _LONGEST_ID) or "",
        participant=_parse_participant(person),
        is_host=host_id is not None and host_id in users,
        passcode=parse_text(meeting.get("password"), _LONGEST_ID) if kind is ReportKind.UPDATED else None,
        share_url=_parse_share_url(meeting.get("share_url")),
        changes={name: meeting[name] for name in _OWN_FIELDS if name in meeting},
    )


def _parse_participant(person: dict[str, Any]) -> str:
    """Return what identifies the participant in the session. Neither id is a person's name or address."""
    ids = (parse_text(person.get(name), _LONGEST_ID) for name in ("participant_uuid", "user_id"))
    return next((value for value in ids if value), "")


def _parse_share_url(value: Any) -> str | None:
    """Return the link without its query, where Zoom may put the passcode."""
    link = parse_text(value, _LONGEST_LINK)
    if link is None or not is_web_address(link):
        return None
    return link.partition("#")[0].partition("?")[0]


def _is_same(value: Any, wanted: Any) -> bool:
    if value == wanted:
        return True
    try:
        return datetime.fromisoformat(value) == datetime.fromisoformat(wanted)
    except (TypeError, ValueError):
        return False


def _event_time(milliseconds: Any) -> datetime:
    """Return the time of `event_ts`. Raises `ValueError` or `OverflowError` for a year that no row can store."""
    at = datetime.fromtimestamp(milliseconds / 1000, UTC)
    if not 2000 <= at.year < 2200:
        raise ValueError("not a time of an event")
    return at


def _read_time(timestamp: str) -> datetime | None:
    """Return the time of the header. Zoom sends seconds; its samples also have milliseconds."""
    if not timestamp.isascii() or not timestamp.isdigit() or len(timestamp) > 13:
        return None
    return datetime.fromtimestamp(int(timestamp) / (1000 if len(timestamp) == 13 else 1), UTC)


def _hmac(secret: str, message: bytes) -> str:
    return hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()
