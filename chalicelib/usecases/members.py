"""Store changes of workspaces whose members may change: an address leads to its workspaces by the references table."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from chalicelib.domain.invitation import address_key
from chalicelib.domain.members import MAX_MEMBERS, find_member, member_keys, members_of
from chalicelib.domain.workspace import Member, Workspace
from chalicelib.errors import InvalidInput
from chalicelib.store.references import ReferenceStore
from chalicelib.store.workspaces import WorkspaceStore


class Members:
    """The members of all workspaces."""

    def __init__(self, workspaces: WorkspaceStore, references: ReferenceStore) -> None:
        self._workspaces = workspaces
        self._references = references

    def store(self, workspace: Workspace) -> None:
        """Store a workspace that was read, or a new one, with the references of its members.

        A reference is written before the workspace, and removed after it: a crash leaves one too many, which does no
        harm, because the workspace decides. It is written again after the workspace, because another process may just
        have removed it for an earlier version. Raises `InvalidInput` for too many members, and `LostRace`.
        """
        members = members_of(workspace)
        if len(members) > MAX_MEMBERS:
            raise InvalidInput(f"A workspace can have at most {MAX_MEMBERS} members.")
        stored = self._workspaces.get(workspace.workspace_id) if workspace.version else None
        before = members_of(stored) if stored else ()
        added = [member for member in members if stored is None or find_member(stored, member.email) is None]
        self._add_references(added, workspace.workspace_id)
        self._workspaces.put(workspace)
        self._add_references(added, workspace.workspace_id)
        remaining = member_keys(workspace)
        self._remove_references([m for m in before if address_key(m.email) not in remaining], workspace.workspace_id)

    def _add_references(self, members: Iterable[Member], workspace_id: str) -> None:
        for member in members:
            self._references.add_member(member.email, workspace_id)

    def _remove_references(self, former: Collection[Member], workspace_id: str) -> None:
        """Remove the references of former members, except those who were added again meanwhile."""
        for member in former:
            self._references.remove_member(member.email, workspace_id)
        current = self._workspaces.get(workspace_id) if former else None
        if current is not None:
            self._add_references([m for m in former if find_member(current, m.email)], workspace_id)

    def restore_references(self, workspace: Workspace) -> int:
        """Write the references of all members again. Return how many there are."""
        members = members_of(workspace)
        self._add_references(members, workspace.workspace_id)
        return len(members)

    def workspaces_of(self, email: str) -> list[tuple[Workspace, str]]:
        """Return each workspace with a member of this address, and the address as that workspace spells it."""
        workspaces = (self._workspaces.get(workspace_id) for workspace_id in self._references.list_workspaces(email))
        members = ((workspace, find_member(workspace, email)) for workspace in workspaces if workspace)
        return [(workspace, member.email) for workspace, member in members if member]
