"""Hand out work so that no workspace and no endpoint occupies more than its share of a process's workers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable
from typing import Generic, TypeVar

from msgspec import Struct

T = TypeVar("T")


class Share(Struct, Generic[T], frozen=True):
    """How many items of one group may be in work at the same time."""

    group_of: Callable[[T], Hashable]
    limit: int


class FairDesk(Generic[T]):
    """Work that waits, in order, and the groups of what is in work. Used by one thread."""

    def __init__(self, workers: int, shares: Iterable[Share[T]]) -> None:
        self._workers = workers
        self._shares = tuple(shares)
        self._waiting: dict[T, None] = {}
        self._in_work: set[T] = set()
        self._used: list[Counter[Hashable]] = [Counter() for _ in self._shares]

    @property
    def free_workers(self) -> int:
        return self._workers - len(self._in_work)

    def is_working_for(self, item: T) -> bool:
        """Return whether anything of the item's group of the first share is in work."""
        group_of = self._shares[0].group_of
        return self._used[0][group_of(item)] > 0

    def add(self, items: Iterable[T], most: int | None = None) -> None:
        """Add work at the end. Work that waits or is in work already is not added again.

        `most` is how much of one group of the first share may be at the desk; more is left out.
        """
        group_of = self._shares[0].group_of
        present = Counter(group_of(item) for item in (*self._waiting, *self._in_work))
        for item in items:
            if item not in self._in_work and (most is None or present[group_of(item)] < most):
                self._waiting[item] = None
                present[group_of(item)] += 1

    def drop_waiting(self) -> None:
        """Leave out the work that waits."""
        self._waiting.clear()

    def take(self) -> list[T]:
        """Return the work to start now, within the shares and as far as workers are free."""
        taken: list[T] = []
        for item in self._waiting:
            if not self.free_workers:
                break
            if self._has_share(item):
                taken.append(item)
                self._count(item, 1)
                self._in_work.add(item)
        for item in taken:
            del self._waiting[item]
        return taken

    def release(self, item: T) -> None:
        """Record that an item is no longer in work."""
        self._in_work.discard(item)
        self._count(item, -1)

    def _has_share(self, item: T) -> bool:
        return all(
            used[share.group_of(item)] < share.limit for share, used in zip(self._shares, self._used, strict=True)
        )

    def _count(self, item: T, change: int) -> None:
        for share, used in zip(self._shares, self._used, strict=True):
            used[share.group_of(item)] += change
