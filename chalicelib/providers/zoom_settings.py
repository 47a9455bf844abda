"""Zoom's names for the settings of a meeting: `settings` and `password` in its Meetings OpenAPI."""

from __future__ import annotations

import secrets
import string
from typing import Any

from msgspec import UNSET

from chalicelib.domain.meeting import MeetingRequest
from chalicelib.domain.meeting_settings import (
    MINUTES_BEFORE_HOST,
    NO_SETTINGS,
    MeetingSettings,
    PasscodeMode,
    RecordingMode,
)

_PASSCODE_LENGTH = 10
"""The longest that Zoom accepts."""
_REQUIRED = (string.ascii_lowercase, string.ascii_uppercase, string.digits, "@-_*")
"""What an account's rules may require: a letter of each case, a digit and a special character."""
_SAME = {"waiting_room": "waiting_room", "mute_on_entry": "mute_upon_entry", "summary": "auto_start_meeting_summary"}
"""Settings that are true or false at Zoom, too."""


def write(settings: MeetingSettings) -> dict[str, Any]:
    """Return the `settings` of a request. Zoom uses the host's own for those that are missing."""
    values = {name: getattr(settings, ours) for ours, name in _SAME.items()}
    values |= {"auto_recording": settings.recording}
    minutes = settings.join_before_host_minutes
    if minutes is not UNSET:
        values["join_before_host"] = minutes is not None
    if isinstance(minutes, int):
        values["jbh_time"] = minutes
        values["waiting_room"] = False  # With a waiting room, which the host's own settings may have, Zoom ignores it.
    return {name: value for name, value in values.items() if value is not UNSET}


def write_options(request: MeetingRequest) -> list[tuple[tuple[str, ...], dict[str, Any]]]:
    """Return co-hosts and passcode fields for a create, in the order to try: Zoom may refuse each of them.

    If it refuses the passcode, because the account's rules are stricter, Zoom generates one.
    """
    passcode = _write_passcode(request.settings)
    passcodes = [passcode, {}] if "password" in passcode else [passcode]
    cohosts = [request.cohosts, ()] if request.cohosts else [()]
    return [(emails, fields) for emails in cohosts for fields in passcodes]


def _write_passcode(settings: MeetingSettings) -> dict[str, Any]:
    """Return the fields of a create that decide about the passcode. Zoom keeps an existing meeting's passcode."""
    match settings.passcode:
        case PasscodeMode.GENERATE:
            kinds = (*_REQUIRED, *["".join(_REQUIRED)] * (_PASSCODE_LENGTH - len(_REQUIRED)))
            characters = [secrets.choice(kind) for kind in kinds]
            return {"password": "".join(secrets.SystemRandom().sample(characters, _PASSCODE_LENGTH))}
        case PasscodeMode.NONE:
            return {"default_password": False}
    return {}


def write_cohosts(emails: tuple[str, ...]) -> dict[str, Any]:
    """Return the `settings` that make these people alternative hosts. By default, Zoom emails them."""
    quiet = {"alternative_hosts_email_notification": False, "email_notification": False}
    return {"alternative_hosts": ";".join(emails)} | quiet


def read(meeting: dict[str, Any]) -> MeetingSettings:
    """Return the settings of a meeting that Zoom describes."""
    settings = meeting.get("settings")
    if not isinstance(settings, dict):
        return NO_SETTINGS
    values = {ours: _if_is(bool, settings.get(name)) for ours, name in _SAME.items()}
    recording = settings.get("auto_recording")
    return MeetingSettings(
        **values,
        join_before_host_minutes=_read_minutes(settings),
        recording=RecordingMode(recording) if recording in tuple(RecordingMode) else UNSET,
        passcode=PasscodeMode.GENERATE if meeting.get("password") else PasscodeMode.NONE,
    )


def _read_minutes(settings: dict[str, Any]) -> Any:
    if settings.get("waiting_room"):
        return None  # Zoom ignores `join_before_host` then.
    minutes = settings.get("jbh_time", 0)
    match settings.get("join_before_host"):
        case True:
            return minutes if minutes in MINUTES_BEFORE_HOST else UNSET
        case False:
            return None
    return UNSET


def _if_is(kind: type, value: Any) -> Any:
    return value if isinstance(value, kind) else UNSET
