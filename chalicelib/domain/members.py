"""Members of a workspace: the people who may open its pages."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from msgspec.structs import replace

from chalicelib.domain.invitation import address_key
from chalicelib.domain.workspace import Member, MemberRole, Workspace

MAX_MEMBERS = 100


def members_of(workspace: Workspace) -> tuple[Member, ...]:
    """Return the workspace's members. Until they are set, they are its administrators' addresses."""
    if workspace.members is not None:
        return workspace.members
    admins = {address_key(email): Member(email, MemberRole.ADMIN) for email in workspace.admin_emails}
    return tuple(admins.values())


def find_member(workspace: Workspace, email: str) -> Member | None:
    """Return the member with this address."""
    key = address_key(email)
    return next((member for member in members_of(workspace) if address_key(member.email) == key), None)


def with_members(workspace: Workspace, members: Iterable[Member]) -> Workspace:
    """Return the workspace with these members. Former members get no more emails as administrators either."""
    members = tuple(members)
    former = member_keys(workspace) - {address_key(member.email) for member in members}
    notified = tuple(email for email in workspace.admin_emails if address_key(email) not in former)
    return replace(workspace, members=members, admin_emails=notified)


def without_member(workspace: Workspace, email: str) -> Workspace:
    """Return the workspace without the member or administrator with this address; unchanged if there is none."""
    key = address_key(email)
    remaining = [member for member in members_of(workspace) if address_key(member.email) != key]
    notified = tuple(email for email in workspace.admin_emails if address_key(email) != key)
    if workspace.members is not None and len(remaining) != len(workspace.members):
        workspace = with_members(workspace, remaining)
    return replace(workspace, admin_emails=notified)


def member_keys(workspace: Workspace) -> set[str]:
    """Return the `address_key` of every member."""
    return {address_key(member.email) for member in members_of(workspace)}


def member_digest(email: str) -> str:
    """Return the digest of an address: in the key of its reference, and in the audit trail."""
    return hashlib.sha256(address_key(email).encode()).hexdigest()[:32]
