"""Settings of rooms in Google's Meet API: `SpaceConfig` in its discovery document, meet.v2.json."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET

from chalicelib.domain.meeting_settings import EITHER, MeetingSettings, PossibleSettings, RecordingMode

POSSIBLE_SETTINGS = PossibleSettings(
    waiting_room=EITHER, recording=(RecordingMode.NONE, RecordingMode.CLOUD), summary=EITHER
)
OPEN_ROOM = {"accessType": "OPEN"}
"""Everyone with the link enters without knocking."""
CLOSED_ROOM = {"accessType": "RESTRICTED"}
_RECORDING = {"ON": RecordingMode.CLOUD, "OFF": RecordingMode.NONE}
_SUMMARY = {"ON": True, "OFF": False}


def write_configs(settings: MeetingSettings) -> list[dict[str, Any]]:
    """Return the configurations to try: all settings, then only who enters, because a policy may refuse the others."""
    access: dict[str, Any] = CLOSED_ROOM if settings.waiting_room is True else OPEN_ROOM
    artifacts: dict[str, Any] = {}
    if settings.recording is not UNSET:
        artifacts["recordingConfig"] = {
            "autoRecordingGeneration": "ON" if settings.recording is RecordingMode.CLOUD else "OFF"
        }
    if settings.summary is not UNSET:
        artifacts["smartNotesConfig"] = {"autoSmartNotesGeneration": "ON" if settings.summary else "OFF"}
    return [access | {"artifactConfig": artifacts}, access] if artifacts else [access]


def update_mask(config: dict[str, Any]) -> str:
    """Return the mask for a change of the values in `config` only."""
    paths = [f"config.{name}" for name in config if name != "artifactConfig"]
    for kind, values in config.get("artifactConfig", {}).items():
        paths += [f"config.artifactConfig.{kind}.{name}" for name in values]
    return ",".join(paths)


def has_config(space: dict[str, Any], config: dict[str, Any]) -> bool:
    """Whether the room has these values."""
    return _contains(space.get("config"), config)


def is_open(space: dict[str, Any]) -> bool:
    """Whether guests enter without knocking."""
    return has_config(space, OPEN_ROOM)


def read_settings(space: dict[str, Any]) -> MeetingSettings:
    """Return the settings of a room that the Meet API describes."""
    access = _value(space, "config", "accessType")
    recording = _value(space, "config", "artifactConfig", "recordingConfig", "autoRecordingGeneration")
    summary = _value(space, "config", "artifactConfig", "smartNotesConfig", "autoSmartNotesGeneration")
    return MeetingSettings(
        waiting_room=access != OPEN_ROOM["accessType"] if access else UNSET,
        recording=_RECORDING.get(recording, UNSET),
        summary=_SUMMARY.get(summary, UNSET),
    )


def _contains(value: Any, expected: Any) -> bool:
    if not isinstance(expected, dict):
        return bool(value == expected)
    return isinstance(value, dict) and all(_contains(value.get(name), part) for name, part in expected.items())


def _value(value: Any, *path: str) -> str:
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value if isinstance(value, str) else ""
