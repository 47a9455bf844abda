"""The texts that every language provides for the pages. `catalogue` says how to write them."""

from __future__ import annotations

from msgspec import Struct

from chalicelib.domain.answers import Choice
from chalicelib.domain.calendar import LocationType
from chalicelib.domain.connection import KeyProblem, Reason, SignInProblem, StepProblem
from chalicelib.domain.guest_experience import GuestEntry, Moderator
from chalicelib.domain.meeting import MeetingState, NoEntry


class Plural(Struct, frozen=True):
    """A text with a number, in the forms that the language has (CLDR). `{count}`; `one` may leave it out."""

    other: str
    one: str | None = None
    """None in languages without this form."""


class JoinTexts(Struct, frozen=True):
    """The pages behind a join link that does not open a meeting now."""

    when: str
    """Label of the time."""
    host: str
    """Label of the host."""
    early: str
    """The visitor comes too early."""
    opens: str
    """When the meeting opens. `{clock}`, `{date}`."""
    expect: str
    """What an early visitor can expect, and prepare."""
    add_to_calendar: str
    """Label of the link to the calendar file."""
    look_again: str
    """Label of the button that reloads the page of an early visitor."""
    unready_title: str
    """Heading while the meeting cannot be opened."""
    unready: str
    """The meeting cannot be opened right now; the page reloads automatically."""
    crowded: str
    """Too many people are joining right now; the page reloads automatically."""
    try_again: str
    """Label of the button that reloads this page."""
    no_entry: dict[NoEntry, str]
    """Why there is no way in."""
    refused: str
    """Heading for a link that does not work."""
    unknown: str
    """The link is incomplete or was replaced."""
    uninvited: str
    """The visitor is not invited any more."""


class AnswerTexts(Struct, frozen=True):
    """The question of an invitation, and the page behind its links."""

    question: str
    """Asks whether the recipient comes, above the links or buttons with `choices`."""
    choices: dict[Choice, str]
    """Labels of links and buttons, as short as possible."""
    current: dict[Choice, str]
    """The recipient's answer, in a sentence."""
    none_yet: str
    """The recipient has not answered."""
    press: str
    """The recipient followed a link of the email, and still has to press the button `{choice}`."""
    saved: str
    """After an answer."""
    outdated: str
    """The booking was moved to another time since the answer."""
    moved: str
    """The answer was not saved, because the booking was moved to another time meanwhile."""
    may_change: str
    """The answer can be changed."""
    cancels_title: str
    """Heading: asks whether to cancel the booking."""
    cancels: str
    """What declining does, if no other guest comes."""
    cancels_confirm: str
    """Label of the button that declines and cancels."""
    cancels_back: str
    """Label of the link back to the question."""
    ended: dict[str, str]
    """Why the booking can no longer be answered: `cancelled`, `over`, or `cancelled_now` by the recipient's answer."""
    refused: str
    """Heading for a link that does not work."""
    unknown: str
    """The link is incomplete or was replaced."""
    uninvited: str
    """The visitor is not invited any more."""
    too_many: str
    """The visitor answered too often."""
    unavailable: str
    """The page does not work right now."""


class PageTexts(Struct, frozen=True):
    """Short pages: a connect link, the end of a session, what an administrator sees, errors."""

    link_title: str
    """Heading of the page behind a connect link."""
    link_intro: str
    """Introduces the user and the workspace."""
    user: str
    """Label of the user."""
    workspace: str
    """Label of the workspace."""
    link_warning: str
    """What the next account will be used for, and what to do if this is another person."""
    link_confirm: str
    """Label of the button that opens the session."""
    link_next: str
    """The button leads straight to the sign-in. `{provider}`."""
    link_life: str
    """The link works once, for ten minutes."""
    added_title: str
    """Heading after "Add app" at the provider."""
    added: str
    """The app was added, but the account is not connected here. `{provider}`."""
    added_next: str
    """Below the button to connect: what follows. `{provider}`."""
    added_elsewhere: str
    """Where to connect, without a session. `{connect}`: the label of the button there."""
    approved_title: str
    """Heading after an administrator approved the app."""
    approved: str
    """`{provider}`."""
    not_approved_title: str
    """Heading after an administrator did not approve the app."""
    not_approved: str
    """`{provider}`."""
    signed_out_title: str
    """Heading after signing out."""
    signed_out: str
    """What has ended, and what stays."""
    come_back: str
    """How to open the settings page again."""
    back: str
    """Label of the link to the page that the browser came from. `{name}`: the workspace's name."""
    open_settings: str
    """Label of the button that leads from an error to the settings page."""
    window_title: str
    """Heading: the page cannot be used within another one."""
    window_needed: str
    """Why, and what to do: the browser keeps no cookies for embedded pages."""
    open_window: str
    """Label of the button."""
    error_title: str
    """Heading of an error without a heading of its own."""
    error_titles: dict[str, str]
    """What happened, as a heading, by the error's reason."""
    errors: dict[str, str]
    """What happened and what to do next, by the error's reason."""


