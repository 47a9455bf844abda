"""A meeting in Zoom's requests and responses, and the daily limit that its responses report."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from msgspec.structs import replace

from chalicelib.domain.meeting import MeetingRequest, ProviderMeeting
from chalicelib.errors import Ambiguous, FailedCall
from chalicelib.observability import count
from chalicelib.providers import zoom_settings
from chalicelib.providers.http_client import ProviderResponse
from chalicelib.providers.parsing import LONGEST_ID, Phone, parse_meeting, parse_objects, parse_text

_ZOOM = "zoom"
_TOPIC_LIMIT = 200
_AGENDA_LIMIT = 2000


def write_meeting(request: MeetingRequest) -> dict[str, Any]:
    minutes = -(-int((request.ends_at - request.starts_at).total_seconds()) // 60)
    return {
        "topic": request.title[:_TOPIC_LIMIT],
        "agenda": f"{request.tag}\n{request.description}".strip()[:_AGENDA_LIMIT],
        "start_time": _instant(request.starts_at),
        "duration": max(minutes, 1),
        "timezone": request.time_zone,
    }


def count_daily_use(response: ProviderResponse) -> None:
    """Count which percentage of the daily creates and updates the host has used.

    Zoom returns the remaining number in headers (devforum.zoom.us/t/59670), which its OpenAPI does not mention.
    """
    limit, remaining = (response.headers.get(f"X-RateLimit-{name}", "") for name in ("Limit", "Remaining"))
    is_numeric = limit.isascii() and limit.isdigit() and remaining.isascii() and remaining.isdigit()
    if is_numeric and int(limit[:9]) > 0 and not response.headers.get("X-RateLimit-Type", "").lower().startswith("qps"):
        count("DailyLimitUsed", 100 - 100 * int(remaining[:9]) / int(limit[:9]), "Percent", provider=_ZOOM)


def require_no_content(response: ProviderResponse) -> None:
    """Raise `Ambiguous` unless Zoom changed or deleted the meeting (204); a 200 may contain an error."""
    if response.status != 204 and response.body is not None:
        raise Ambiguous(FailedCall(_ZOOM, "success with an unexpected body", status=response.status))


def read_list(body: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the listed meetings. An unreadable list must not count as empty: a second meeting would be created."""
    meetings = body.get("meetings")
    listed = parse_objects(meetings)
    if listed != meetings or not all(parse_text(meeting.get("id"), LONGEST_ID) for meeting in listed):
        raise Ambiguous(FailedCall(_ZOOM, "the list is unreadable"))
    return listed


def may_have_tag(listed: dict[str, Any], request: MeetingRequest) -> bool:
    """Whether a listed meeting may have the tag: if it has no agenda, it may if it has the same start.

    Zoom documents that lists contain the first 250 characters of the agenda. Recorded lists omit an empty agenda, and
    there is no recording of a list with one, so Zoom may omit every agenda.
    """
    return has_tag(listed, request.tag) or (
        not listed.get("agenda") and listed.get("start_time") == _instant(request.starts_at)
    )


def has_tag(meeting: dict[str, Any], tag: str) -> bool:
    return str(meeting.get("agenda", "")).startswith(tag)


def _instant(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def read_meeting(body: dict[str, Any]) -> ProviderMeeting:
    # `start_url` admits anyone as the host, so it is never read.
    settings = body.get("settings")
    numbers = parse_objects(settings.get("global_dial_in_numbers")) if isinstance(settings, dict) else []
    code, passcode = body.get("id"), body.get("pstn_password")
    phones = [Phone(entry.get("number"), code, entry.get("country"), entry.get("city"), passcode) for entry in numbers]
    meeting = parse_meeting(_ZOOM, body.get("id"), body.get("join_url"), passcode=body.get("password"), phones=phones)
    return replace(meeting, settings=zoom_settings.read(body))
