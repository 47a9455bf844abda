"""What no source settles, by provider and in the order of the run. `docs/providers.md` lists the same questions."""

from __future__ import annotations

QUESTIONS: dict[str, dict[str, str]] = {
    "zoom": {
        "zoom-pkce": "Does Zoom accept code_challenge from an app with PKCE turned off?",
        "zoom-email": "Does users/me contain an address with the scope user:read:user alone?",
        "zoom-time-zones": "Which time zones beyond its list does Zoom accept?",
        "zoom-list": "How soon is a new meeting listed, and does the list contain its agenda?",
        "zoom-dial-in": "Does the account have phone numbers?",
        "zoom-delete": "How does Zoom respond to an update and two deletes?",
        "zoom-add-app": "What does Add app in the Marketplace send?",
        "zoom-revoked": "How does Zoom respond to a refresh after the grant was revoked?",
        "zoom-deauthorization": "Does Zoom notify an unpublished app when a user removes it?",
        "zoom-scopes": "How does Zoom respond to a refresh after scopes were added, as those of the events?",
        "zoom-events": "What does meeting.updated contain after our own update?",
    },
    "google_meet": {
        "google-insert-twice": "How does Google respond to an insert with an id that exists?",
        "google-guest-alone": "What does a guest see who opens the link before the host is there?",
        "google-guest": "What does a guest see while the host is there?",
        "google-patch-deleted": "How does Google respond to an update of a deleted event?",
        "google-link-after-delete": "Does the link of a deleted event still open?",
        "google-revoke": "Does Google revoke with the token alone?",
    },
    "google_meet_spaces": {
        "spaces-default": "Who can enter a room that is created without settings?",
        "spaces-open": "Can a room be opened to everyone?",
        "spaces-guest": "What does a guest see in an open room while the host is away?",
        "spaces-close": "Can a room be closed to everyone but the app, and what does its link show then?",
        "spaces-end": "How does Google respond to ending a conference that is not running?",
    },
    "microsoft_teams": {
        "teams-subject": "Does createOrGet accept a subject beyond ASCII?",
        "teams-repeat": "What does a repeated createOrGet return, and does it apply new times?",
        "teams-lobby-default": "What does a guest without an organization see by default?",
        "teams-lobby-open": "Can the lobby be opened to everyone, and what does a guest see then?",
        "teams-link-after-delete": "Does the link of a deleted meeting still open?",
        "teams-create-after-delete": "What does createOrGet return after the deletion?",
    },
    "webex": {
        "webex-pkce": "Does Webex accept code_challenge together with a client secret?",
        "webex-patch": "Which media types does PATCH accept?",
        "webex-time-zones": "Which IANA time zones does Webex accept?",
        "webex-list": "How soon is a meeting found by its tag, over ten years?",
        "webex-refresh": "Does a refresh change the refresh token, and does the old one keep working?",
        "webex-gone": "How does Webex respond to an update of a deleted meeting?",
    },
    "daily": {
        "daily-domain-id": "Does the domain have an id?",
        "daily-taken": "How does Daily respond to a name that is taken?",
        "daily-rooms": "How many rooms does the plan allow?",
        "daily-expired": "Is a room deleted after its end?",
    },
    "jitsi": {"jitsi-guest": "Is a guest who enters alone a moderator?"},
    "jaas": {
        "jaas-guest": "Is a guest who enters alone a moderator?",
        "jaas-wrong-key": "What does a token with an unknown key id show?",
        "jaas-users": "How many users does the usage page count after one host and one guest?",
    },
}


def table() -> str:
    """Markdown: each question and the command that answers it."""
    rows = [
        f"| {question} | `{name}` | `make live PROVIDER={provider}` |"
        for provider, questions in QUESTIONS.items()
        for name, question in questions.items()
    ]
    return "\n".join(["| question | in the report | answered by |", "|---|---|---|", *rows])
