"""Settings of meetings: what callers send and receive."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from chalicelib.domain.meeting_settings import (
    MINUTES_BEFORE_HOST,
    NO_SETTINGS,
    PasscodeMode,
    RecordingMode,
    chosen,
)
from chalicelib.domain.meeting_settings import MeetingSettings as DomainSettings
from chalicelib.domain.meeting_settings import PossibleSettings as DomainPossibleSettings
from chalicelib.validation import requires


def _minutes_flaw(minutes: int) -> str | None:
    if minutes in MINUTES_BEFORE_HOST:
        return None
    return f"This must be one of {', '.join(map(str, MINUTES_BEFORE_HOST))}, or null for never."


Minutes = Annotated[
    int,
    Meta(
        description="How many minutes before the start guests can join without the host: 0 (at any time), 5, 10, 15, "
        "or null (never)",
        examples=[5],
    ),
    requires(_minutes_flaw),
]
SettingName = Annotated[str, Meta(description="The name of a setting", examples=["summary"])]


class SettingsBody(Struct, forbid_unknown_fields=True):
    """Settings of each meeting. The account's own settings at the provider decide those that are left out."""

    waiting_room: Annotated[bool, Meta(description="Whether guests wait until they are admitted")] | UnsetType = UNSET
    join_before_host_minutes: Minutes | UnsetType | None = UNSET
    recording: Annotated[RecordingMode, Meta(description="Who records automatically")] | UnsetType = UNSET
    mute_on_entry: Annotated[bool, Meta(description="Whether guests join muted")] | UnsetType = UNSET
    summary: Annotated[bool, Meta(description="Whether the provider writes a summary")] | UnsetType = UNSET
    passcode: (
        Annotated[
            PasscodeMode,
            Meta(description="Of new meetings. `account`: as the account's settings say. `generate`: always one"),
        ]
        | UnsetType
    ) = UNSET

    @staticmethod
    def check_together(fields: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """Yield (name, detail) for fields that are valid, but not together."""
        if fields.get("waiting_room") is True and fields.get("join_before_host_minutes") is not None:
            yield (
                "join_before_host_minutes",
                "Guests in a waiting room cannot join before the host. Choose one of both.",
            )


class Settings(Struct):
    """Settings of a meeting. One that is absent is not set."""

    waiting_room: Annotated[bool, Meta(description="Whether guests wait until they are admitted")] | UnsetType = UNSET
    join_before_host_minutes: (
        Annotated[int | None, Meta(description="How long before the start guests can join; null: never")] | UnsetType
    ) = UNSET
    recording: Annotated[RecordingMode, Meta(description="Who records automatically")] | UnsetType = UNSET
    mute_on_entry: Annotated[bool, Meta(description="Whether guests join muted")] | UnsetType = UNSET
    summary: Annotated[bool, Meta(description="Whether the provider writes a summary")] | UnsetType = UNSET
    passcode: Annotated[PasscodeMode, Meta(description="Whether there is a passcode")] | UnsetType = UNSET


class PossibleSettings(Struct):
    """The values that a provider supports for each setting. Empty: it does not support the setting."""

    waiting_room: Annotated[list[bool], Meta(description="Values of `waiting_room`", examples=[[True, False]])]
    join_before_host_minutes: Annotated[
        list[int | None], Meta(description="Values of `join_before_host_minutes`", examples=[[0, 5, 10, 15, None]])
    ]
    recording: Annotated[list[RecordingMode], Meta(description="Values of `recording`", examples=[["none", "cloud"]])]
    mute_on_entry: Annotated[list[bool], Meta(description="Values of `mute_on_entry`", examples=[[True, False]])]
    summary: Annotated[list[bool], Meta(description="Values of `summary`", examples=[[True, False]])]
    passcode: Annotated[
        list[PasscodeMode], Meta(description="Values of `passcode`", examples=[["account", "generate"]])
    ]


def parse_settings(body: SettingsBody | None) -> DomainSettings:
    if body is None:
        return NO_SETTINGS
    return DomainSettings(**{name: getattr(body, name) for name in SettingsBody.__struct_fields__})


def format_settings(settings: DomainSettings) -> Settings | None:
    """Return the settings that are set; None if there are none."""
    return Settings(**chosen(settings)) if settings != NO_SETTINGS else None


def format_possible_settings(possible: DomainPossibleSettings) -> PossibleSettings:
    return PossibleSettings(**{name: list(values) for name, values in msgspec.structs.asdict(possible).items()})
