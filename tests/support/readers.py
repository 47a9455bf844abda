"""Other people's calendar libraries, to read what the product writes: libical (C), ical.js (JavaScript), vobject."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
import vobject

_CONTRACT = Path(__file__).parents[1] / "contract"
_BUILD = Path(__file__).parents[2] / "build"


@dataclass(frozen=True)
class Entry:
    """What a library read: the event's instants, its name and number, and how many attend."""

    starts_at: datetime
    ends_at: datetime
    uid: str
    sequence: int
    attendees: int


@dataclass(frozen=True)
class Verdict:
    """libical's: `errors` counts what it noted while reading and checking; `entry` is None if there is no event."""

    passes: bool
    errors: int
    entry: Entry | None


class Libical:
    """`icalrestriction_check`, which enforces iTIP's rules for each method."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        if shutil.which("gcc") is None or not Path("/usr/include/libical/ical.h").exists():
            _missing("gcc and libical-dev are missing: iTIP's rules were NOT checked")
        self._program = directory / "check"
        source = _CONTRACT / "libical" / "check.c"
        subprocess.run(["gcc", "-O1", "-Wall", "-o", self._program, source, "-lical"], check=True)

    def __call__(self, calendars: Sequence[bytes]) -> list[Verdict]:
        command = [self._program, *_files(self._directory, calendars)]
        done = subprocess.run(command, check=True, capture_output=True, text=True, encoding="utf-8", timeout=60)
        return [_verdict(line.split("\t")) for line in done.stdout.splitlines()]


class IcalJs:
    """ical.js, installed from its lock file into the build folder if it is not there yet."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        if shutil.which("node") is None or shutil.which("npm") is None:
            _missing("Node.js and npm are missing: ical.js did NOT read the invitations")
        source, self._home = _CONTRACT / "icaljs", _BUILD / "icaljs"
        self._home.mkdir(parents=True, exist_ok=True)
        with (self._home / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            wanted, installed = (source / "package-lock.json").read_bytes(), self._home / ".installed"
            for name in ("package.json", "package-lock.json", "read.mjs"):
                shutil.copyfile(source / name, self._home / name)
            if not installed.exists() or installed.read_bytes() != wanted:
                command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline"]
                subprocess.run(command, cwd=self._home, check=True, timeout=300)
                installed.write_bytes(wanted)

    def __call__(self, calendars: Sequence[bytes]) -> list[Entry]:
        command = ["node", "read.mjs", *_files(self._directory, calendars)]
        done = subprocess.run(command, cwd=self._home, check=True, capture_output=True, text=True, timeout=60)
        found = map(json.loads, done.stdout.splitlines())
        return [Entry(_at(f["starts"]), _at(f["ends"]), f["uid"], f["sequence"], len(f["attendees"])) for f in found]


def read_with_vobject(calendar: bytes) -> Entry:
    event = vobject.readOne(calendar.decode()).vevent
    attendees = len(event.contents.get("attendee", []))
    return Entry(
        event.dtstart.value.astimezone(UTC),
        event.dtend.value.astimezone(UTC),
        event.uid.value,
        int(event.sequence.value),
        attendees,
    )


def _verdict(fields: list[str]) -> Verdict:
    passes, errors, starts, ends, attendees, sequence, uid = fields
    entry = Entry(_at(int(starts)), _at(int(ends)), uid, int(sequence), int(attendees)) if uid else None
    return Verdict(passes == "1", int(errors), entry)


def _files(directory: Path, calendars: Sequence[bytes]) -> list[Path]:
    paths = [directory / f"{number}.ics" for number in range(len(calendars))]
    for path, octets in zip(paths, calendars, strict=True):
        path.write_bytes(octets)
    return paths


def _at(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _missing(message: str) -> None:
    pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)
