"""Microsoft Teams through Microsoft Graph's online meetings (learn.microsoft.com/graph/api/resources/onlinemeeting).

The meeting stands in nobody's calendar: it is a link, and Graph mails nothing about it.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from msgspec.structs import replace

from chalicelib.domain.connection import Account
from chalicelib.domain.guest_experience import GuestEntry, GuestExperience, Moderator
from chalicelib.domain.meeting import MeetingRequest, ProviderMeeting
from chalicelib.domain.meeting_plan import CreateSemantics
from chalicelib.errors import (
    Ambiguous,
    FailedCall,
    MeetingGone,
    ProviderError,
    ProviderUnavailable,
    Rejected,
    TokenRejected,
)
from chalicelib.observability import log
from chalicelib.providers.base import OAuth, OAuthProvider
from chalicelib.providers.http_client import ProviderResponse
from chalicelib.providers.parsing import Phone, parse_meeting, parse_text

_MEETINGS = "/v1.0/me/onlineMeetings"
_SUBJECT_LIMIT = 250
_UNNAMED = "Meeting"
# Work and school accounts have a GUID; a personal one has 16 digits, or a GUID that begins with zeros.
_WORK_ID = re.compile(r"(?!0{8}-0{4}-0{4}-)[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)
_PERSONAL = (
    "Teams meetings need a work or school account. This is a personal Microsoft account: sign in with another one."
)
# Until this is sent, the organization's default applies: people from outside wait in the lobby.
_OPEN_LOBBY = {"lobbyBypassSettings": {"scope": "everyone", "isDialInBypassEnabled": True}}
# A deleted meeting's link still works, and opening it restores the meeting
# (github.com/microsoftgraph/microsoft-graph-docs/issues/7802 and 17590): only its lobby keeps people out.
_CLOSED_LOBBY = {"lobbyBypassSettings": {"scope": "organizer", "isDialInBypassEnabled": False}}
_LONGEST_MEETING_MINUTES = 30 * 60
_LOBBY_ADVICE = (
    "Your organization's Teams policy keeps guests in the lobby. Your Microsoft 365 administrator can change it in the "
    "Teams admin center under Meetings, Meeting policies: “Anonymous users can join a meeting” and “Who can bypass the "
    "lobby”."
)
_ADVICE = {
    403: "Microsoft does not let this account make Teams meetings. It needs a Teams licence and a policy that allows "
    "scheduling them: ask your Microsoft 365 administrator.",
}
_OTHER_ADVICE = "Microsoft Teams does not accept the meeting's details. Check the booking's title and times."


class MicrosoftTeams(OAuthProvider):
    """One work or school account's meetings.

    `createOrGet` finds a meeting by our tag within the account. What it gets it leaves as it is: see `create`.
    """

    name = "microsoft_teams"
    display_name = "Microsoft Teams"
    needs = "A work or school account with a Teams licence. Its administrator may have to approve the app first."
    limits = "Personal accounts cannot be used. Teams allows 2000 meetings a month for each host."
    oauth = OAuth(
        # Not /common: personal accounts have no online meetings.
        authorize_path="/organizations/oauth2/v2.0/authorize",
        token_path="/organizations/oauth2/v2.0/token",  # noqa: S106
        revoke_path=None,  # There is none: people let go at myapps.microsoft.com.
        scope_sets=(frozenset({"OnlineMeetings.ReadWrite", "User.Read"}),),
        requested_scopes=(
            "https://graph.microsoft.com/OnlineMeetings.ReadWrite",
            "https://graph.microsoft.com/User.Read",
            "offline_access",
        ),
        scope_prefix="https://graph.microsoft.com/",
        basic_auth=False,
        # The organization blocks this user (AADSTS50105).
        invalid_grant_codes=frozenset({"access_denied"}),
        # The organization removed the app or switched it off (AADSTS700016, AADSTS7000112), or the operator's client
        # id is wrong: Microsoft answers both with the same code. A wrong secret is invalid_client.
        ambiguous_client_codes=frozenset({"unauthorized_client"}),
        extra_parameters={"prompt": "select_account"},
        admin_consent_path="/organizations/v2.0/adminconsent",
        # No consent yet, only an administrator may consent, the request to one is under way
        # (learn.microsoft.com/entra/identity-platform/reference-error-codes).
        approval_phrases=("AADSTS65001", "AADSTS90093", "AADSTS90094", "AADSTS90095"),
    )
    urls = {"OAUTH": "https://login.microsoftonline.com", "API": "https://graph.microsoft.com"}
    create_semantics = CreateSemantics(idempotent=True, lookup_creates=True)
    no_place_advice = (
        "Microsoft finds no Teams for this account. Ask your Microsoft 365 administrator for a Teams licence."
    )

    def read_account(self, token: str) -> Account:
        body = self.call(token, "GET", "/v1.0/me").object()
        account_id = str(body.get("id", "")).lower()
        address = body.get("mail") or body.get("userPrincipalName")
        if not account_id or not isinstance(address, str):
            raise Ambiguous(FailedCall(self.name, "/me answered without an id or an address"))
        if not _WORK_ID.fullmatch(account_id):
            raise Rejected(FailedCall(self.name, "a personal account"), advice=_PERSONAL)
        return Account(account_id, address)

    def guest_experience(self, account: Account) -> GuestExperience:
        return GuestExperience(GuestEntry.DIRECT, Moderator.HOST_ACCOUNT, _LONGEST_MEETING_MINUTES)

    def observe_guest_experience(self, token: str, meeting: ProviderMeeting, account: Account) -> GuestExperience:
        scope = _lobby_scope(self.call(token, "GET", _path(meeting.id)).object())
        is_open = scope == "everyone"
        admission, notes = (GuestEntry.DIRECT, ()) if is_open else (GuestEntry.KNOCK, (_LOBBY_ADVICE,))
        return GuestExperience(
            admission, Moderator.HOST_ACCOUNT, _LONGEST_MEETING_MINUTES, notes, is_observed=scope is not None
        )

    def create(self, token: str, request: MeetingRequest) -> ProviderMeeting:
        """Create the meeting and open its lobby. A repeated call gets the existing meeting and updates it.

        An existing meeting is always updated, even if nothing changed: that shows whether it was deleted since.
        """
        made, response = self._create_or_get(token, request)
        if response.status != 201:
            self._update_existing(token, made, request)
            return made
        try:
            self._change(token, made.id, _missing(response.object(), _body(request)))
        except (ProviderUnavailable, Ambiguous, TokenRejected, MeetingGone) as error:  # 404: not yet on every server.
            log.info("a new meeting is not finished yet", provider=self.name, status=error.status)
            return replace(made, is_unfinished=True)
        except Rejected as error:
            # Its times are right, and its title is there in ASCII.
            log.info("the title is refused", provider=self.name, status=error.status, code=error.code)
        return made

    def _create_or_get(self, token: str, request: MeetingRequest) -> tuple[ProviderMeeting, ProviderResponse]:
        # Here the metadata has `subject` without Unicode. Whether Graph minds is not known: the real one follows.
        body = _body(request)
        plain = body | {"externalId": request.tag, "subject": _ascii(body["subject"])}
        response = self.send_create(token, f"{_MEETINGS}/createOrGet", plain)
        return _meeting(response), response

    def _update_existing(self, token: str, made: ProviderMeeting, request: MeetingRequest) -> None:
        """Raises `Ambiguous` where the caller would take another error for 'nothing was created'."""
        try:
            self._change(token, made.id, _body(request))
        except (ProviderUnavailable, TokenRejected) as error:
            raise Ambiguous(FailedCall(self.name, "created, but not updated", status=error.status)) from error

    def update(self, token: str, meeting_id: str, request: MeetingRequest) -> ProviderMeeting | None:
        self._change(token, meeting_id, _body(request))
        return None

    def _change(self, token: str, meeting_id: str, changes: dict[str, str]) -> None:
        """Change the meeting and open its lobby; only change it where a policy does not let the lobby be opened."""
        try:
            response = self.call(token, "PATCH", _path(meeting_id), json={**changes, **_OPEN_LOBBY})
        except Rejected as error:
            log.info("the lobby cannot be opened", provider=self.name, status=error.status, code=error.code)
            if changes:
                self.call(token, "PATCH", _path(meeting_id), json=changes)
            return
        scope = _lobby_scope(response.body)
        if scope not in (None, "everyone"):
            log.info("the lobby stays closed", provider=self.name, scope=scope)

    def delete(self, token: str, meeting_id: str) -> None:
        """Close the lobby, then delete the meeting: its link keeps working. Both calls can be repeated."""
        try:
            self.call(token, "PATCH", _path(meeting_id), json=_CLOSED_LOBBY)
        except Rejected as error:
            log.warning("the lobby cannot be closed", provider=self.name, status=error.status, code=error.code)
        self.call(token, "DELETE", _path(meeting_id))

    def find(self, token: str, request: MeetingRequest) -> list[ProviderMeeting]:
        """Graph cannot list by tag, so asking is making: if there was no meeting, there is one now.

        That is right for every question the settler has. A create without an response for a booking that has been
        cancelled: what it made must be known to be deleted; answering [] would leave it behind. A meeting that was
        deleted by hand: a new one with another id comes back, the settler deletes it, finds the old one gone when
        updating it, and goes on under a new tag. A meeting that is there: the same id, once it is seen to be alive.
        """
        made, response = self._create_or_get(token, request)
        if response.status != 201:
            try:
                self.call(token, "GET", _path(made.id))
            except MeetingGone:
                return []
        return [made]

    def read_error(self, response: ProviderResponse) -> ProviderError | None:
        status, error = response.status, _error(response)
        code = error.get("code")
        code = code if isinstance(code, str) and code.isidentifier() else None
        if status == 409:  # Somebody, perhaps ourselves, changes the same meeting.
            return ProviderUnavailable(self.failed_call(response, "a conflict", code=code))
        if status in (401, 404, 408, 410, 429) or status >= 500 or status < 400:
            return None
        call = self.failed_call(response, "the request is refused", code=code)
        return Rejected(call, advice=_ADVICE.get(status, _OTHER_ADVICE))

    def request_id(self, response: ProviderResponse) -> str | None:
        inner = _error(response).get("innerError")
        told = inner.get("request-id") if isinstance(inner, dict) else None
        return response.headers.get("request-id") or (told if isinstance(told, str) else None)


def _error(response: ProviderResponse) -> dict[str, Any]:
    error = response.body.get("error") if isinstance(response.body, dict) else None
    return error if isinstance(error, dict) else {}


def _lobby_scope(body: Any) -> str | None:
    """Who enters without waiting (Graph's `lobbyBypassScope`); None if the response does not include it."""
    settings = body.get("lobbyBypassSettings") if isinstance(body, dict) else None
    scope = settings.get("scope") if isinstance(settings, dict) else None
    return parse_text(scope, _SUBJECT_LIMIT)


def _path(meeting_id: str) -> str:
    return f"{_MEETINGS}/{quote(meeting_id, safe='')}"


def _body(request: MeetingRequest) -> dict[str, str]:
    # Start and end go together: one alone is refused, or moves the meeting's length.
    starts_at, ends_at = (
        at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") for at in (request.starts_at, request.ends_at)
    )
    subject = request.title.strip()[:_SUBJECT_LIMIT] or _UNNAMED
    return {"startDateTime": starts_at, "endDateTime": ends_at, "subject": subject}


def _ascii(text: str) -> str:
    """`text` in ASCII letters: accents go, what has no such letters goes altogether."""
    plain = unicodedata.normalize("NFKD", text.replace("ß", "ss").replace("–", "-")).encode("ascii", "ignore").decode()
    return " ".join(plain.split()) or _UNNAMED


def _missing(body: dict[str, Any], asked: dict[str, str]) -> dict[str, str]:
    """What of `asked` the new meeting is not. Times that are right are not sent again: they may have moved since."""
    if any(_moment(body.get(at)) != _moment(asked[at]) for at in ("startDateTime", "endDateTime")):
        return asked
    return {} if body.get("subject") == asked["subject"] else {"subject": asked["subject"]}


def _moment(text: Any) -> datetime | None:
    """A time as Graph writes it, with seven fractional digits; None if it cannot be read."""
    try:
        return datetime.fromisoformat(text).replace(microsecond=0).astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        return None


def _meeting(response: ProviderResponse) -> ProviderMeeting:
    body = response.object()
    by_id, audio = body.get("joinMeetingIdSettings"), body.get("audioConferencing")
    passcode = by_id.get("passcode") if isinstance(by_id, dict) else None
    phones = _phones(audio) if isinstance(audio, dict) else []
    return parse_meeting(MicrosoftTeams.name, body.get("id"), body.get("joinWebUrl"), passcode=passcode, phones=phones)


def _phones(audio: dict[str, Any]) -> list[Phone]:
    """The numbers, which without a licence for audio conferencing there are none of."""
    told = [audio.get("tollNumber"), audio.get("tollFreeNumber")]
    for field in ("tollNumbers", "tollFreeNumbers"):
        told += audio[field] if isinstance(audio.get(field), list) else []
    return [Phone(number, audio.get("conferenceId")) for number in told]
