"""The texts that every language provides.

To add a language, copy `en.py` to the language's code, translate its values, and run `python -m infra.cldr`.

Texts are `str.format` templates. Keep the placeholders in braces that a field's docstring names; you may reorder them.
Address people politely (in German: "Sie"), and write short sentences.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from chalicelib.domain.invitation import Trouble
from chalicelib.domain.meeting import Meeting
from chalicelib.wording.formats import Formats
from chalicelib.wording.page_texts import AnswerTexts, JoinTexts, PageTexts, Plural, SettingsTexts
from chalicelib.wording.workspace_texts import WorkspaceTexts


class InvitationText(Struct, frozen=True):
    """The texts of one kind of email about a booking: new, changed, cancelled or soon to start."""

    label: str
    """The kind in one word, above the title."""
    subject: str
    """`{title}`, `{when}`: the booking's title and start."""
    to_guest: str
    """The first sentence for a guest. `{host}`: the host's name."""
    to_host: str
    """The first sentence for the host."""


class NoticeText(Struct, frozen=True):
    """The texts of one notice. The placeholders are the same in all fields; `Wording` names them for each notice."""

    subject: str
    heading: str
    paragraphs: tuple[str, ...]
    button: str = ""
    """The button's label, if the notice has a link."""
    footnote: str = ""
    """A small line below the button."""


class Wording(Struct, frozen=True):
    """All texts of one language."""

    language: str
    """The language's tag, such as `en` or `en-US` (BCP 47)."""
    formats: Formats
    """Dates, clocks and cities, from the CLDR."""
    plural: Callable[[int], str]
    """The form for a number: one of `wording.plurals`."""
    time_in: Callable[[str], str]
    """The name of a time zone by its city, such as `New York time`."""
    start: str
    """A start in a subject. `{date}`, `{clock}`, `{zone}`."""
    span: str
    """Start and end on one day. `{date}`, `{range}`, `{zone}`."""
    long_span: str
    """Start and end on different days. `{start}`, `{start_clock}`, `{end}`, `{end_clock}`, `{zone}`."""

    invited: InvitationText
    updated: InvitationText
    cancelled: InvitationText
    handed_over: InvitationText
    """The provider's event replaces our calendar entry, which the email removes. The booking takes place."""
    reminder: InvitationText
    """Before the start, minutes or weeks."""

    gap: str
    """Between two sentences of a paragraph. Japanese has none."""
    untitled: str
    """The title of a booking without one."""
    when: str
    """Label of the time."""
    before: str
    """In plain text, introduces what the last email said. HTML strikes it through."""
    where: str
    """Label of the place."""
    host: str
    """Label of the host, in a guest's email."""
    guests: str
    """Label of the guests."""
    and_more: Plural
    """The last line of a long list. `{count}`: the number of items that are not listed."""
    passcode: str
    """Label of the passcode."""
    dial_in: str
    """Label of the phone numbers."""
    details: str
    """Label of the booking's description."""

    video: str
    """The place: a video meeting."""
    by_phone: str
    """The place: a phone call."""
    in_person: str
    """The place: in person, without an address."""
    online: str
    """The place: a web page of the caller's."""
    link_follows: str
    """The place: a video meeting that has no link yet."""
    no_link_guest: str
    """The place, for a guest: a video meeting, but its link could not be created."""
    no_link_host: str
    """The place, for the host: a video meeting, but its link could not be created."""
    join: str
    """Label of the button that opens the meeting."""
    join_at: str
    """The first line of a calendar entry. `{link}`."""
    link_below_button: str
    """Introduces the link as text, for email programs that do not show the button."""
    reschedule: str
    """Label of the link to reschedule."""
    cancel: str
    """Label of the link to cancel."""
    change_by_reply: str
    """For a guest without these links: how to reschedule or cancel."""
    add_to_calendar: str
    """Introduces links to web calendars, such as Google Calendar, then `entry_file`."""
    google_calendar: str
    """Google's own name for its calendar."""
    entry_file: str
    """The last item after `add_to_calendar`: the attached file invite.ics."""
    event_in_calendar: str
    """Instead of `add_to_calendar`: the provider's event is in the recipient's calendar. `{email}`: the recipient."""
    event_outdated: str
    """After the first sentence, while the event could not be changed. `{email}`."""
    event_removed: str
    """As `event_in_calendar`, for a cancellation. `{email}`."""
    entry_replaced: str
    """In our calendar entry, when the provider's event replaces it."""
    footer: str
    """`{service}`: the name of the workspace's brand or of the service."""

    reconnect: NoticeText
    """An account must be connected again. `{provider}`, `{account}`."""
    undelivered: NoticeText
    """An email to a guest was not delivered. `{guest}`, `{title}`, `{when}`, `{why}`: one of `trouble_reasons`."""
    delayed: NoticeText
    """An email to a guest is delayed. `{guest}`, `{title}`, `{when}`."""
    no_meeting: NoticeText
    """A meeting could not be created. `{title}`, `{when}`, `{advice}`: what the host can do."""
    not_changed: NoticeText
    """A meeting could not be changed. `{title}`, `{when}`, `{advice}`."""
    not_deleted: NoticeText
    """A meeting could not be deleted. `{title}`, `{when}`, `{advice}`."""
    declined: NoticeText
    """A guest declined. `{guest}`, `{title}`, `{when}`."""
    connect: NoticeText
    """A connect link that a member of the workspace sends a host. `{workspace}`."""
    sign_in: NoticeText
    """A link to the pages of a workspace. `{workspace}`: its name, or the service's if there are several."""
    proposed: NoticeText
    """A guest proposes another time. `{guest}`, `{title}`, `{when}`, `{proposed}`."""
    trouble_reasons: dict[Trouble, str]
    """Why an email was not delivered, in a sentence or two."""
    sent_for: str
    """The last line of a notice, if it is sent for a workspace. `{workspace}`, `{service}`."""
    reasons: dict[str, str]
    """Why a meeting is in its state: a sentence for each `MeetingReason`."""
    sentences: dict[str, str]
    """What providers and settling say, by the English sentence. Empty in English."""
    join_page: JoinTexts
    answer_page: AnswerTexts
    pages: PageTexts
    settings_page: SettingsTexts
    workspace_pages: WorkspaceTexts

    def count(self, text: Plural, number: int) -> str:
        """Return the form of `text` for `number`."""
        form = text.one if text.one is not None and self.plural(number) == "one" else text.other
        return form.format(count=number)

    def translate(self, sentence: str) -> str:
        """Return a sentence of a provider in this language; in English if there is no translation."""
        return self.sentences.get(sentence, sentence)

    def explain(self, meeting: Meeting) -> str:
        """Return why the meeting is in its state, or an empty text. A detail is more specific than its reason."""
        detail, reason = meeting.detail or "", self.reasons.get(meeting.reason or "", "")
        is_known = not self.sentences or detail in self.sentences
        return self.translate(detail) if detail and (is_known or not reason) else reason
