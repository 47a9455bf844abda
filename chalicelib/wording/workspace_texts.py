"""The texts that every language provides for the workspace's own pages. `catalogue` says how to write them."""

from __future__ import annotations

from msgspec import Struct

from chalicelib.domain.attendance import Attendance
from chalicelib.domain.connection import ConnectionState
from chalicelib.domain.history_entry import HistoryKind
from chalicelib.domain.invitation import InvitationState
from chalicelib.domain.workspace import MemberRole
from chalicelib.wording.page_texts import Plural


class ShellTexts(Struct, frozen=True):
    """What all of these pages share, and signing in."""

    language_name: str
    """The language's own name."""
    skip: str
    """For the keyboard: leads past the navigation."""
    navigation: str
    """Name of the navigation, for screen readers."""
    pages: dict[str, str]
    """Labels of the pages in the navigation, which are also their headings."""
    roles: dict[MemberRole, str]
    sign_out: str
    """Label of the button."""
    more: str
    """Label of the link to the next page of a list."""
    first: str
    """Label of the link to the first page of a list."""
    read_only: str
    """Members with the role support cannot change anything on this page."""
    sign_in_title: str
    """Heading of the page that asks for an address."""
    sign_in_intro: str
    """What to enter, and what follows."""
    email: str
    """Label of the field."""
    send_link: str
    """Label of the button."""
    sent_title: str
    """Heading after an address was entered."""
    sent: str
    """It is not said whether the address belongs to a member. `{email}`."""
    sent_late: str
    """What to do if no email comes. `{again}`: a link with the text `ask_again`."""
    ask_again: str
    link_title: str
    """Heading of the page behind a link. `{workspace}`."""
    choose_title: str
    """Heading of the page behind a link to several workspaces."""
    link_intro: str
    """The button signs this browser in."""
    sign_in_to: str
    """Label of the button. `{workspace}`."""
    signed_out: str
    """After signing out."""
    errors: dict[str, str]
    """What happened and what to do next, by the error's reason. Other reasons have texts in `PageTexts.errors`."""


class MembersTexts(Struct, frozen=True):
    """The page with the members."""

    intro: str
    """What members are, and what the two roles may do."""
    email: str
    """Label of a column and of a field."""
    role: str
    """Label of a column and of a field."""
    actions: str
    """Name of the column with buttons, for screen readers."""
    you: str
    """Beside the reader's own address."""
    remove: str
    """Label of the button."""
    remove_whom: str
    """Added to that button for screen readers. `{email}`."""
    change_role: dict[MemberRole, str]
    """Labels of the button that gives a member this role."""
    add_title: str
    """Heading of the form."""
    add: str
    """Label of the button."""
    empty: str
    """There is no member yet."""
    added: str
    """After a member was added."""
    removed: str
    """After a member was removed."""
    changed: str
    """After a role was changed."""
    problems: dict[str, str]
    """Why nothing was changed: `email`, `exists`, `too_many`, `unknown` or `yourself`."""


