"""What no source settles, by provider and in the order of the run. `docs/providers.md` lists the same questions."""

from __future__ import annotations

QUESTIONS: dict[str, dict[str, str]] = {
    "zoom": {
        "zoom-pkce": "Does Zoom take code_challenge from an app whose PKCE switch is off?",
        "zoom-email": "Has users/me an address with the scope user:read:user alone?",
        "zoom-time-zones": "Which time zones beyond its list does Zoom take?",
        "zoom-list": "How soon is a new meeting listed, and does the list show its agenda?",
        "zoom-dial-in": "Does the account have phone numbers?",
        "zoom-delete": "How does Zoom answer a change and two deletions?",
        "zoom-add-app": "What does Add app in the Marketplace send?",
        "zoom-revoked": "How does Zoom answer a refresh after the grant was revoked?",
        "zoom-deauthorization": "Is an app that is not published told when somebody removes it?",
        "zoom-scopes": "How does Zoom answer a refresh after the app's scopes changed?",
    },
    "google_meet": {
        "google-insert-twice": "How does Google answer an insert under an id that exists?",
        "google-guest-alone": "What does a guest see who opens the link before the host is there?",
        "google-guest": "What does a guest see while the host is there?",
        "google-patch-deleted": "How does Google answer a change of a deleted event?",
        "google-link-after-delete": "Does the link of a deleted event still open?",
        "google-revoke": "Does Google revoke by the token alone?",
    },
    "google_meet_spaces": {
        "spaces-default": "Who may enter a room that is made without settings?",
        "spaces-open": "Can a room be made open to everybody?",
        "spaces-guest": "What does a guest see at an open room while the host is away?",
        "spaces-close": "Can a room be closed to everybody but the app, and what does its link show then?",
        "spaces-end": "How does Google answer ending a conference that does not run?",
    },
    "microsoft_teams": {
        "teams-subject": "Does createOrGet take a subject beyond ASCII?",
        "teams-repeat": "What does a repeated createOrGet answer, and are new times applied?",
        "teams-lobby-default": "What does a guest of no organization see by default?",
        "teams-lobby-open": "Can the lobby be opened to everybody, and what does a guest see then?",
        "teams-link-after-delete": "Does the link of a deleted meeting still open?",
        "teams-create-after-delete": "What does createOrGet answer after the deletion?",
    },
    "webex": {
        "webex-pkce": "Does Webex take code_challenge beside a client secret?",
        "webex-patch": "Which media types does PATCH take?",
        "webex-time-zones": "Which IANA time zones does Webex take?",
        "webex-list": "How soon is a meeting found by its tag, over ten years?",
        "webex-refresh": "Does a refresh change the refresh token, and does the old one live on?",
        "webex-gone": "How does Webex answer a change of a deleted meeting?",
    },
    "daily": {
        "daily-domain-id": "Has the domain an id?",
        "daily-taken": "How does Daily answer a name that is taken?",
        "daily-rooms": "How many rooms does the plan allow?",
        "daily-expired": "Is a room gone after its end?",
    },
    "jitsi": {"jitsi-guest": "Is a guest who enters alone a moderator?"},
    "jaas": {
        "jaas-guest": "Is a guest who enters alone a moderator?",
        "jaas-wrong-key": "What does a token under an unknown key id show?",
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
