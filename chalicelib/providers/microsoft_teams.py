"""Microsoft Teams through Microsoft Graph's online meetings (learn.microsoft.com/graph/api/resources/onlinemeeting).

The meeting is only a link: it appears in no calendar, and Graph sends no emails about it.
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
from chalicelib.domain.meeting_settings import EITHER, MeetingSettings, PossibleSettings, RecordingMode
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
from chalicelib.providers import teams_options
from chalicelib.providers.base import OAuth, OAuthProvider
from chalicelib.providers.http_client import ProviderResponse
from chalicelib.providers.parsing import Phone, parse_meeting

_MEETINGS = "/v1.0/me/onlineMeetings"
_SUBJECT_LIMIT = 250
_UNNAMED = "Meeting"
# Work and school accounts have a GUID; a personal one has 16 digits, or a GUID that begins with zeros.
_WORK_ID = re.compile(r"(?!0{8}-0{4}-0{4}-)[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)
_PERSONAL = (
    "This is a personal Microsoft account. Teams meetings need a work or school account: sign in with another one."
)
_LONGEST_MEETING_MINUTES = 30 * 60
_LOBBY_ADVICE = (
    "Your organization's Teams policy keeps guests in the lobby. Your Microsoft 365 administrator can change it in the "
    "Teams admin center under Meetings, Meeting policies: “Anonymous users can join a meeting” and “Who can bypass the "
    "lobby”."
)
_ADVICE = {
    403: "Microsoft does not allow this account to create Teams meetings. Ask your Microsoft 365 administrator for a "
    "Teams licence and a policy that allows scheduling meetings.",
}
_OTHER_ADVICE = "Microsoft Teams does not accept the meeting's details. Check the booking's title and times."


class MicrosoftTeams(OAuthProvider):
    """Meetings of one work or school account.

    `createOrGet` returns the account's meeting with our tag, and leaves an existing one unchanged: see `create`.
    """

    name = "microsoft_teams"
    display_name = "Microsoft Teams"
    needs = "A work or school account with a Teams licence. Its administrator may have to approve the app first."
    limits = "Personal accounts do not work. Teams allows 2000 meetings a month for each host."
    oauth = OAuth(
        # Not /common: personal accounts have no online meetings.
        authorize_path="/organizations/oauth2/v2.0/authorize",
        token_path="/organizations/oauth2/v2.0/token",  # noqa: S106
        revoke_path=None,  # Microsoft has none: people revoke access at myapps.microsoft.com.
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
        # The organization removed or disabled the app (AADSTS700016, AADSTS7000112), or the operator's client id is
        # wrong: Microsoft uses the same code for both. A wrong secret is invalid_client.
        ambiguous_client_codes=frozenset({"unauthorized_client"}),
        extra_parameters={"prompt": "select_account"},
        admin_consent_path="/organizations/v2.0/adminconsent",
        # No consent yet, only an administrator may consent, the request to one is under way
        # (learn.microsoft.com/entra/identity-platform/reference-error-codes).
        approval_phrases=("AADSTS65001", "AADSTS90093", "AADSTS90094", "AADSTS90095"),
    )
    urls = {"OAUTH": "https://login.microsoftonline.com", "API": "https://graph.microsoft.com"}
    create_semantics = CreateSemantics(idempotent=True, lookup_creates=True)
    possible_settings = PossibleSettings(waiting_room=EITHER, recording=(RecordingMode.NONE, RecordingMode.CLOUD))
    no_place_advice = (
        "Microsoft finds no Teams for this account. Ask your Microsoft 365 administrator for a Teams licence."
    )

    def read_account(self, token: str) -> Account:
        body = self.call(token, "GET", "/v1.0/me").object()
        account_id = str(body.get("id", "")).lower()
        address = body.get("mail") or body.get("userPrincipalName")
        if not account_id or not isinstance(address, str):
            raise Ambiguous(FailedCall(self.name, "/me has no id or no address"))
        if not _WORK_ID.fullmatch(account_id):
            raise Rejected(FailedCall(self.name, "a personal account"), advice=_PERSONAL)
        return Account(account_id, address)

    def guest_experience(self, account: Account) -> GuestExperience:
        return GuestExperience(GuestEntry.DIRECT, Moderator.HOST_ACCOUNT, _LONGEST_MEETING_MINUTES)

    def observe_guest_experience(self, token: str, meeting: ProviderMeeting, account: Account) -> GuestExperience:
        scope = teams_options.lobby_scope(self.call(token, "GET", _path(meeting.id)).object())
        admission, notes = (
            (GuestEntry.DIRECT, ()) if teams_options.is_open(scope) else (GuestEntry.KNOCK, (_LOBBY_ADVICE,))
        )
        return GuestExperience(
            admission, Moderator.HOST_ACCOUNT, _LONGEST_MEETING_MINUTES, notes, is_observed=scope is not None
        )

    def create(self, token: str, request: MeetingRequest) -> ProviderMeeting:
        """Create the meeting and open its lobby. A repeated call gets the existing meeting and updates it.

        An existing meeting is always updated, even if nothing changed: this shows whether it has been deleted.
        """
        meeting, response = self._create_or_get(token, request)
        if response.status != 201:
            return self._update_existing(token, meeting, request)
        try:
            changes = _missing_changes(response.object(), _body(request))
            changed = self._change(token, meeting.id, changes, request.settings)
        except (ProviderUnavailable, Ambiguous, TokenRejected, MeetingGone) as error:  # 404: not on every server yet.
            log.info("a new meeting is not finished yet", provider=self.name, status=error.status)
            return replace(meeting, is_unfinished=True)
        except Rejected as error:
            # The times are right, and the title is there in ASCII.
            log.info("the title is refused", provider=self.name, status=error.status, code=error.code)
            return meeting
        return replace(meeting, settings=teams_options.read(changed))

    def _create_or_get(self, token: str, request: MeetingRequest) -> tuple[ProviderMeeting, ProviderResponse]:
        # The metadata of `createOrGet` declares `subject` as not Unicode. Graph may refuse Unicode here, so create the
        # meeting with an ASCII title; `create` then sends the real one.
        body = _body(request)
        ascii_body = body | {"externalId": request.tag, "subject": _ascii(body["subject"])}
        response = self.send_create(token, f"{_MEETINGS}/createOrGet", ascii_body)
        return _parse_meeting(response), response

    def _update_existing(self, token: str, meeting: ProviderMeeting, request: MeetingRequest) -> ProviderMeeting:
        """Update a meeting that `createOrGet` returned.

        Raises `Ambiguous` instead of errors that would mean that nothing was created.
        """
        try:
            changed = self._change(token, meeting.id, _body(request), request.settings)
        except (ProviderUnavailable, TokenRejected) as error:
            raise Ambiguous(replace(error.call, what="the meeting is created but not updated")) from error
        return replace(meeting, settings=teams_options.read(changed))

    def update(self, token: str, meeting_id: str, request: MeetingRequest) -> ProviderMeeting | None:
        self._change(token, meeting_id, _body(request), request.settings)
        return None

    def read_settings(self, token: str, meeting_id: str) -> MeetingSettings:
        return teams_options.read(self.call(token, "GET", _path(meeting_id)).body)

    def _change(self, token: str, meeting_id: str, changes: dict[str, str], settings: MeetingSettings) -> Any:
        """Change the meeting and its options, without those that a policy forbids. Return the response's body."""
        changed: Any = None
        for options in teams_options.write_options(settings):
            body = changes | options
            try:
                changed = self.call(token, "PATCH", _path(meeting_id), json=body).body if body else None
            except Rejected as error:
                if not options:
                    raise
                log.info(teams_options.refusal(options), provider=self.name, status=error.status, code=error.code)
            else:
                break
        scope = teams_options.lobby_scope(changed)
        if scope is not None and not teams_options.is_open(scope) and settings.waiting_room is not True:
            log.info("the lobby stays closed", provider=self.name, scope=scope)
        return changed

    def delete(self, token: str, meeting_id: str) -> None:
        """Close the lobby, then delete the meeting, because its link keeps working. Both calls can be repeated.

        Opening the link restores the meeting (github.com/microsoftgraph/microsoft-graph-docs/issues/7802 and 17590), so
        only the lobby keeps people out.
        """
        try:
            self.call(token, "PATCH", _path(meeting_id), json=teams_options.CLOSED_LOBBY)
        except Rejected as error:
            log.warning("the lobby cannot be closed", provider=self.name, status=error.status, code=error.code)
        self.call(token, "DELETE", _path(meeting_id))

    def find(self, token: str, request: MeetingRequest) -> list[ProviderMeeting]:
        """Return the meeting with the tag. Graph cannot list by tag, so this creates the meeting if it does not exist.

        The result is right in every case that settling has:

        - A create got no response, and the booking is cancelled: the meeting is returned and can be deleted.
        - The meeting was deleted by hand: a new one with another id is returned. Settling deletes it, finds on update
          that the old one is gone, and continues with a new tag.
        - The meeting exists: the same id is returned, after a GET shows that it is not deleted.
        """
        meeting, response = self._create_or_get(token, request)
        if response.status != 201:
            try:
                self.call(token, "GET", _path(meeting.id))
            except MeetingGone:
                return []
        return [meeting]

    def read_error(self, response: ProviderResponse) -> ProviderError | None:
        status, error = response.status, _error(response)
        code = error.get("code")
        code = code if isinstance(code, str) and code.isidentifier() else None
        if status == 409:  # Another request is changing the same meeting.
            return ProviderUnavailable(self.failed_call(response, "a conflict", code=code))
        if status in (401, 404, 408, 410, 429) or status >= 500 or status < 400:
            return None
        call = self.failed_call(response, "the request is refused", code=code)
        return Rejected(call, advice=_ADVICE.get(status, _OTHER_ADVICE))

    def request_id(self, response: ProviderResponse) -> str | None:
        inner = _error(response).get("innerError")
        request_id = inner.get("request-id") if isinstance(inner, dict) else None
        return response.headers.get("request-id") or (request_id if isinstance(request_id, str) else None)