class BookingsTexts(Struct, frozen=True):
    """The list of bookings, and the page of one booking."""

    search: str
    """Label of the field to search in."""
    search_button: str
    filters: str
    """Opens the other filters."""
    apply: str
    """Label of the button that applies the filters."""
    reset: str
    """Label of the link to the list without filters."""
    any: str
    """A filter's choice: it does not matter."""
    state: str
    """Label of the link's state, also of a column."""
    status: str
    """Label of the filter by confirmed or cancelled."""
    confirmed: str
    starts_from: str
    """Label of the filter by the first day."""
    starts_before: str
    """Label of the filter by the day after the last one."""
    host: str
    """Label of the host."""
    host_id: str
    """Label of the filter by the caller's id of the host."""
    calendar_id: str
    without_link: str
    """Heading of the bookings that wait for a link or get none."""
    all_have_links: str
    """There is no booking without a link."""
    all_without: str
    """Label of the link to all bookings without a link."""
    upcoming: str
    """Heading of the bookings that are not over."""
    results: str
    """Heading of the bookings that the filters find."""
    none_upcoming: str
    none_found: str
    """The filters find no booking."""
    not_found: str
    """There is no booking with this id. `{id}`."""
    more_pages: str
    """This page of a filtered list is empty or short, and others may follow."""
    booking: str
    """Label of a column: the booking's title."""
    back: str
    """Label of the link to the list."""
    link: str
    """Label of the field with the link to join."""
    link_hint: str
    """How to copy the link."""
    why: str
    """Label of the reason of the link's state."""
    what_to_do: str
    """Label of the advice."""
    advice: dict[str, str]
    """What a support person can do, by the `MeetingReason`."""
    next_attempt: str
    """Label of the time of the next attempt."""
    booked_at: str
    """Label of the time of booking."""
    retry_notice: str
    """After "Try again". `{reload}`: a link with the text `reload`."""
    resend_notice: str
    """After an invitation was requested once more. `{reload}`: a link with the text `reload`."""
    reload: str
    emails: str
    """Heading of the emails."""
    recipient: str
    email_state: str
    answer: str
    email_states: dict[InvitationState, str]
    not_yet: str
    """No email was sent to this person yet."""
    no_answer: str
    resend: str
    """Label of the button that sends an invitation once more."""
    resend_to: str
    """Added to that button for screen readers. `{email}`."""
    history: str
    """Heading."""
    history_hint: str
    """How much the history contains."""
    entries: dict[HistoryKind, str]
    """What happened. `{state}`: of the link; `{count}`: of recipients; `{minutes}`; `{who}`, `{answer}`: of a person;
    `{verdict}`: who came."""
    mailed_again: str
    """An invitation was sent once more. `{count}`."""
    mailed_cancellation: str
    """A cancellation was sent. `{count}`."""
    someone: str
    """A person who has no part in the booking any more."""
    reports: dict[str, str]
    """What the provider reported, by the `ReportKind`."""
    webhook: str
    """An event that was sent to a webhook endpoint. `{event}`, `{endpoint}`, `{state}`."""
    delivery_states: dict[str, str]
    """By the `DeliveryState`."""
    verdicts: dict[Attendance, str]


class KeysTexts(Struct, frozen=True):
    """The page with the API keys."""

    intro: str
    """What keys are for."""
    key_id: str
    """Label of a column: the key's public id."""
    note: str
    """Label of a column and of a field: what the key is for."""
    created: str
    last_use: str
    """Label of a column. It is exact to a day."""
    never: str
    """The key was not used."""
    empty: str
    revoke: str
    """Label of the button."""
    revoke_which: str
    """Added to that button for screen readers. `{key}`."""
    revoke_warning: str
    """What revoking means."""
    revoked: str
    """After a key was revoked."""
    create_title: str
    """Heading of the form."""
    create: str
    """Label of the button."""
    created_title: str
    """Heading above a new key."""
    created_once: str
    """The key is shown only now."""
    sign_in_again: str
    """Creating a key requires a sign-in by email within the last ten minutes."""
    too_many: str
    """The workspace has the most keys that are possible."""


class AuditTexts(Struct, frozen=True):
    """The page with the administrative actions."""

    intro: str
    """What is listed, and how long it is kept."""
    at: str
    action: str
    by: str
    key: str
    """Label of a column: the id of the API key that was used, created or revoked."""
    former: str
    """In place of the address of a person who is not a member."""
    by_link: str
    """A person who came by a link that the caller's backend created with an API key. `{person}`, `{key}`."""
    empty: str


class WebhooksTexts(Struct, frozen=True):
    """The pages with the webhook endpoints, their deliveries, and one delivery."""

    intro: str
    """What is listed, and where endpoints are changed."""
    endpoint: str
    events: str
    """Label of a column: the types of events that the endpoint receives."""
    all_events: str
    state: str
    enabled: str
    disabled: str
    paused: str
    """Failures delay the deliveries. `{when}`: until then."""
    empty: str
    """There is no endpoint."""
    back: str
    """Label of the link to the list of endpoints."""
    event: str
    """Label of the type of an event."""
    at: str
    result: str
    """Label of the result of an attempt."""
    attempts: str
    """Label of the number of attempts, and heading of their list."""
    took: str
    """Label of the time that the response took, in milliseconds."""
    next_attempt: str
    none_found: str
    """There is no such delivery."""
    resend: str
    """Label of the button that sends one event again."""
    resend_failed: str
    """Label of the button that sends the newest failed events again."""
    resent: str
    """After one event was sent again."""
    resent_failed: str
    """After the failed events were sent again. There may be older ones."""
    is_disabled: str
    """Events cannot be sent again: what to do first."""
    payload: str
    """Heading of the event as it is sent."""


