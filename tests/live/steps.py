"""The steps that answer the questions, provider by provider, by calls that no error of the product stands before."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, quote, urlencode, urlsplit

from msgspec.structs import replace

from chalicelib.domain.meeting import MeetingRequest, Visit
from chalicelib.providers.base import KeyProvider
from chalicelib.providers.http_client import ProviderResponse
from tests.live.script import Script

REGISTER = {
    "zoom": "On marketplace.zoom.us open your General app (user-managed) with the six scopes of "
    "docs/providers.md. Enter {redirect} as redirect address and in the allow list. Leave its PKCE switch off.",
    "google_meet": "On console.cloud.google.com open your web client and enter {redirect} as redirect address.",
    "google_meet_spaces": "On console.cloud.google.com open your web client and enter {redirect} as redirect address.",
    "microsoft_teams": "In Entra open your app registration and enter {redirect} as a Web redirect address.",
    "webex": "On developer.webex.com open your integration and enter {redirect} as redirect address.",
    "daily": "On dashboard.daily.co, Developers, copy the API key.",
    "jitsi": "Use your own server (JITSI_SERVER, and JITSI_APP_ID and JITSI_APP_SECRET if it wants tokens), or set "
    "none of these.",
    "jaas": "On jaas.8x8.vc make an API key and give it as JAAS_APP_ID, JAAS_KEY_ID and JAAS_PRIVATE_KEY.",
}
"""What to click before the run."""
_ZONES = ("Europe/Berlin", "Asia/Manila", "America/Nuuk")
_ENTRY = ("in", "knock", "refused")


def zoom(script: Script) -> None:
    path = "/v2/users/me/meetings"
    with script.step("1. Who signed in?"):
        script.learn("zoom-pkce", "the sign-in works", sent=script.subject.oauth_provider().uses_pkce)
        me = script.call("GET", "/v2/users/me")
        body = me.object()
        script.learn("zoom-email", _yes_no("email" in body), status=me.status, account_type=body.get("type"))
    with script.step("2. Meetings in three time zones"):
        statuses = {}
        for zone in _ZONES:
            made = script.call("POST", path, json=_zoom_body(script) | {"timezone": zone})
            statuses[zone] = made.status
            _undo_zoom(script, made)
        script.learn("zoom-time-zones", "by zone", **statuses)
    with script.step("3. Until a new meeting is listed"):
        made = script.call("POST", path, json=_zoom_body(script))
        _undo_zoom(script, made)
        numbers = (made.object().get("settings") or {}).get("global_dial_in_numbers") or []
        script.learn("zoom-dial-in", _yes_no(bool(numbers)), numbers=len(numbers))
        _zoom_list(script, path, made.object()["id"])
    with script.step("4. Change it, and delete it twice"):
        own = f"/v2/meetings/{made.object()['id']}"
        changed = script.call("PATCH", own, json={"topic": "Changed"})
        deleted, again = script.call("DELETE", own), script.call("DELETE", own)
        statuses = {"change": changed.status, "deletion": deleted.status, "second_deletion": again.status}
        script.learn("zoom-delete", "as answered", **statuses, second_code=_code(again))
    with script.step("5. Add app"):
        back = script.read("Press Add app (or Add app now) in the Marketplace and paste the address that you get to")
        if back:
            query = parse_qs(urlsplit(back).query)
            parts = {name: name in query for name in ("code", "state", "error")}
            script.learn("zoom-add-app", "the address has", **parts)


def zoom_after(script: Script) -> None:
    with script.step("6. A refresh after the grant was revoked"):
        refused = _refresh(script)
        script.learn("zoom-revoked", "as answered", status=refused.status, code=_code(refused), reason=_reason(refused))
    with script.step("7. The app is removed"):
        what = "Add the app once more, remove it (Manage, Added apps). Was your deauthorization endpoint called?"
        script.look("zoom-deauthorization", what, "yes", "no")
    with script.step("8. An event of our own update"):
        what = (
            "If the app subscribes to meeting.updated: what has payload.object in the log of events after this run's "
            "update?"
        )
        script.look("zoom-events", what, "what changed", "everything", "no event")
    with script.step("9. The app's scopes change"):
        back = script.read(
            "Sign in once more at the address below, paste where you get to, then tick the events of "
            f"docs/providers.md, which adds scopes to the app, and wait a minute\n{script.subject.sign_in_address()}\n"
        )
        if back:
            script.subject.connect_again(back)
            script.read("Press Enter when the scopes are added")
            answer = _refresh(script)
            script.learn("zoom-scopes", "as answered", status=answer.status, code=_code(answer))
            script.subject.revoke(script.tokens)


def google_meet(script: Script) -> None:
    events = "/calendar/v3/calendars/primary/events"
    quietly = "conferenceDataVersion=1&sendUpdates=none"
    request = script.subject.request("open")
    own = f"{events}/{request.tag}"
    with script.step("1. The same event, twice"):
        conference = {"requestId": request.tag, "conferenceSolutionKey": {"type": "hangoutsMeet"}}
        body = _google_event(request) | {"id": request.tag, "conferenceData": {"createRequest": conference}}
        first = script.call("POST", f"{events}?{quietly}", json=body)
        script.undo_later(lambda: script.subject.provider.delete(script.tokens.access_token, request.tag))
        second = script.call("POST", f"{events}?{quietly}", json=body)
        script.learn("google-insert-twice", "as answered", first=first.status, second=second.status)
    with script.step("2. Who gets in?"):
        link = script.call("GET", own).object().get("hangoutLink")
        script.say(f"  Open this in a private window, without signing in, while you are not there: {link}")
        script.look("google-guest-alone", "What does the guest see?", *_ENTRY)
        script.look("google-guest", "Now open it as the host too. What does the guest see?", *_ENTRY)
    with script.step("3. After its deletion"):
        script.call("DELETE", f"{own}?sendUpdates=none")
        changed = script.call("PATCH", f"{own}?{quietly}", json=_google_event(request))
        found = script.call("GET", own)
        state = found.body.get("status") if isinstance(found.body, dict) else None
        facts = {"change": changed.status, "read": found.status, "state": state}
        script.learn("google-patch-deleted", "as answered", **facts)
        script.look("google-link-after-delete", "Open the link again in the private window. What happens?", *_ENTRY)


def google_after(script: Script) -> None:
    with script.step("4. The grant was revoked"):
        refused = _refresh(script)
        script.learn("google-revoke", _yes_no(refused.status == 400), status=refused.status, code=_code(refused))


def google_meet_spaces(script: Script) -> None:
    with script.step("1. A room without settings, and an open one"):
        plain = script.call("POST", "/v2/spaces", json={})
        script.learn("spaces-default", "as answered", status=plain.status, access=_config(plain, "accessType"))
        made = script.call("POST", "/v2/spaces", json={"config": {"accessType": "OPEN"}})
        script.learn("spaces-open", "as answered", status=made.status, access=_config(made, "accessType"))
        for space in (plain, made):
            name = str(space.object()["name"])
            script.undo_later(lambda name=name: script.subject.provider.delete(script.tokens.access_token, name))
    with script.step("2. Who gets in?"):
        script.say(f"  Open this in a private window, without signing in: {made.object().get('meetingUri')}")
        script.look("spaces-guest", "What does the guest see?", *_ENTRY)
    with script.step("3. The room is closed"):
        name = made.object()["name"]
        closed = {"accessType": "RESTRICTED", "entryPointAccess": "CREATOR_APP_ONLY"}
        mask = urlencode({"updateMask": "config.accessType,config.entryPointAccess"})
        answer = script.call("PATCH", f"/v2/{name}?{mask}", json={"config": closed})
        script.learn("spaces-close", "as answered", status=answer.status, entry=_config(answer, "entryPointAccess"))
        ended = script.call("POST", f"/v2/{name}:endActiveConference", json={})
        script.learn("spaces-end", "as answered", status=ended.status)


def microsoft_teams(script: Script) -> None:
    meetings = "/v1.0/me/onlineMeetings"
    own: Callable[[ProviderResponse], str] = lambda made: f"{meetings}/{quote(str(made.object()['id']), safe='')}"  # noqa: E731

    def make(tag: str, days: float, subject: str) -> ProviderResponse:
        request = script.subject.request(tag, days=days)
        body = {
            "externalId": request.tag,
            "subject": subject,
            "startDateTime": _instant(request.starts_at),
            "endDateTime": _instant(request.ends_at),
        }
        made = script.call("POST", f"{meetings}/createOrGet", json=body)
        if made.ok:
            script.undo_later(
                lambda: script.subject.provider.delete(script.tokens.access_token, str(made.object()["id"]))
            )
        return made

    with script.step("1. A subject beyond ASCII"):
        foreign = make("foreign", 7, "Gespräch")
        kept = foreign.object().get("subject") == "Gespräch" if foreign.ok else None
        script.learn("teams-subject", "as answered", status=foreign.status, subject_is_kept=kept)
    with script.step("2. The same meeting, at other times"):
        made, again = make("a", 7, "Talk"), make("a", 8, "Talk")
        same = made.object()["id"] == again.object()["id"]
        moved = made.object()["startDateTime"] != again.object()["startDateTime"]
        facts = {"first": made.status, "second": again.status, "same_meeting": same, "times_are_applied": moved}
        script.learn("teams-repeat", "as answered", **facts)
    with script.step("3. Who gets in?"):
        script.say(f"  Open this in a private window, without signing in: {made.object()['joinWebUrl']}")
        script.look("teams-lobby-default", "What does the guest see?", *_ENTRY)
        opened = script.call("PATCH", own(made), json={"lobbyBypassSettings": {"scope": "everyone"}})
        script.learn("teams-lobby-open", "as answered", status=opened.status)
        script.look("teams-lobby-open", "The lobby is open now. Again: what does the guest see?", *_ENTRY)
    with script.step("4. After its deletion"):
        script.call("DELETE", own(made))
        seen = script.look("teams-link-after-delete", "Open the link again. What does the guest see?", *_ENTRY)
        found, again = script.call("GET", own(made)), make("a", 7, "Talk")
        if not seen:
            script.learn("teams-link-after-delete", "nobody looked", read=found.status)
        same = again.ok and again.object()["id"] == made.object()["id"]
        facts = {"read": found.status, "create": again.status, "same_meeting": same}
        script.learn("teams-create-after-delete", "as answered", **facts)


def webex(script: Script) -> None:
    meetings = "/v1/meetings"
    script.learn("webex-pkce", "the sign-in works", sent=script.subject.oauth_provider().uses_pkce)
    with script.step("1. A meeting is found by its tag"):
        made = script.call("POST", meetings, json=_webex_body(script, "a"))
        own = f"{meetings}/{quote(str(made.object()['id']), safe='')}"
        script.undo_later(lambda: script.subject.provider.delete(script.tokens.access_token, str(made.object()["id"])))
        _webex_list(script, meetings)
    with script.step("2. A change, in two media types"):
        body = _webex_body(script, "a") | {"title": "Changed"}
        as_json = script.call("PATCH", own, json=body)
        as_patch = script.call("PATCH", own, json=body, content_type="application/json-patch+json")
        script.learn("webex-patch", "by media type", json=as_json.status, json_patch=as_patch.status)
    with script.step("3. Time zones"):
        statuses = {}
        for zone in _ZONES:
            statuses[zone] = script.call("PATCH", own, json=body | {"timezone": zone}).status
        script.learn("webex-time-zones", "by zone", **statuses)
    with script.step("4. Two refreshes"):
        first = script.tokens
        second = script.subject.refresh(first)
        changed = first.refresh_token != second.refresh_token
        old = _refresh(script, str(first.refresh_token))
        facts = {"token_changes": changed, "old_one": old.status, "code": _code(old)}
        script.learn("webex-refresh", "as answered", **facts)
        script.subject.refresh(second)
    with script.step("5. After its deletion"):
        deleted = script.call("DELETE", f"{own}?sendEmail=false")
        changed_late = script.call("PATCH", own, json=body)
        script.learn("webex-gone", "as answered", deletion=deleted.status, change=changed_late.status)


def daily(script: Script) -> None:
    delete = script.subject.provider.delete
    with script.step("1. The domain"):
        domain = script.call("GET", "/v1/")
        config = domain.object().get("config") or {}
        facts = {"status": domain.status, "max_api_rooms": config.get("max_api_rooms")}
        script.learn("daily-domain-id", _yes_no("domain_id" in domain.object()), **facts)
    with script.step("2. A name that is taken"):
        request = script.subject.request("taken")
        first = script.call("POST", "/v1/rooms", json=_room(request))
        script.undo_later(lambda: delete(script.tokens.access_token, request.tag))
        taken = script.call("POST", "/v1/rooms", json=_room(request))
        facts = {"first": first.status, "second": taken.status, "code": _code(taken)}
        script.learn("daily-taken", "as answered", **facts, words=_words(taken, request.tag))
    with script.step("3. As many rooms as the plan allows, sixty at most"):
        if script.read("Type yes to make up to sixty rooms and delete them again") == "yes":
            _fill(script)
    with script.step("4. A room that ends in a minute"):
        soon = replace(script.subject.request("soon"), ends_at=script.subject.provider.now())
        body = _room(soon)
        body["properties"]["exp"] = int(script.subject.provider.now().timestamp()) + 60
        script.call("POST", "/v1/rooms", json=body)
        script.undo_later(lambda: delete(script.tokens.access_token, soon.tag))
        script.pause(75)
        script.learn("daily-expired", "as answered", read=script.call("GET", f"/v1/rooms/{soon.tag}").status)


def jitsi(script: Script) -> None:
    with script.step("1. A guest alone"):
        script.say(f"  Open this in a private window, alone: {_door(script)}")
        script.look("jitsi-guest", "Is the guest a moderator (a star at their name, or Mute everyone)?", "yes", "no")


def jaas(script: Script) -> None:
    with script.step("1. A guest alone"):
        script.say(f"  Open this in a private window, alone: {_door(script)}")
        script.look("jaas-guest", "Is the guest a moderator?", "yes", "no")
    with script.step("2. An unknown key id"):
        script.say(f"  Open this in a private window: {_door(script, key_id='unknown')}")
        script.look("jaas-wrong-key", "What does the guest see?", "in", "refused")
    with script.step("3. What is counted"):
        script.say(f"  Open this as the host: {_door(script, is_host=True)}")
        count = script.read("How many users does the usage page at jaas.8x8.vc count more than before?")
        if count.isdigit():
            script.learn("jaas-users", "counted", users=int(count))


STEPS: dict[str, Callable[[Script], None]] = {
    "zoom": zoom,
    "google_meet": google_meet,
    "google_meet_spaces": google_meet_spaces,
    "microsoft_teams": microsoft_teams,
    "webex": webex,
    "daily": daily,
    "jitsi": jitsi,
    "jaas": jaas,
}
AFTER: dict[str, Callable[[Script], None]] = {"zoom": zoom_after, "google_meet": google_after}
"""Steps for when the grant is revoked."""


def _zoom_body(script: Script) -> dict[str, Any]:
    request = script.subject.request("open")
    return {
        "type": 2,
        "topic": "Live run",
        "agenda": f"{request.tag}\nLive run",
        "start_time": _instant(request.starts_at),
        "duration": 30,
        "timezone": "Europe/Berlin",
        "settings": {"use_pmi": False, "approval_type": 2},
    }


def _undo_zoom(script: Script, made: ProviderResponse) -> None:
    if made.ok:
        number = str(made.object()["id"])
        script.undo_later(lambda: script.subject.provider.delete(script.tokens.access_token, number))


def _zoom_list(script: Script, path: str, meeting_id: Any) -> None:
    for seconds in range(0, 62, 2):
        listed = script.call("GET", f"{path}?type=scheduled&page_size=300").object().get("meetings") or []
        shown = [meeting for meeting in listed if meeting.get("id") == meeting_id]
        if shown:
            script.learn("zoom-list", "listed", seconds=seconds, shows_agenda=bool(shown[0].get("agenda")))
            return
        script.pause(2)
    script.learn("zoom-list", "not listed within a minute")


def _google_event(request: MeetingRequest) -> dict[str, Any]:
    times = {"start": request.starts_at, "end": request.ends_at}
    return {"summary": "Live run"} | {name: {"dateTime": at.isoformat()} for name, at in times.items()}


def _config(answer: ProviderResponse, name: str) -> Any:
    config = answer.body.get("config") if isinstance(answer.body, dict) else None
    return config.get(name) if isinstance(config, dict) else None


def _webex_body(script: Script, tag: str) -> dict[str, Any]:
    request = script.subject.request(tag)
    times = {"start": _instant(request.starts_at), "end": _instant(request.ends_at)}
    return {
        "title": "Live run",
        "timezone": "Europe/Berlin",
        "sendEmail": False,
        "integrationTags": [request.tag],
    } | times


def _webex_list(script: Script, meetings: str) -> None:
    now = script.subject.provider.now()
    query = {
        "integrationTag": script.subject.request("a").tag,
        "meetingType": "meetingSeries",
        "current": "false",
        "from": _instant(now - timedelta(days=1)),
        "to": _instant(now + timedelta(days=3650)),
    }
    for seconds in (0, 2, 5, 10, 30):
        listed = script.call("GET", f"{meetings}?{urlencode(query)}")
        items = listed.body.get("items") if isinstance(listed.body, dict) else None
        if items or not listed.ok:
            shows = bool(items) and "integrationTags" in items[0]
            script.learn("webex-list", "as answered", status=listed.status, seconds=seconds, shows_tags=shows)
            return
        script.pause(seconds)
    script.learn("webex-list", "not found")


def _room(request: MeetingRequest) -> dict[str, Any]:
    end = int((request.ends_at + timedelta(hours=1)).timestamp())
    return {"name": request.tag, "privacy": "private", "properties": {"exp": end}}


def _fill(script: Script) -> None:
    for number in range(60):
        request = script.subject.request(f"room-{number}")
        made = script.call("POST", "/v1/rooms", json=_room(request))
        if not made.ok:
            words = _words(made, request.tag)
            script.learn("daily-rooms", "refused", made=number, status=made.status, code=_code(made), words=words)
            return
        tag = request.tag
        script.undo_later(lambda tag=tag: script.subject.provider.delete(script.tokens.access_token, tag))
        script.pause(0.2)
    script.learn("daily-rooms", "sixty rooms were not refused")


def _door(script: Script, *, is_host: bool = False, key_id: str = "") -> str:
    """The address that lets a visitor in for the next hour, or the room's own where the server asks for no token."""
    provider, token = script.subject.provider, script.tokens.access_token
    assert isinstance(provider, KeyProvider)
    if key_id:
        token = provider.read_key(script.subject.typed() | {"key_id": key_id})
    request, now = script.subject.request("door"), provider.now()
    made = provider.create(token, request)
    if made.join_url:
        return made.join_url
    visit = Visit(
        is_host, "live-host" if is_host else "live-guest", "Live run", "Live run", now, now + timedelta(hours=1)
    )
    return provider.create_join_link(token, made.id, visit)


