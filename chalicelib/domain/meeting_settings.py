"""Settings of a meeting that a calendar chooses: which there are, and which of them a provider supports."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Any

from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import replace


class RecordingMode(StrEnum):
    """Whether a meeting is recorded automatically. A closed list, part of the API."""

    NONE = "none"
    LOCAL = "local"
    """On the host's computer."""
    CLOUD = "cloud"
    """By the provider."""


class PasscodeMode(StrEnum):
    """Which passcode a new meeting gets. A closed list, part of the API."""

    ACCOUNT = "account"
    """As the account's own settings say."""
    GENERATE = "generate"
    """A random one, also if the account requires none."""
    NONE = "none"


class MeetingSettings(Struct, frozen=True, omit_defaults=True):
    """Settings of a meeting. The account's own settings at the provider decide those that are unset."""

    waiting_room: bool | UnsetType = UNSET
    join_before_host_minutes: int | UnsetType | None = UNSET
    """How long before the start guests can join without the host: 0 means at any time, None never."""
    recording: RecordingMode | UnsetType = UNSET
    mute_on_entry: bool | UnsetType = UNSET
    summary: bool | UnsetType = UNSET
    """Whether the provider's assistant writes a summary."""
    passcode: PasscodeMode | UnsetType = UNSET


NO_SETTINGS = MeetingSettings()


class PossibleSettings(Struct, frozen=True):
    """The values that a provider supports of each setting. An empty tuple: it does not have the setting."""

    waiting_room: tuple[bool, ...] = ()
    join_before_host_minutes: tuple[int | None, ...] = ()
    recording: tuple[RecordingMode, ...] = ()
    mute_on_entry: tuple[bool, ...] = ()
    summary: tuple[bool, ...] = ()
    passcode: tuple[PasscodeMode, ...] = ()


NOTHING_POSSIBLE = PossibleSettings()
EITHER = (True, False)
MINUTES_BEFORE_HOST = (0, 5, 10, 15)
EVERY_SETTING = PossibleSettings(
    EITHER, (*MINUTES_BEFORE_HOST, None), tuple(RecordingMode), EITHER, EITHER, tuple(PasscodeMode)
)


def chosen(settings: MeetingSettings) -> dict[str, Any]:
    """Return the settings that are set, by name."""
    values = {name: getattr(settings, name) for name in MeetingSettings.__struct_fields__}
    return {name: value for name, value in values.items() if value is not UNSET}


def unsupported(settings: MeetingSettings, possible: PossibleSettings) -> list[str]:
    """Return the names of the settings that are set to a value that is not possible."""
    return [name for name, value in chosen(settings).items() if not _is_one_of(value, getattr(possible, name))]


def only(settings: MeetingSettings, names: Iterable[str]) -> MeetingSettings:
    """Return the settings with these names; the others are unset."""
    wanted = set(names)
    others = [name for name in chosen(settings) if name not in wanted]
    remaining = replace(settings, **dict.fromkeys(others, UNSET))
    return NO_SETTINGS if remaining == NO_SETTINGS else remaining


def without(settings: MeetingSettings, names: Iterable[str]) -> MeetingSettings:
    """Return the settings without those with these names."""
    return only(settings, chosen(settings).keys() - set(names))


def describe(settings: MeetingSettings) -> list[str]:
    """Return the settings as texts, for a digest: unset adds nothing, and `false` is not unset."""
    return [f"{name}={value}" for name, value in chosen(settings).items()]


def _is_one_of(value: Any, possible: tuple[Any, ...]) -> bool:
    return any(value is other or (value == other and type(value) is type(other)) for other in possible)