def _error(response: ProviderResponse) -> dict[str, Any]:
    error = response.body.get("error") if isinstance(response.body, dict) else None
    return error if isinstance(error, dict) else {}


def _path(meeting_id: str) -> str:
    return f"{_MEETINGS}/{quote(meeting_id, safe='')}"


def _body(request: MeetingRequest) -> dict[str, str]:
    # Always send start and end together: one alone is refused, or changes the meeting's length.
    starts_at, ends_at = (
        at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") for at in (request.starts_at, request.ends_at)
    )
    subject = request.title.strip()[:_SUBJECT_LIMIT] or _UNNAMED
    return {"startDateTime": starts_at, "endDateTime": ends_at, "subject": subject}


def _ascii(text: str) -> str:
    """Convert `text` to ASCII: remove accents, and characters without an ASCII letter."""
    plain = unicodedata.normalize("NFKD", text.replace("ß", "ss").replace("–", "-")).encode("ascii", "ignore").decode()
    return " ".join(plain.split()) or _UNNAMED


def _missing_changes(meeting: dict[str, Any], fields: dict[str, str]) -> dict[str, str]:
    """Return the `fields` that the new meeting lacks. Right times are not sent again: they may have moved since."""
    if any(_parse_time(meeting.get(name)) != _parse_time(fields[name]) for name in ("startDateTime", "endDateTime")):
        return fields
    return {} if meeting.get("subject") == fields["subject"] else {"subject": fields["subject"]}


def _parse_time(text: Any) -> datetime | None:
    """Parse a time as Graph writes it, with seven fractional digits; None if it is unreadable."""
    try:
        return datetime.fromisoformat(text).replace(microsecond=0).astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        return None


def _parse_meeting(response: ProviderResponse) -> ProviderMeeting:
    body = response.object()
    by_id, audio = body.get("joinMeetingIdSettings"), body.get("audioConferencing")
    passcode = by_id.get("passcode") if isinstance(by_id, dict) else None
    phones = _parse_phones(audio) if isinstance(audio, dict) else []
    return parse_meeting(MicrosoftTeams.name, body.get("id"), body.get("joinWebUrl"), passcode=passcode, phones=phones)


def _parse_phones(audio: dict[str, Any]) -> list[Phone]:
    """Return the dial-in numbers. There are none without a licence for audio conferencing."""
    numbers = [audio.get("tollNumber"), audio.get("tollFreeNumber")]
    for field in ("tollNumbers", "tollFreeNumbers"):
        numbers += audio[field] if isinstance(audio.get(field), list) else []
    return [Phone(number, audio.get("conferenceId")) for number in numbers]
