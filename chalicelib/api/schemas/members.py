"""Members of the workspace, and links to its pages: what callers send and receive."""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Any

from msgspec import Meta, Struct

from chalicelib.api.schemas.fields import Email, EmailAddress, NextCursor, Timestamp
from chalicelib.domain.invitation import address_key
from chalicelib.domain.members import MAX_MEMBERS, members_of
from chalicelib.domain.workspace import Member as DomainMember
from chalicelib.domain.workspace import MemberRole, Workspace
from chalicelib.validation import requires

Role = Annotated[MemberRole, Meta(description="What the person may do", examples=["support"])]


def _repeated_addresses(members: list[Any]) -> str | None:
    """Items are not converted yet, and may be invalid themselves."""
    addresses = Counter(address_key(str(member.get("email"))) for member in members if isinstance(member, dict))
    repeated = sorted(email for email, number in addresses.items() if number > 1)
    return f"An address can be listed once: {', '.join(repeated[:5])}" if repeated else None


class MemberBody(Struct, forbid_unknown_fields=True):
    """A person who may open the workspace's pages."""

    email: Email
    role: Role = MemberRole.SUPPORT


class MembersBody(Struct, forbid_unknown_fields=True):
    """All members of the workspace."""

    members: Annotated[
        list[MemberBody],
        Meta(max_length=MAX_MEMBERS, description="Members who are left out are removed"),
        requires(_repeated_addresses),
    ]


class Member(Struct):
    """A person who may open the workspace's pages."""

    email: EmailAddress
    role: Role


class MemberPage(Struct):
    """All members of the workspace."""

    items: Annotated[list[Member], Meta(description="In the order in which they were set")]
    next_cursor: NextCursor


class WorkspaceLinkBody(Struct, forbid_unknown_fields=True):
    """A person who may open the workspace's pages by a link."""

    email: Annotated[
        Email, Meta(description="The person's e-mail address. The page shows it", examples=["support@example.com"])
    ]
    role: Role = MemberRole.SUPPORT


class WorkspaceLink(Struct):
    """A single-use link that opens the workspace's pages."""

    url: Annotated[
        str,
        Meta(
            description="Send the person's browser there",
            examples=["https://meetlink.example/workspace/sign-in/Fut22_JwO"],
        ),
    ]
    expires_at: Annotated[Timestamp, Meta(description="Ten minutes after it was created, RFC 3339 in UTC")]


def parse_members(members: list[MemberBody]) -> list[DomainMember]:
    return [DomainMember(member.email, member.role) for member in members]


def format_members(workspace: Workspace) -> MemberPage:
    return MemberPage([Member(member.email, member.role) for member in members_of(workspace)], None)
