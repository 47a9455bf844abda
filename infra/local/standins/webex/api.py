"""The stand-in's HTTP face: Webex's consent page, token endpoint, API below /v1, and /_admin for scripts."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from flask import Flask, jsonify, request
from flask.wrappers import Response

from infra.local.standins.faults import ADMIN_PREFIX, install_faults
from infra.local.standins.oauth_rules import Person
from infra.local.standins.webex import contract
from infra.local.standins.webex.world import PEOPLE, READ, WRITE, Mail, Meeting, Webex, WebexError, moment, refused

_LISTED_BY_DEFAULT = timedelta(days=7)


def create_app(webex: Webex) -> Flask:
    """Give a stand-in its HTTP face: Webex's consent page, token endpoint, API below /v1, and /_admin for scripts."""
    app, api = Flask(__name__), _Api(webex)
    app.get("/v1/people/me")(api.me)
    app.post("/v1/meetings")(api.create)
    app.get("/v1/meetings")(api.list_meetings)
    app.get("/v1/meetings/<meeting_id>")(api.get)
    app.patch("/v1/meetings/<meeting_id>")(api.patch)
    app.delete("/v1/meetings/<meeting_id>")(api.delete)
    app.get("/v1/meetingInvitees")(api.list_invitees)
    app.post("/v1/meetingInvitees")(api.invite)
    app.delete("/v1/meetingInvitees/<invitee_id>")(api.remove_invitee)
    app.get(f"{ADMIN_PREFIX}/meetings")(api.list_everything)
    app.register_error_handler(WebexError, _refusal)
    webex.identity.install(app)
    install_faults(app, webex.faults)
    return app


class _Api:
    """The part of Webex's API that the product uses."""

    def __init__(self, webex: Webex) -> None:
        self._webex = webex

    def me(self) -> dict[str, Any]:
        person = self._person(PEOPLE)
        return {"id": person.id, "emails": [person.email], "displayName": person.name, "orgId": "organization-1"}

    def create(self) -> dict[str, Any]:
        with self._webex.lock:
            host = self._person(WRITE)
            self._webex.count(host)
            return _series(self._webex.create(host, _checked("post", "/meetings")))

    def list_meetings(self) -> Response:
        host = self._person(READ)
        with self._webex.lock:
            own = [meeting for meeting in self._webex.held.values() if meeting.host.id == host.id]
            return _page(own, self._webex.clock())

    def get(self, meeting_id: str) -> dict[str, Any]:
        with self._webex.lock:
            return _series(self._own_meeting(meeting_id, READ))

    def patch(self, meeting_id: str) -> dict[str, Any]:
        if request.mimetype not in self._webex.patch_types:
            raise WebexError(self._webex.refuses_type_with, "Unsupported Media Type")
        with self._webex.lock:
            meeting = self._own_meeting(meeting_id, WRITE)
            self._webex.change(meeting, _checked("patch", "/meetings/{meetingId}"))
            return _listed(meeting, "meetingSeries")

    def delete(self, meeting_id: str) -> tuple[str, int]:
        _refuse_unknown({"sendEmail"})
        with self._webex.lock:
            meeting = self._own_meeting(meeting_id, WRITE)
            self._webex.delete(meeting, mails=request.args.get("sendEmail", "true") != "false")
        return "", 204

    def list_invitees(self) -> dict[str, Any]:
        _refuse_unknown({"meetingId", "max"})
        with self._webex.lock:
            meeting = self._own_meeting(request.args.get("meetingId", ""), READ)
            return {"items": list(meeting.invitees.values())}

    def invite(self) -> dict[str, Any]:
        body: Any = request.get_json(silent=True)
        unknown = set(body) - {"meetingId", "email", "displayName", "coHost", "panelist", "sendEmail"}
        if unknown or not body.get("email"):
            raise WebexError(400, f"email is missing, or unknown fields: {sorted(unknown)}")
        with self._webex.lock:
            return self._webex.invite(self._own_meeting(body.get("meetingId", ""), WRITE), body)

    def remove_invitee(self, invitee_id: str) -> tuple[str, int]:
        _refuse_unknown({"sendEmail"})
        with self._webex.lock:
            host = self._person(WRITE)
            for meeting in self._webex.held.values():
                if meeting.host.id == host.id and invitee_id in meeting.invitees:
                    email = meeting.invitees.pop(invitee_id)["email"]
                    if request.args.get("sendEmail", "true") != "false":
                        self._webex.mails.append(Mail("uninvited", email))
                    return "", 204
        raise WebexError(404, "The requested resource could not be found.")

    def list_everything(self) -> dict[str, Any]:
        """List the meetings of every host and the emails that Webex sent."""
        webex = self._webex
        return {"meetings": [vars(held) for held in webex.meetings], "mails": [vars(mail) for mail in webex.mails]}

    def _person(self, scope: str) -> Person:
        token = self._webex.identity.bearer()
        if token is None:
            raise WebexError(401, "The request requires a valid access token set in the Authorization request header.")
        if scope not in token.scopes:
            message = "the access token is missing required scopes or the user is missing required roles or licenses."
            raise WebexError(403, f"The server understood the request, but refused to fulfill it because {message}")
        return token.person

    def _own_meeting(self, meeting_id: str, scope: str) -> Meeting:
        host, meeting = self._person(scope), self._webex.held.get(meeting_id)
        if meeting is None or meeting.host.id != host.id:
            raise WebexError(404, "The requested resource could not be found.")
        return meeting


