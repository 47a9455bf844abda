"""The texts that every language provides for the workspace's own pages. `catalogue` says how to write them."""

from __future__ import annotations

from msgspec import Struct

from chalicelib.domain.workspace import MemberRole


class ShellTexts(Struct, frozen=True):
    """What all of these pages share, and signing in."""

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
    """Why nothing was changed: `email`, `exists`, `too_many` or `yourself`."""


class WorkspaceTexts(Struct, frozen=True):
    """The workspace's own pages."""

    shell: ShellTexts
    members: MembersTexts