class CalendarsTexts(Struct, frozen=True):
    """The page with the calendars."""

    intro: str
    """What is listed, and where calendars are changed."""
    calendar: str
    host: str
    location: str
    bookings: str
    """Label of the link to a calendar's bookings."""
    bookings_of: str
    """Added to that link for screen readers. `{calendar}`."""
    empty: str


class BrandTexts(Struct, frozen=True):
    """The page with the brand and the settings of emails."""

    intro: str
    """What the settings apply to."""
    brand: str
    """Heading of name, color, logo and footer."""
    name: str
    name_hint: str
    color: str
    color_hint: str
    logo: str
    logo_hint: str
    footer: str
    footer_hint: str
    sender: str
    """Label of the address that emails are sent from."""
    sender_hint: str
    """The operator changes it."""
    default_sender: str
    """In place of the workspace's own sender address."""
    emails: str
    """Heading of the settings of emails."""
    email_guests: str
    email_host: str
    emails_hint: str
    """From when these choices apply, and what goes before them."""
    language: str
    language_hint: str
    default_language: str
    """The choice of no language."""
    hold: str
    """Label of the number of minutes."""
    hold_hint: str
    save: str
    """Label of the button."""
    saved: str
    """After the settings were changed."""
    problems: dict[str, str]
    """What is wrong, by the field: `color`, `logo_url`, `hold_minutes` or `other`."""


class OverviewTexts(Struct, frozen=True):
    """The page with the charts."""

    waiting: str
    """Label: meetings that wait for their link now."""
    broken: str
    """Label: connections that must be connected again."""
    links: str
    """Label: bookings that got a link."""
    failures: str
    """Label: bookings whose link could not be made."""
    median: str
    """Label: half of the links took no longer."""
    p95: str
    """Label: 95 of 100 links took no longer."""
    unknown: str
    """Instead of a figure that cannot be read now."""
    no_figure: str
    """Instead of a time, if there was no link."""
    period: str
    """Name of the choice of a period, for screen readers."""
    last_days: str
    """Label of a period. `{count}`."""
    links_by_day: str
    """Heading of a chart."""
    links_summary: str
    """What the chart shows, for screen readers. `{links}`, `{failures}`."""
    times_by_day: str
    """Heading of a chart."""
    times_summary: str
    """What the chart shows, for screen readers. `{median}`, `{p95}`."""
    table: str
    """Opens the table with the figures."""
    day: str
    """Label of a column."""
    empty: str
    """There were no links in the period."""
    note: str
    """Where the figures come from."""
    under_a_second: str
    """A time to link."""
    over_an_hour: str
    """A time to link."""
    seconds: str
    """`{count}`, as short as possible."""
    minutes: str
    """`{count}`, as short as possible."""
    hours: str
    """`{count}`, as short as possible."""


class PeopleTexts(Struct, frozen=True):
    """The page with the people and their connections."""

    intro: str
    """What the page shows, and what the button does."""
    accounts: str
    """Heading of the list of connections."""
    hosts: str
    """Heading of the list of hosts without a connection."""
    person: str
    """Label of a column."""
    account: str
    """Label of a column."""
    last_meeting: str
    """Label of a column."""
    send: str
    """Label of the button that emails a connect link."""
    sent: str
    """After that."""
    too_often: str
    """The link was requested too often."""
    filter: str
    """Name of the choice of a state, for screen readers."""
    everyone: str
    """The choice of no state."""
    none: str
    """The list is empty."""
    partial: str
    """Only the next bookings that wait were counted."""
    states: dict[ConnectionState, str]
    waiting_bookings: Plural
    """Label of the link to a person's bookings that wait for their link."""


class WorkspaceTexts(Struct, frozen=True):
    """The workspace's own pages."""

    shell: ShellTexts
    bookings: BookingsTexts
    webhooks: WebhooksTexts
    calendars: CalendarsTexts
    brand: BrandTexts
    members: MembersTexts
    overview: OverviewTexts
    people: PeopleTexts
    keys: KeysTexts
    audit: AuditTexts