def _refusal(error: WebexError) -> tuple[dict[str, Any], int, dict[str, str]]:
    headers = {"trackingId": "ROUTER_1"} | ({"Retry-After": str(error.retry_after)} if error.retry_after else {})
    return refused(error.message), error.status, headers


def _page(meetings: list[Meeting], now: datetime) -> Response:
    _refuse_unknown({"integrationTag", "meetingType", "current", "from", "to", "max", "offset"})
    query = request.args
    since = moment(query["from"]) if "from" in query else now
    until = moment(query["to"]) if "to" in query else since + _LISTED_BY_DEFAULT
    kind, tag = query.get("meetingType", "meetingSeries"), query.get("integrationTag")
    if kind not in ("meetingSeries", "scheduledMeeting") or until < since:
        raise WebexError(400, "The stand-in lists series and scheduled meetings only, from before to.")
    matches = [m for m in meetings if m.starts_at < until and m.ends_at > since and (tag is None or tag in m.tags)]
    offset, most = int(query.get("offset", 0)), min(int(query.get("max", 10)), 100)
    answer = jsonify({"items": [_listed(m, kind) for m in matches[offset : offset + most]]})
    if offset + most < len(matches):
        more = urlencode(query.to_dict() | {"offset": str(offset + most)})
        answer.headers["Link"] = f'<{request.base_url}?{more}>; rel="next"'
    return answer


def _checked(method: str, path: str) -> dict[str, Any]:
    body: Any = request.get_json(silent=True, force=True)
    wrong = contract.request_errors(method, path, body)
    if wrong:
        raise WebexError(400, "; ".join(wrong))
    return dict(body)


def _refuse_unknown(names: set[str]) -> None:
    """Real Webex ignores what it does not know; a misspelt filter would then list everything."""
    if set(request.args) - names:
        raise WebexError(400, f"The stand-in does not know {sorted(set(request.args) - names)}")


def _series(meeting: Meeting) -> dict[str, Any]:
    number = {"label": "Call-in toll number (US/Canada)", "callInNumber": "+1-415-555-0132", "tollType": "toll"}
    return {
        "id": meeting.id,
        "meetingNumber": meeting.number,
        "title": meeting.title,
        "agenda": meeting.agenda,
        "password": meeting.password,
        "phoneAndVideoSystemPassword": "12345678",
        "meetingType": "meetingSeries",
        "state": "active",
        "timezone": meeting.time_zone,
        "start": _instant(meeting.starts_at),
        "end": _instant(meeting.ends_at),
        "hostUserId": meeting.host.id,
        "hostDisplayName": meeting.host.name,
        "hostEmail": meeting.host.email,
        "hostKey": meeting.host_key,
        "siteUrl": "example.webex.com",
        "webLink": meeting.link,
        "sipAddress": f"{meeting.number}@example.webex.com",
        "scheduledType": "meeting",
        "enabledBreakoutSessions": False,
        **meeting.options,
        "telephony": {"accessCode": meeting.number, "callInNumbers": [number], "links": []},
        "integrationTags": list(meeting.tags),
    }


def _listed(meeting: Meeting, kind: str) -> dict[str, Any]:
    """Scheduled meetings have an id of their own: it is not the one that `create` answered with."""
    series = _series(meeting) | {"meetingSeriesId": meeting.id, "meetingType": kind}
    if kind == "meetingSeries":
        return series
    return series | {"id": f"{meeting.id}_{meeting.starts_at:%Y%m%dT%H%M%SZ}", "state": "scheduled"}


def _instant(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
