"""Graph's names for the options of a Teams meeting: who waits in the lobby, and whether it is recorded."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET

from chalicelib.domain.meeting_settings import MeetingSettings, RecordingMode
from chalicelib.providers.parsing import parse_text

_LONGEST_SCOPE = 250
_OPEN = "everyone"
# Without this, the organization's default applies: people from outside wait in the lobby.
OPEN_LOBBY = {"lobbyBypassSettings": {"scope": _OPEN, "isDialInBypassEnabled": True}}
CLOSED_LOBBY = {"lobbyBypassSettings": {"scope": "organizer", "isDialInBypassEnabled": False}}


def write_options(settings: MeetingSettings) -> list[dict[str, Any]]:
    """Return the options to send: all of them first, then fewer, because a policy may refuse each of them."""
    lobby = CLOSED_LOBBY if settings.waiting_room is True else OPEN_LOBBY
    if settings.recording is UNSET:
        return [lobby, {}]
    recording = {"recordAutomatically": settings.recording is RecordingMode.CLOUD}
    return [lobby | recording, lobby, recording, {}]


def refusal(options: dict[str, Any]) -> str:
    """Return the log's words for a refusal of these options."""
    if OPEN_LOBBY.keys() <= options.keys():
        return "the lobby cannot be opened" if OPEN_LOBBY.items() <= options.items() else "the lobby cannot be closed"
    return "the recording cannot be changed"


def read(body: Any) -> MeetingSettings:
    """Return the settings of a meeting that Graph describes."""
    scope, recording = lobby_scope(body), body.get("recordAutomatically") if isinstance(body, dict) else None
    return MeetingSettings(
        waiting_room=UNSET if scope is None else scope != _OPEN,
        recording=_RECORDING.get(recording, UNSET) if isinstance(recording, bool) else UNSET,
    )


def lobby_scope(body: Any) -> str | None:
    """Return who enters without waiting (Graph's `lobbyBypassScope`); None if the response does not include it."""
    settings = body.get("lobbyBypassSettings") if isinstance(body, dict) else None
    scope = settings.get("scope") if isinstance(settings, dict) else None
    return parse_text(scope, _LONGEST_SCOPE)


def is_open(scope: str | None) -> bool:
    """Whether guests enter without waiting."""
    return scope == _OPEN


_RECORDING = {True: RecordingMode.CLOUD, False: RecordingMode.NONE}
