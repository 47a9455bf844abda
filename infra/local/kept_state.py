"""What `make run` keeps from one start to the next: the tables, the key, the inbox, and the provider's meetings.

A clean stop writes it. After a crash, the next start continues from the last clean stop.
"""

from __future__ import annotations

import hashlib
import pickle
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from infra.local.console.mailbox import Mail
from infra.local.console.received import ReceivedWebhook

ROOT = Path(__file__).parents[2]
_FORMAT = ("infra/tables.yaml", "infra/indexes.yaml", "infra/local/**/*.py")
"""Sources that decide what the kept data looks like."""


@dataclass
class StackData:
    """The data of a stack that is not in the local AWS."""

    tag_secret: str
    api_key: str
    webhook_secret: str
    skipped: timedelta = timedelta()
    mails: list[Mail] = field(default_factory=list)
    webhooks: list[ReceivedWebhook] = field(default_factory=list)
    stand_ins: dict[str, list[list[Any]]] = field(default_factory=dict)
    """What `StandIn.keep` returns, by the provider's name."""


class KeptState:
    """A directory with the data of one stack."""

    def __init__(self, directory: Path, report: Callable[[str], object] = lambda _: None) -> None:
        """Data of another version of the stack is deleted, and `report` is called with a line about it."""
        self._directory = directory
        self._file = directory / "stack.pickle"
        self.data: StackData | None = None
        """What the last clean stop kept; None at the first start."""
        if not self._file.exists():
            self.forget()
        elif self._format_file.read_text(encoding="utf-8") != _format():
            report("the kept data is of another version: starting over ...")
            self.forget()
        else:
            self.data = pickle.loads(self._file.read_bytes())  # noqa: S301 — written by `keep`

    @property
    def aws_environment(self) -> dict[str, str]:
        """The settings with which the local AWS keeps its data here."""
        return {"PERSIST_STATE": "1", "STATE_DIR": str(self._directory / "aws")}

    @property
    def _format_file(self) -> Path:
        return self._directory / "format"

    def keep(self, data: StackData) -> None:
        """Write the data. The local AWS writes its own when it stops."""
        self._directory.mkdir(parents=True, exist_ok=True)
        unfinished = self._file.with_suffix(".unfinished")
        unfinished.write_bytes(pickle.dumps(data))
        self._format_file.write_text(_format(), encoding="utf-8")
        unfinished.replace(self._file)

    def forget(self) -> None:
        """Delete everything that was kept."""
        shutil.rmtree(self._directory, ignore_errors=True)
        self.data = None


def _format() -> str:
    digest = hashlib.sha256()
    for pattern in _FORMAT:
        for path in sorted(ROOT.glob(pattern)):
            digest.update(path.read_bytes())
    return digest.hexdigest()