def _refresh(script: Script, token: str = "") -> ProviderResponse:
    """What the token endpoint answers to a refresh, whatever that is."""
    provider, (client_id, secret) = script.subject.oauth_provider(), script.subject.credentials()
    form = {"grant_type": "refresh_token", "refresh_token": token or str(script.tokens.refresh_token)}
    basic = provider.oauth.basic_auth
    return provider.http.send(
        provider.name,
        "POST",
        provider.token_address + provider.oauth.token_path,
        form=form if basic else form | {"client_id": client_id, "client_secret": secret},
        auth=(client_id, secret) if basic else None,
    )


def _code(answer: ProviderResponse) -> str | None:
    body = answer.body if isinstance(answer.body, dict) else {}
    error = body.get("error") or body.get("code")
    error = error.get("status") or error.get("code") if isinstance(error, dict) else error
    return str(error) if error else None


def _reason(answer: ProviderResponse) -> str | None:
    body = answer.body if isinstance(answer.body, dict) else {}
    return str(body["reason"]) if body.get("reason") else None


def _words(answer: ProviderResponse, tag: str) -> str | None:
    """What Daily says, without the room's name."""
    body = answer.body if isinstance(answer.body, dict) else {}
    return str(body.get("info", "")).replace(tag, "X") or None


def _instant(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _yes_no(is_so: bool) -> str:
    return "yes" if is_so else "no"