class SettingsTexts(Struct, frozen=True):
    """The settings page."""

    title: str
    """Heading of the page."""
    connected_notice: str
    """After an account was connected."""
    use_video_for: str
    """Introduces the user's calendars as checkboxes, above the button `use_video`."""
    then_back: str
    """After that button: where it leads. `{name}`."""
    returning: str
    """The page leads back automatically. `{name}`."""
    stay: str
    """Label of the link that prevents that."""
    close_window: str
    """The sign-in took place in a window of its own."""
    waiting: Plural
    """Introduces the bookings that wait for a broken connection."""
    problems: str
    """Heading of the bookings that need attention."""
    more_providers: str
    """Opens the list of the other providers. `{names}`."""
    delete_title: Plural
    """Heading: asks whether to delete the meetings."""
    delete_warning: str
    """What deleting the meetings does."""
    delete_confirm: Plural
    """Label of the button that deletes them and disconnects."""
    disconnected_notice: str
    """After an account was disconnected."""
    removing_notice: str
    """After an account was disconnected with its meetings."""
    video_notice: str
    """After a calendar was changed to video."""
    retrying_notice: str
    """After "Try again". `{reload}`: a link with the text `reload_page`."""
    reload_page: str
    connected: str
    """State of a connection, in a badge."""
    broken: str
    """State of a connection, in a badge."""
    pending: str
    """State of a connection, in a badge."""
    account: str
    """Label of the account."""
    connected_since: str
    """Label of the time of connecting."""
    last_meeting: str
    """Label of the time of the last meeting."""
    last_meeting_at: str
    """A time with its precision. `{when}`, `{duration}`."""
    none_yet: str
    """No meeting was created yet."""
    all_works: str
    """Heading of a check without failures."""
    something_wrong: str
    """Heading of a check with a failure."""
    step: str
    """`{step}`: one of `steps`; `{result}`: `yes` or `no`."""
    yes: str
    no: str
    steps: dict[str, str]
    """What a check tries, by the step's name."""
    step_problems: dict[StepProblem, str]
    """Why a step failed. `{provider}`, `{scopes}`."""
    checked_recently: str
    """The account was checked less than a minute ago."""
    experience: str
    """Heading of what guests experience."""
    guests: str
    """Label of how guests enter."""
    moderator: str
    """Label of who moderates."""
    time_limit: str
    """Label of the longest meeting."""
    documented: str
    """The settings of the account can differ. `{provider}`."""
    admissions: dict[GuestEntry, str]
    """How guests enter. `{provider}`."""
    moderators: dict[Moderator, str]
    """Who moderates. `{provider}`."""
    minutes: Plural
    hours: Plural
    check: str
    """Label of the button that checks the connection."""
    check_hint: str
    """What the check does."""
    disconnect: str
    """Label of the button that leads to disconnecting."""
    disconnect_account: str
    """Label of the button that disconnects. `{account}`."""
    no_new_links: str
    """What disconnecting means for new bookings."""
    upcoming: Plural
    """Introduces the list of meetings that have a link."""
    upcoming_locked: Plural
    """The same, if they cannot be changed or deleted any more."""
    what_happens: Plural
    """Asks what to do with these meetings."""
    keep: str
    """A choice: the meetings stay."""
    delete_first: str
    """A choice: the meetings are deleted."""
    no_longer_accepted: str
    """The connection is broken. `{provider}`, `{account}`."""
    enter_new_key: str
    """What to do about a broken connection by a key."""
    reconnect: str
    """Label of the button."""
    awaits_confirmation: str
    """The connection is pending. `{account}`, `{workspace}`."""
    connect_title: str
    """Heading of the list of providers."""
    other_title: str
    """Heading of the list of providers, if an account is connected."""
    connect_intro: str
    """What connecting does."""
    ended_at_provider: str
    """Why no account is connected any more."""
    window_hint: str
    """Signing in opens a window. `{reload}`: a link with the text `reload_this_page`."""
    reload_this_page: str
    connect: str
    """Label of the button. `{provider}`."""
    opens_window: str
    """Added to a button for screen readers."""
    optional: str
    """A field's label. `{field}`."""
    check_and_connect: str
    """Label of the button of a form with a key."""
    approval: str
    """For organizations that approve apps. `{link}`: a link with the text `approval_link`."""
    approval_link: str
    no_providers: str
    """No provider can be connected."""
    calendars: str
    """Heading."""
    no_link_until_connected: str
    """About a calendar with video, without a connection."""
    use_video: str
    """Label of the button."""
    for_calendar: str
    """Added to that button for screen readers. `{calendar}`."""
    bookings: str
    """Heading."""
    open_meeting: str
    """Label of the link."""
    try_again: str
    """Label of the button."""
    sign_out: str
    """Label of the button."""
    locations: dict[LocationType, str]
    states: dict[MeetingState, str]
    """In a badge."""
    cancelled: str
    """In a badge."""
    unavailable: dict[Reason, str]
    """Why video is not available."""
    no_working_connection: str
    """Video was chosen without a connection."""
    sign_in_problems: dict[SignInProblem, str]
    """Why a sign-in connected nothing. `{provider}`, `{scopes}`, `{needs}`."""
    sign_in_problems_with_approval: dict[SignInProblem, str]
    """The same, if the page has an approval link."""
    key_problems: dict[KeyProblem, str]
    """Why a key was not accepted. `{provider}`, `{field}`, `{count}`."""
