"""What a command of the command line is, and options that several commands have."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any

from chalicelib import wiring

Options = argparse.Namespace
Run = Callable[[Options, wiring.Services], dict[str, Any]]
AddOptions = Callable[[argparse.ArgumentParser], None]


class Recorded(Enum):
    """When a command is recorded in the audit trail before it runs."""

    NEVER = "never"
    """It only reads, or it is an operation, which records itself."""
    APPLIED = "applied"
    """With `--yes`: without it, the command changes nothing and reports what it would do."""
    ALWAYS = "always"


@dataclass(frozen=True)
class Command:
    """One command."""

    name: str
    """Its words, such as `booking list`."""
    help: str
    run: Run
    add_options: AddOptions
    recorded: Recorded = Recorded.NEVER
    columns: tuple[str, ...] = ()
    """The columns of its table for people, as paths into an item: `meeting.state`."""
    is_json: bool = False
    """Whether the result is for programs only."""


def add_workspace(parser: argparse.ArgumentParser, *, required: bool = True) -> None:
    text = "the workspace's id" if required else "only this workspace"
    parser.add_argument("--workspace", dest="workspace_id", metavar="ID", required=required, help=text)


def add_start_range(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--from", dest="starts_from", type=moment, help="bookings that start at this time or later")
    parser.add_argument("--to", dest="starts_before", type=moment, help="bookings that start before this time")


def add_yes(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--yes", action="store_true", help="apply the changes; without it, report what would be done")


def add_limit(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--limit", type=int, default=100, help="the most items to list; default: 100")


def moment(text: str) -> datetime:
    """Parse a time with an offset."""
    parsed = datetime.fromisoformat(text)
    if parsed.tzinfo is None:
        raise argparse.ArgumentTypeError("add the UTC offset, as in 2027-01-05T00:00:00+01:00")
    return parsed
