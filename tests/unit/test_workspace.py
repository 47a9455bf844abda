"""A workspace's API keys."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.workspace import Workspace, accepts_key, issue_key, revoke_key, workspace_of_key
from tests.support.clock import START

WORKSPACE = Workspace("ws-1", "Example", START)
IDS = st.text("ABCXYZabcxyz019._:-", min_size=1, max_size=128)


@given(IDS)
def test_a_key_names_its_workspace_and_is_accepted_there(workspace_id: str) -> None:
    workspace, key = issue_key(Workspace(workspace_id, "Example", START), now=START)
    assert workspace_of_key(key) == workspace_id
    assert accepts_key(workspace, key)


def test_a_key_is_never_kept_and_no_two_are_alike() -> None:
    keys = [issue_key(WORKSPACE, now=START) for _ in range(20)]
    assert len({key for _, key in keys}) == 20
    assert not any(key.rsplit(".", 1)[1] in repr(workspace) for workspace, key in keys)


def test_a_key_of_another_workspace_is_not_accepted() -> None:
    ours, _ = issue_key(WORKSPACE, now=START)
    _, theirs = issue_key(WORKSPACE, now=START)
    assert not accepts_key(ours, theirs)


def test_a_secret_does_not_open_under_another_keys_id() -> None:
    workspace, first = issue_key(WORKSPACE, now=START)
    workspace, second = issue_key(workspace, now=START)
    mixed = ".".join([*first.split(".")[:3], second.split(".")[3]])
    assert accepts_key(workspace, first) and accepts_key(workspace, second)
    assert not accepts_key(workspace, mixed)


def test_a_revoked_key_is_not_accepted_and_the_others_are() -> None:
    workspace, first = issue_key(WORKSPACE, now=START)
    workspace, second = issue_key(workspace, now=START)
    after = revoke_key(workspace, first.split(".")[2])
    assert not accepts_key(after, first)
    assert accepts_key(after, second)
    assert revoke_key(after, "00000000") == after


@pytest.mark.parametrize(
    "text",
    [
        "",
        "...",
        "meetlink",
        "meetlink.ws-1",
        "meetlink.ws-1.id",
        "meetlink..id.x",
        "meetlink.ws-1..x",
        "meetlink.ws-1.id.",
        "other.ws-1.id.x",
        " meetlink.ws-1.id.x",
    ],
)
def test_what_cannot_be_a_key_names_no_workspace(text: str) -> None:
    assert workspace_of_key(text) is None


@given(st.text())
def test_no_text_at_all_is_accepted_or_an_error(text: str) -> None:
    workspace, _ = issue_key(WORKSPACE, now=START)
    if workspace_of_key(text) is not None:
        assert not accepts_key(workspace, text)
