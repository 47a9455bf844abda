"""Zoom passes the providers' contract, at its stand-in."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from random import Random
from typing import Any

import httpx

from chalicelib.providers.zoom import Zoom
from infra.local.standins.kit import Faults, Held
from infra.local.standins.zoom import Account, create_app
from infra.local.standins.zoom import Zoom as StandIn
from infra.local.standins.zoom.bodies import join_url
from infra.local.standins.zoom.visitor import answer_consent
from tests.contract.kit.contract import ProviderContract
from tests.contract.kit.subject import CREDENTIALS, EMAIL, PASSWORD, REDIRECT, Refreshing, Says, Subject


class ZoomSubject(Subject):
    kind = Zoom
    refreshing = Refreshing.SINGLE_USE
    create_path = r"/users/me/meetings$"
    token_rejected = Says(401, {"code": 124, "message": "Invalid access token."})
    scope_missing = Says(400, {"code": 4711, "message": "Invalid access token, does not contain scopes:[x]."})
    refused = Says(400, {"code": 3161, "message": "Not allowed to host."})
    lacks = {
        "an_unticked_permission_is_noticed": "scopes belong to the app",
        "a_wrong_key_is_refused": "has no key",
        "repeating_a_create_answers_with_the_same_meeting": "no idempotent create; found by tag instead",
        "a_create_after_a_deletion_by_hand_does_not_hand_out_the_dead_link": "no idempotent create",
        "the_end_of_a_refresh_token_is_known": "not told",
        "a_visitor_is_let_in_by_a_link_of_the_moment": "has links of its own",
    }

    def origins(self) -> Mapping[str, Any]:
        self.zoom = StandIn(
            client_id=CREDENTIALS[0],
            client_secret=CREDENTIALS[1],
            webhook_secret="webhook-secret-1",
            redirect_uris=[REDIRECT],
            accounts=[Account("user-1", "account-1", EMAIL, PASSWORD, "Demo Host")],
            clock=self.clock,
            random=Random(1),
        )
        app = create_app(self.zoom)
        return {"https://zoom.us": app, "https://api.zoom.us": app}

    @property
    def faults(self) -> Faults:
        return self.zoom.faults

    def held(self) -> list[Held]:
        return [
            Held(
                str(m.id),
                m.topic,
                m.start_time,
                m.start_time + timedelta(minutes=m.duration),
                join_url(m, self.zoom.web_url),
            )
            for m in self.zoom.meetings.values()
        ]

    def delete_by_hand(self, meeting_id: str) -> None:
        del self.zoom.held.by_id[int(meeting_id)]

    def secrets(self) -> list[str]:
        return ["zak=", "start_url"]

    def end_access_tokens(self) -> None:
        self.clock.advance(3700)

    def end_grant(self) -> None:
        self.zoom.grants.end("user-1")

    def back_from_sign_in(self, *, allow: bool = True, untick: str = "") -> str:
        with httpx.Client(transport=self.network) as browser:
            decision = "allow" if allow else "deny"
            return answer_consent(browser, self.authorization_url(), EMAIL, PASSWORD, decision)


class TestZoom(ProviderContract):
    subject_kind = ZoomSubject
