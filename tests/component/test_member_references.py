"""An address leads to its workspaces, in whatever order two administrators change the members at the same time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import permutations
from threading import Condition
from typing import Any

from chalicelib.domain.members import find_member, with_members
from chalicelib.domain.workspace import Member, MemberRole, Workspace
from chalicelib.errors import LostRace
from chalicelib.usecases.members import Members
from tests.support.product import Product

FIRST = Member("first@example.com", MemberRole.ADMIN)
SECOND = Member("second@example.com", MemberRole.SUPPORT)
WAIT_SECONDS = 20


class Turns:
    """The order in which actors call the stores. Those whose turns are used up go on freely."""

    def __init__(self, order: Iterable[str]) -> None:
        self._order = deque(order)
        self._changed = Condition()

    def call(self, actor: str, function: Callable[..., Any], *args: Any) -> Any:
        with self._changed:
            assert self._changed.wait_for(lambda: actor not in self._order or self._order[0] == actor, WAIT_SECONDS)
            try:
                return function(*args)
            finally:
                if actor in self._order:
                    self._order.popleft()
                self._changed.notify_all()

    def end(self, actor: str) -> None:
        with self._changed:
            self._order = deque(other for other in self._order if other != actor)
            self._changed.notify_all()


class Ordered:
    """A store whose calls take their turn."""

    def __init__(self, store: Any, turns: Turns, actor: str) -> None:
        self._store, self._turns, self._actor = store, turns, actor

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return lambda *args: self._turns.call(self._actor, getattr(self._store, name), *args)


def change(product: Product, turns: Turns, actor: str, members: tuple[Member, ...]) -> None:
    """Read the workspace and store it with these members, as a page does."""
    workspaces: Any = Ordered(product.services.workspace_store, turns, actor)
    references: Any = Ordered(product.services.reference_store, turns, actor)
    try:
        with suppress(LostRace):
            Members(workspaces, references).store(with_members(workspaces.get("ws-1"), members))
    finally:
        turns.end(actor)


def stored(product: Product) -> Workspace:
    workspace = product.services.workspace_store.get("ws-1")
    assert workspace
    return workspace


def test_a_member_who_is_added_again_at_once_keeps_the_reference(product: Product) -> None:
    product.caller()
    both_were_stored = 0
    for order in sorted(set(permutations("rrrr" + "aaaa"))):
        product.services.members.store(with_members(stored(product), [FIRST, SECOND]))
        version, turns = stored(product).version, Turns(("r", *order))
        with ThreadPoolExecutor(2) as actors:
            removing = actors.submit(change, product, turns, "r", (FIRST,))
            adding = actors.submit(change, product, turns, "a", (FIRST, SECOND))
            assert (removing.result(), adding.result()) == (None, None)
        workspace = stored(product)
        both_were_stored += workspace.version == version + 2
        if find_member(workspace, SECOND.email):
            assert product.services.reference_store.list_workspaces(SECOND.email) == ["ws-1"], order
    assert both_were_stored
