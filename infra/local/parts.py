"""What is put together from parts that have to be stopped."""

from __future__ import annotations

from contextlib import ExitStack
from types import TracebackType
from typing import Self


class Assembly:
    """Enters by `_start`, which puts its parts on `_parts`. They end last first, also if a later one does not start."""

    def __init__(self) -> None:
        self._parts = ExitStack()

    def _start(self) -> None:
        raise NotImplementedError

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self._parts.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._parts.close()
