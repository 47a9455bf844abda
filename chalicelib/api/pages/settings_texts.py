"""Texts of the settings page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.domain.calendar import LocationType
from chalicelib.domain.connection import Reason, SignInProblem
from chalicelib.domain.guest_experience import GuestEntry, Moderator
from chalicelib.domain.meeting import MeetingState

if TYPE_CHECKING:
    from chalicelib.providers.base import Provider

LOCATIONS = {
    LocationType.VIDEO: "Video meeting",
    LocationType.PHONE: "Phone",
    LocationType.IN_PERSON: "In person",
    LocationType.CUSTOM_LINK: "Your own link",
}
STATES = {
    MeetingState.NONE: ("No link", "plain"),
    MeetingState.PENDING: ("Link on its way", "plain"),
    MeetingState.READY: ("Link ready", "good"),
    MeetingState.WAITING: ("Link delayed", "bad"),
    MeetingState.FAILED: ("No link", "bad"),
    MeetingState.REMOVED: ("Meeting removed", "plain"),
}
UNAVAILABLE: dict[str, str] = {
    Reason.NOT_CONNECTED: "Connect an account to offer video.",
    Reason.NOT_CONFIRMED: "Video is available once the connection is confirmed.",
    Reason.RECONNECT_NEEDED: "Video works again once the account is reconnected.",
    Reason.DEAUTHORIZED: "The connection was ended at the provider. Connect again to offer video.",
}
ADMISSIONS = {
    GuestEntry.DIRECT: "They open the link and enter the meeting.",
    GuestEntry.HOST_FIRST: "They wait until you join. You do not have to let them in.",
    GuestEntry.KNOCK: "They ask to join, and wait until you let them in.",
    GuestEntry.BLOCKED: "They cannot join: your account's settings keep them out.",
    GuestEntry.ACCOUNT_SETTINGS: "Your settings at {provider} decide whether they wait. The check below reads them.",
}
MODERATORS = {
    Moderator.HOST_ACCOUNT: "You, when you join signed in to {provider} with the account above.",
    Moderator.HOST_LINK: "You, when you join with the link in your own invitation.",
    Moderator.FIRST_TO_SIGN_IN: "The first person who signs in there.",
    Moderator.FIRST_TO_ARRIVE: "The first person in the meeting.",
}
STEPS = {
    "connection": "An account is connected",
    "token": "We can sign in",
    "scopes": "All permissions are granted",
    "account": "The account responds",
    "create_meeting": "A meeting can be created",
    "delete_meeting": "A meeting can be deleted",
}
SIGN_IN_PROBLEMS = {
    SignInProblem.CANCELLED: "The sign-in was cancelled. Nothing was connected. Connect again and allow the access.",
    SignInProblem.NEEDS_APPROVAL: "Your administrator at {name} has to approve this app first. Ask them, "
    "then connect again.",
    SignInProblem.APP_DISABLED: "This app is switched off at {name}. Ask your administrator to enable it, then connect "
    "again. If it is enabled, contact the operator of this service.",
    SignInProblem.CREDENTIALS_REFUSED: "{name} does not accept the credentials of this service. Nothing was connected. "
    "Contact its operator.",
    SignInProblem.UNKNOWN_PERMISSION: "{name} does not know a permission that this app requests. Nothing was "
    "connected. Contact the operator of this service.",
    SignInProblem.MISSING_SCOPES: "{name} did not grant everything that is needed: {scopes}. Nothing was connected. "
    "Connect again and allow all of it. If {name} did not ask you, an administrator must add these scopes to the app "
    "at {name}.",
    SignInProblem.NO_LASTING_ACCESS: "{name} gave access for a short time only. Nothing was connected. Connect again "
    "and allow access while you are away.",
    SignInProblem.UNUSABLE_ACCOUNT: "This account at {name} cannot be used here. Nothing was connected. Connect again "
    "with another account. What you need: {needs}",
    SignInProblem.REFUSED: "{name} refused the sign-in. Nothing was connected. Please connect again.",
    SignInProblem.UNAVAILABLE: "{name} is not available right now. Nothing was connected. Please try again in a "
    "moment.",
    SignInProblem.NOT_COMPLETED: "{name} did not complete the sign-in. Nothing was connected. Please try again in a "
    "moment.",
    SignInProblem.TOO_LATE: "The sign-in took too long or was used twice. Nothing was connected. Please connect again.",
    SignInProblem.NOT_STARTED_HERE: "This sign-in was not started in this browser, was already finished, or took "
    "longer than ten minutes. If your account is not shown as connected below, please connect again.",
}
_WITH_APPROVAL_LINK = {
    SignInProblem.CANCELLED: "The sign-in was cancelled. Nothing was connected. Connect again and allow the access. "
    "If an administrator has to approve first, send them the approval link on this page.",
    SignInProblem.NEEDS_APPROVAL: "Your administrator at {name} has to approve this app first. Send them the approval "
    "link on this page, then connect again.",
}


def sign_in_problem(code: str, provider: Provider | None) -> str | None:
    """Return the text of a `SignInProblem`; None for any other code.

    `code` and the provider's name are from the page's address, so the text contains nothing else of it.
    """
    from chalicelib.providers.base import OAuthProvider

    if code not in SIGN_IN_PROBLEMS or not isinstance(provider, OAuthProvider):
        return None
    problem, oauth = SignInProblem(code), provider.oauth
    texts = SIGN_IN_PROBLEMS if oauth.admin_consent_path is None else SIGN_IN_PROBLEMS | _WITH_APPROVAL_LINK
    return texts[problem].format(
        name=provider.display_name, needs=provider.needs, scopes=", ".join(sorted(oauth.scope_sets[0]))
    )


def format_duration(minutes: int) -> str:
    """Format minutes as “40 minutes” or “30 hours”."""
    return f"{minutes // 60} hours" if minutes >= 120 and minutes % 60 == 0 else f"{minutes} minutes"
