"""The stand-in's HTTP face: Entra's pages and token endpoint, Graph below /v1.0, and /_admin for scripts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any

from flask import Blueprint, Flask, redirect, request
from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response

from infra.local.standins.base import Clock
from infra.local.standins.faults import ADMIN_PREFIX, install_faults
from infra.local.standins.identity import Identity
from infra.local.standins.microsoft import metadata
from infra.local.standins.microsoft.world import MAY_MEET, PREFIX, RULES, GraphError, Meeting, Microsoft
from infra.local.standins.oauth_rules import OAuthRefusal, Person


def create_app(microsoft: Microsoft) -> Flask:
    """Give a stand-in its HTTP face: Entra's pages and token endpoint, Graph below /v1.0, and /_admin for scripts."""
    app = Flask(__name__)
    app.register_blueprint(_graph_routes(_Graph(microsoft)))
    app.register_blueprint(_consent_routes(_AdminConsent(microsoft.identity)))
    app.get(f"{ADMIN_PREFIX}/meetings")(lambda: {"meetings": [vars(meeting) for meeting in microsoft.meetings]})
    app.register_error_handler(GraphError, partial(_refusal, microsoft.clock))
    microsoft.identity.install(app)
    install_faults(app, microsoft.faults)
    return app


def _graph_routes(graph: _Graph) -> Blueprint:
    routes = Blueprint("graph", __name__, url_prefix="/v1.0/me")
    routes.get("")(graph.me)
    routes.post("/onlineMeetings/createOrGet")(graph.create_or_get)
    routes.get("/onlineMeetings/<meeting_id>")(graph.get)
    routes.patch("/onlineMeetings/<meeting_id>")(graph.patch)
    routes.delete("/onlineMeetings/<meeting_id>")(graph.delete)
    return routes


def _consent_routes(consent: _AdminConsent) -> Blueprint:
    routes = Blueprint("consent", __name__, url_prefix="/organizations/v2.0")
    routes.get("/adminconsent")(consent.ask)
    routes.post("/adminconsent")(consent.decide)
    return routes


class _Graph:
    """The part of Microsoft Graph that the product uses."""

    def __init__(self, microsoft: Microsoft) -> None:
        self._microsoft = microsoft

    def me(self) -> dict[str, Any]:
        person = self._person(PREFIX + "User.Read")
        return {"id": person.id, "displayName": person.name, "mail": None, "userPrincipalName": person.email}

    def create_or_get(self) -> tuple[dict[str, Any], int]:
        with self._microsoft.lock:
            host, body = self._host(), _checked(metadata.parameters("createOrGet"))
            meeting, is_new = self._microsoft.create_or_get(host, body)
            return self._body(meeting), 201 if is_new else 200

    def get(self, meeting_id: str) -> dict[str, Any]:
        with self._microsoft.lock:
            return self._body(self._own_meeting(meeting_id))

    def patch(self, meeting_id: str) -> dict[str, Any]:
        with self._microsoft.lock:
            meeting = self._own_meeting(meeting_id)
            self._microsoft.change(meeting, _checked(metadata.properties("onlineMeeting")))
            return self._body(meeting)

    def delete(self, meeting_id: str) -> tuple[str, int]:
        with self._microsoft.lock:
            self._microsoft.delete_by_hand(self._own_meeting(meeting_id).id)
        return "", 204

    def _person(self, scope: str) -> Person:
        token = self._microsoft.identity.bearer()
        if token is None:
            raise GraphError(401, "InvalidAuthenticationToken", "Access token has expired or is not yet valid.")
        if scope not in token.scopes:
            raise GraphError(403, "Forbidden", "")
        return token.person

    def _host(self) -> Person:
        person = self._person(MAY_MEET)
        if person.id in self._microsoft.unlicensed:
            raise GraphError(403, "Forbidden", "")
        return person

    def _own_meeting(self, meeting_id: str) -> Meeting:
        host, meeting = self._host(), self._microsoft.held.get(meeting_id)
        if meeting is None or meeting.user_id != host.id:
            raise GraphError(404, "NotFound", "3004: Meeting not found.")
        return meeting

    def _body(self, meeting: Meeting) -> dict[str, Any]:
        return _answer(meeting, has_audio=meeting.user_id not in self._microsoft.without_audio)


class _AdminConsent:
    """Entra's page on which an administrator consents for the whole organization."""

    def __init__(self, identity: Identity) -> None:
        self._identity = identity

    def ask(self) -> str:
        return self._identity.consent_page(self._scopes(request.args))

    def decide(self) -> Response:
        self._scopes(request.args)
        address = f"{request.args['redirect_uri']}?admin_consent=True"
        if request.form.get("decision") != "allow":
            return redirect(f"{address}&error=consent_required&error_description=AADSTS65004")
        people = self._identity.people
        for email, person in people.items():
            people[email] = replace(person, blocked=None, blocked_description="")
        return redirect(f"{address}&tenant=00000000-0000-0000-0000-00000000000a")

    def _scopes(self, args: MultiDict[str, str]) -> tuple[str, ...]:
        identity, scopes = self._identity, args.get("scope", "").split()
        is_known = args.get("client_id") == identity.client_id and args.get("redirect_uri") in identity.redirect_uris
        if not is_known or not scopes or set(scopes) - set(RULES.scopes):
            raise OAuthRefusal("invalid_request", "unknown client_id, redirect_uri or scope")
        return tuple(scopes)


def _refusal(clock: Clock, error: GraphError) -> tuple[dict[str, Any], int, dict[str, str]]:
    inner = {"date": _instant(clock()), "request-id": "request-1", "client-request-id": "request-1"}
    body = {"code": error.code, "message": error.message, "innerError": inner}
    return {"error": body}, error.status, {"request-id": "request-1"}


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
        "recordAutomatically": meeting.records,
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
