"""What the tests of Google's providers share: a stand-in with one host, and how the contract sees it."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Any

from chalicelib.domain.meeting import ProviderMeeting
from infra.local.standins.faults import Faults
from infra.local.standins.google import ORIGINS, Door, Google, create_app
from infra.local.standins.oauth_rules import Person
from tests.contract.kit.subject import CREDENTIALS, EMAIL, PASSWORD, REDIRECT, Refreshing, Says, Subject

HOST = Person("100000000000000000001", EMAIL, PASSWORD, "Demo Host")


def calendar_error(status: int, reason: str, message: str = "…") -> Says:
    """An error in Calendar's form."""
    item = {"domain": "global", "reason": reason, "message": message}
    return Says(status, {"error": {"code": status, "message": message, "errors": [item]}})


def rpc_error(status: int, name: str, message: str = "…", *, reason: str | None = None) -> Says:
    """An error in the form of google.rpc.Status."""
    details = {"details": [{"reason": reason, "domain": "googleapis.com"}]} if reason else {}
    return Says(status, {"error": {"code": status, "message": message, "status": name} | details})


def room_has_setting(google: Google, link: str, name: str, value: Any) -> bool:
    """Whether the room behind the link has a setting, by the product's name."""
    (config,) = (space.body["config"] for space in google.spaces.values() if space.body["meetingUri"] == link)
    artifacts = config["artifactConfig"]
    return {
        "waiting_room": (config["accessType"] == "RESTRICTED") == value,
        "recording": artifacts["recordingConfig"]["autoRecordingGeneration"] == ("ON" if value == "cloud" else "OFF"),
        "summary": artifacts["smartNotesConfig"]["autoSmartNotesGeneration"] == ("ON" if value else "OFF"),
    }[name]


class GoogleSubject(Subject):
    """What the contract says of both of Google's providers."""

    refreshing = Refreshing.STATIC
    token_rejected = rpc_error(401, "UNAUTHENTICATED")
    scope_missing = rpc_error(403, "PERMISSION_DENIED", reason="ACCESS_TOKEN_SCOPE_INSUFFICIENT")

    def origins(self) -> Mapping[str, Any]:
        self.google = Google(
            client_id=CREDENTIALS[0],
            client_secret=CREDENTIALS[1],
            redirect_uris=[REDIRECT],
            accounts=[HOST],
            clock=self.clock,
            random=Random(1),
        )
        return dict.fromkeys(ORIGINS, create_app(self.google))

    @property
    def faults(self) -> Faults:
        return self.google.faults

    def lets_guest_in(self, made: ProviderMeeting) -> bool:
        return self.google.open_link(str(made.join_url)) is Door.ENTERS

    def secrets(self) -> list[str]:
        return []  # Google returns no host link.

    def end_access_tokens(self) -> None:
        self.clock.advance(3700)

    def end_grant(self) -> None:
        self.google.identity.end_grant(HOST.id)
