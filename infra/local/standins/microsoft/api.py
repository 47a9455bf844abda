"""The stand-in's HTTP face: Entra's pages and token endpoint, Graph below /v1.0, and /_admin for scripts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from flask import Flask, redirect, request
from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response

from infra.local.standins.faults import ADMIN_PREFIX, install_faults
from infra.local.standins.microsoft import metadata
from infra.local.standins.microsoft.world import MAY_MEET, PREFIX, RULES, GraphError, Meeting, Microsoft
from infra.local.standins.oauth_rules import OAuthRefusal, Person


def create_app(microsoft: Microsoft) -> Flask:
    """Give a stand-in its HTTP face: Entra's pages and token endpoint, Graph below /v1.0, and /_admin for scripts."""
    app = Flask(__name__)
    identity = microsoft.identity

    def person(scope: str) -> Person:
        token = identity.bearer()
        if token is None:
            raise GraphError(401, "InvalidAuthenticationToken", "Access token has expired or is not yet valid.")
        if scope not in token.scopes:
            raise GraphError(403, "Forbidden", "")
        return token.person

    def host() -> Person:
        who = person(MAY_MEET)
        if who.id in microsoft.unlicensed:
            raise GraphError(403, "Forbidden", "")
        return who

    def own(meeting_id: str) -> Meeting:
        meeting = microsoft.held.get(meeting_id)
        if host().id != (meeting and meeting.user_id) or meeting is None:
            raise GraphError(404, "NotFound", "3004: Meeting not found.")
        return meeting

    def shown(meeting: Meeting) -> dict[str, Any]:
        return _answer(meeting, has_audio=meeting.user_id not in microsoft.without_audio)

    @app.get("/v1.0/me")
    def me() -> dict[str, Any]:
        who = person(PREFIX + "User.Read")
        return {"id": who.id, "displayName": who.name, "mail": None, "userPrincipalName": who.email}

    @app.post("/v1.0/me/onlineMeetings/createOrGet")
    def create_or_get() -> tuple[dict[str, Any], int]:
        with microsoft.lock:
            meeting, is_new = microsoft.create_or_get(host(), _checked(metadata.parameters("createOrGet")))
            return shown(meeting), 201 if is_new else 200

    @app.get("/v1.0/me/onlineMeetings/<meeting_id>")
    def get(meeting_id: str) -> dict[str, Any]:
        with microsoft.lock:
            return shown(own(meeting_id))

    @app.patch("/v1.0/me/onlineMeetings/<meeting_id>")
    def patch(meeting_id: str) -> dict[str, Any]:
        with microsoft.lock:
            meeting = own(meeting_id)
            microsoft.change(meeting, _checked(metadata.properties("onlineMeeting")))
            return shown(meeting)

    @app.delete("/v1.0/me/onlineMeetings/<meeting_id>")
    def delete(meeting_id: str) -> tuple[str, int]:
        with microsoft.lock:
            microsoft.delete_by_hand(own(meeting_id).id)
        return "", 204

    def consented(args: MultiDict[str, str]) -> tuple[str, ...]:
        scopes = args.get("scope", "").split()
        is_known = args.get("client_id") == identity.client_id and args.get("redirect_uri") in identity.redirect_uris
        if not is_known or not scopes or set(scopes) - set(RULES.scopes):
            raise OAuthRefusal("invalid_request", "unknown client_id, redirect_uri or scope")
        return tuple(scopes)

    @app.get("/organizations/v2.0/adminconsent")
    def ask_administrator() -> str:
        return identity.consent_page(consented(request.args))

    @app.post("/organizations/v2.0/adminconsent")
    def administrator_decides() -> Response:
        consented(request.args)
        address = f"{request.args['redirect_uri']}?admin_consent=True"
        if request.form.get("decision") != "allow":
            return redirect(f"{address}&error=consent_required&error_description=AADSTS65004")
        for email, who in identity.people.items():
            identity.people[email] = replace(who, blocked=None, blocked_description="")
        return redirect(f"{address}&tenant=00000000-0000-0000-0000-00000000000a")

    @app.get(f"{ADMIN_PREFIX}/meetings")
    def meetings() -> dict[str, Any]:
        return {"meetings": [vars(held) for held in microsoft.meetings]}

    @app.errorhandler(GraphError)
    def refused(no: GraphError) -> tuple[dict[str, Any], int, dict[str, str]]:
        inner = {"date": _instant(microsoft.clock()), "request-id": "request-1", "client-request-id": "request-1"}
        error = {"code": no.code, "message": no.message, "innerError": inner}
        return {"error": error}, no.status, {"request-id": "request-1"}

    identity.install(app)
    install_faults(app, microsoft.faults)
    return app


def _instant(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S") + f".{moment.microsecond:06d}0Z"  # seven digits, as .NET has them


def _answer(meeting: Meeting, *, has_audio: bool) -> dict[str, Any]:
    return {
        "@odata.context": f"{PREFIX}v1.0/$metadata#users('{meeting.user_id}')/onlineMeetings/$entity",
        "id": meeting.id,
        "externalId": meeting.external_id,
        "subject": meeting.subject,
        "startDateTime": _instant(meeting.starts_at),
        "endDateTime": _instant(meeting.ends_at),
        "creationDateTime": _instant(meeting.created_at),
        "joinWebUrl": meeting.link,
        "meetingOptionsWebUrl": f"https://teams.microsoft.com/meetingOptions/?organizerId={meeting.user_id}",
        "isBroadcast": False,
        "lobbyBypassSettings": {"scope": meeting.lobby, "isDialInBypassEnabled": meeting.dial_in_bypasses},
        "joinMeetingIdSettings": {
            "isPasscodeRequired": True,
            "joinMeetingId": meeting.digits,
            "passcode": meeting.passcode,
        },
        "audioConferencing": _audio(meeting) if has_audio else None,
    }


def _audio(meeting: Meeting) -> dict[str, Any]:
    number = "+1 323 555 0166"
    return {
        "conferenceId": meeting.digits,
        "tollNumber": number,
        "tollNumbers": [number],
        "tollFreeNumber": None,
        "tollFreeNumbers": [],
        "dialinUrl": f"https://dialin.teams.microsoft.com/?id={meeting.digits}",
    }


def _checked(known: Mapping[str, Any]) -> dict[str, Any]:
    body: Any = request.get_json(silent=True)
    if not isinstance(body, dict):
        raise GraphError(400, "BadRequest", "the body is no object")
    wrong = metadata.errors(known, body)
    if wrong:
        raise GraphError(400, "BadRequest", "; ".join(wrong))
    return body
