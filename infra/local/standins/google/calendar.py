"""The Calendar API as far as events go: insert, get, patch, delete (developers.google.com/workspace/calendar/api)."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from flask import Blueprint, request

from infra.local.standins.google import contract
from infra.local.standins.google.errors import calendar as refusal
from infra.local.standins.google.errors import scope_missing, unauthenticated
from infra.local.standins.google.world import Conference, Event, Google, Mail, Space
from infra.local.standins.oauth_rules import Person

_ID = re.compile(r"[a-v0-9]{5,1024}")


def routes(google: Google) -> Blueprint:
    """The API's paths."""
    api, pages = _Calendar(google), Blueprint("calendar", __name__)
    base = "/calendar/v3/calendars/<calendar_id>/events"
    pages.add_url_rule(base, "insert", api.insert, methods=["POST"])
    pages.add_url_rule(f"{base}/<event_id>", "get", api.get, methods=["GET"])
    pages.add_url_rule(f"{base}/<event_id>", "patch", api.patch, methods=["PATCH"])
    pages.add_url_rule(f"{base}/<event_id>", "delete", api.delete, methods=["DELETE"])
    return pages


class _Calendar:
    def __init__(self, google: Google) -> None:
        self._google = google

    def insert(self, calendar_id: str) -> dict[str, Any]:
        with self._google.lock:
            person, body = self._admit("calendar.events.insert", calendar_id), self._body("calendar.events.insert")
            event_id = body.pop("id", None) or self._google.text(26).lower()
            if not _ID.fullmatch(event_id):
                raise refusal(400, "invalid", "Invalid resource id value.")
            if (person.id, event_id) in self._google.events:
                raise refusal(409, "duplicate", "The requested identifier already exists.")
            now = self._google.clock().strftime("%Y-%m-%dT%H:%M:%S.000Z")
            event = Event(
                person.id,
                {
                    "kind": "calendar#event",
                    "id": event_id,
                    "status": "confirmed",
                    "created": now,
                    "creator": {"email": person.email, "self": True},
                    "organizer": {"email": person.email, "self": True},
                    "iCalUID": f"{event_id}@google.com",
                    "sequence": 0,
                    "eventType": "default",
                    "reminders": {"useDefault": True},
                },
            )
            self._write(event, body)
            self._google.events[person.id, event_id] = event
            return self._shown(event)

    def get(self, calendar_id: str, event_id: str) -> dict[str, Any]:
        with self._google.lock:
            event = self._event(self._admit("calendar.events.get", calendar_id), event_id)
            shown = self._shown(event)
            event.reads_left = max(0, event.reads_left - 1)
            return shown

    def patch(self, calendar_id: str, event_id: str) -> dict[str, Any]:
        with self._google.lock:
            event = self._event(self._admit("calendar.events.patch", calendar_id), event_id)
            body = self._body("calendar.events.patch")
            if not event.is_deleted:
                self._write(event, body)
                event.body["sequence"] += 1
            return self._shown(event)

    def delete(self, calendar_id: str, event_id: str) -> tuple[str, int]:
        with self._google.lock:
            event = self._event(self._admit("calendar.events.delete", calendar_id), event_id)
            if event.is_deleted:
                raise refusal(410, "deleted", "Resource has been deleted")
            event.body["status"] = "cancelled"
            self._mail(event)
            return "", 204

    def _admit(self, method_id: str, calendar_id: str) -> Person:
        token = self._google.identity.bearer()
        if token is None:
            raise unauthenticated()
        if not contract.scopes(method_id) & set(token.scopes):
            raise scope_missing()
        if not self._google.queries.takes(token.person.id, self._google.clock()):
            raise refusal(403, "rateLimitExceeded", "Rate Limit Exceeded", domain="usageLimits")
        problems = contract.query_errors(method_id, request.args)
        if problems:
            raise refusal(400, "invalidParameter", f"Invalid parameters: {problems}", locationType="parameter")
        if calendar_id not in ("primary", token.person.email):
            raise refusal(404, "notFound", "Not Found")
        return token.person

    def _body(self, method_id: str) -> dict[str, Any]:
        body = request.get_json(silent=True)
        if not isinstance(body, dict):
            raise refusal(400, "parseError", "Parse Error")
        problems = contract.request_errors(method_id, {key: value for key, value in body.items() if value is not None})
        if problems:
            raise refusal(400, "invalid", f"Invalid body: {problems}")
        return body

    def _event(self, person: Person, event_id: str) -> Event:
        event = self._google.events.get((person.id, event_id))
        if event is None:
            raise refusal(404, "notFound", "Not Found")
        return event

    def _write(self, event: Event, changes: dict[str, Any]) -> None:
        """Merge; null takes a field away. Nothing is kept of a request that is refused."""
        changes = dict(changes)
        has_conference_data = "conferenceData" in changes
        conference_data = changes.pop("conferenceData", None)
        body = {key: value for key, value in (event.body | changes).items() if value is not None}
        if _moment(body["end"]) < _moment(body["start"]):
            raise refusal(400, "timeRangeEmpty", "The specified time range is empty.")
        if has_conference_data and request.args.get("conferenceDataVersion", "0") == "1":
            self._confer(event, conference_data)
        event.body = body
        self._mail(event)

    def _confer(self, event: Event, conference_data: dict[str, Any] | None) -> None:
        wish = (conference_data or {}).get("createRequest")
        if conference_data is None or wish is None:
            event.conference = None
            return
        google, known = self._google, (event.conference or {}).get("conferenceData", {}).get("createRequest", {})
        if known and wish.get("requestId") == known.get("requestId"):
            return
        if google.conference is Conference.REFUSED or wish["conferenceSolutionKey"]["type"] != "hangoutsMeet":
            raise refusal(400, "invalid", "Invalid conference type value.")
        if google.conference is Conference.LEFT_OUT:
            return
        event.reads_left = google.pending_reads
        if google.conference is Conference.FAILS:
            event.conference = {"conferenceData": {"createRequest": wish | {"status": {"statusCode": "failure"}}}}
            return
        event.conference = _conference(google.new_space(event.owner, is_calendars=True), wish)

    def _shown(self, event: Event) -> dict[str, Any]:
        shown = event.body | {"etag": f'"{event.body["sequence"]}"'}
        if event.conference is None:
            return shown
        if event.reads_left:
            wish = event.conference["conferenceData"]["createRequest"] | {"status": {"statusCode": "pending"}}
            return shown | {"conferenceData": {"createRequest": wish}}
        return shown | event.conference

    def _mail(self, event: Event) -> None:
        to = tuple(guest["email"] for guest in event.body.get("attendees", []))
        if to and request.args.get("sendUpdates") != "none":
            self._google.mails.append(Mail(event.body["id"], to))


def _conference(space: Space, wish: dict[str, Any]) -> dict[str, Any]:
    code, link, pin = space.body["meetingCode"], space.body["meetingUri"], space.body["phoneAccess"][0]["pin"]
    more = {"entryPointType": "more", "uri": f"https://tel.meet/{code}?pin={pin}", "pin": pin}
    phone = {"entryPointType": "phone", "uri": "tel:+1-202-555-0100", "label": "+1 202-555-0100", "pin": pin}
    return {
        "hangoutLink": link,
        "conferenceData": {
            "createRequest": wish | {"status": {"statusCode": "success"}},
            "entryPoints": [
                {"entryPointType": "video", "uri": link, "label": link.partition("://")[2]},
                more,
                phone | {"regionCode": "US"},
            ],
            "conferenceSolution": {"key": {"type": "hangoutsMeet"}, "name": "Google Meet"},
            "conferenceId": code,
        },
    }


def _moment(at: dict[str, Any]) -> datetime:
    try:
        moment = datetime.fromisoformat(at["dateTime"])
    except (KeyError, ValueError) as error:
        raise refusal(400, "required", "Missing or malformed time.") from error
    if moment.tzinfo is None:
        raise refusal(400, "required", "Missing time zone definition.")
    return moment
