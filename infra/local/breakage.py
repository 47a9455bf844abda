"""Everything that can be broken in the local stack on purpose, by name: for the console, `make break` and scripts."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from infra.local.clock import LocalClock
from infra.local.mail_reports import MailReports, ReportedAs
from infra.local.standins.base import HeldMeeting
from infra.local.standins.catalogue import StandIn
from infra.local.standins.faults import Action, Fault, Faults

_SEND_PATH = r"^/v2/email/outbound-emails$"
_RECEIVE_PATH = r"^/webhooks/receive$"
_CREATE_PATH = r"(/meetings|/events|/onlineMeetings|/rooms|/spaces)$"
_SLOW_SECONDS = 8.0
"""Less than the 15 seconds that the product waits for a provider, more than the 5 seconds of a fast receiver."""


class UnknownBreak(LookupError):
    """There is nothing of this name to break."""


class NotPossible(Exception):
    """It cannot be broken in this stack, or not now. The message says why."""


@dataclass(frozen=True)
class Break:
    """One thing that can be broken."""

    name: str
    title: str
    effect: str
    """What the product then does."""
    start: Callable[[], object]
    repair: Callable[[], object] | None = None
    """Ends it; None: it happens once."""


class Breakage:
    """What is broken at the moment. Safe to use from many threads."""

    def __init__(self, breaks: Iterable[Break]) -> None:
        self._breaks = {fault.name: fault for fault in breaks}
        self._active: dict[str, Break] = {}
        self._lock = threading.Lock()

    @property
    def breaks(self) -> Sequence[Break]:
        return list(self._breaks.values())

    @property
    def active(self) -> list[str]:
        """The names of what is broken until it is repaired."""
        with self._lock:
            return list(self._active)

    def start(self, name: str) -> Break:
        """Break something. Raises `UnknownBreak` or `NotPossible`."""
        found = self._breaks.get(name)
        if found is None:
            raise UnknownBreak(f"there is no fault {name!r}; choose one of {', '.join(self._breaks)}")
        with self._lock:
            if name in self._active:
                return found
            found.start()
            if found.repair is not None:
                self._active[name] = found
        return found

    def repair(self) -> None:
        """End everything that is broken. What happened once stays: a deleted meeting, a revoked token, the clock."""
        with self._lock:
            active, self._active = list(self._active.values()), {}
        for fault in active:
            if fault.repair is not None:
                fault.repair()


def provider_breaks(stand_ins: Sequence[StandIn]) -> Iterator[Break]:
    """Yield what can happen at a provider."""
    with_server = [stand_in.faults for stand_in in stand_ins if stand_in.app is not None]
    lost = Fault(_CREATE_PATH, Action.LOST_AFTER, "POST")
    limit = Fault("^/", Action.BEFORE, None, None, status=429, headers=_LATER, body=_ERROR)
    for name, title, effect, fault in (
        (
            "provider-down",
            "Provider is down",
            "Every request gets 503. Meetings wait with `provider_unavailable`, and follow when it is repaired.",
            Fault("^/", Action.BEFORE, None, None, status=503, headers=_LATER, body=_ERROR),
        ),
        (
            "provider-slow",
            "Provider is slow",
            f"Every response takes {_SLOW_SECONDS:.0f} seconds. Meetings stay `pending` for that long.",
            Fault("^/", None, None, None, delay_seconds=_SLOW_SECONDS),
        ),
        (
            "provider-rate-limited",
            "Provider limits the rate",
            "Every request gets 429 with `Retry-After: 30`. Meetings wait with `rate_limited`.",
            limit,
        ),
        (
            "provider-rejects",
            "Provider refuses meetings",
            "Every create gets 400. Meetings are `failed` with `provider_rejected`; the host gets an email.",
            Fault(_CREATE_PATH, Action.BEFORE, "POST", None, status=400, body=_REJECTION),
        ),
        (
            "provider-loses-response",
            "Provider loses a response",
            "The next create succeeds, but its response is lost. The meeting is `pending` for about a minute.",
            lost,
        ),
    ):
        yield _lasting(name, title, effect, with_server, fault)
    yield _daily_limit(stand_ins)
    yield Break("token-revoked", "Access is revoked", _REVOKED, lambda: _revoke(stand_ins))
    yield Break("app-removed", "Host removes the app", _REMOVED, lambda: _remove_app(stand_ins))
    yield Break("meeting-deleted", "Host deletes a meeting", _DELETED, lambda: _delete_latest(stand_ins))
    yield Break("meeting-takes-place", "A meeting takes place", _TAKES_PLACE, lambda: _take_place(stand_ins))


def mail_breaks(console: Faults, reports: MailReports) -> Iterator[Break]:
    """Yield what can happen to emails. `console` are the faults of the stand-in SES."""
    for name, title, effect, status, code, message in (
        ("ses-down", "SES is down", _SES_DOWN, 503, "ServiceUnavailable", "Service unavailable"),
        ("ses-refuses", "SES suspends sending", _SES_REFUSES, 400, "SendingPausedException", "Sending paused"),
        ("ses-throttles", "SES limits the rate", _SES_DOWN, 429, "TooManyRequestsException", "Maximum rate exceeded"),
    ):
        body = {"message": message}
        fault = Fault(_SEND_PATH, Action.BEFORE, "POST", None, 0, status, {"x-amzn-ErrorType": code}, body)
        yield _lasting(name, title, effect, [console], fault)
    for name, title, kind in (
        ("email-bounces", "Emails to guests bounce", ReportedAs.BOUNCE),
        ("email-complaint", "Guests mark emails as spam", ReportedAs.COMPLAINT),
        ("email-delayed", "Emails to guests are delayed", ReportedAs.DELAY),
    ):
        yield Break(name, title, _REPORTED[kind], partial(reports.report_all_as, kind), reports.report_none)


def webhook_breaks(console: Faults) -> Iterator[Break]:
    """Yield what can happen to the console's own webhook receiver."""
    for name, title, effect, fault in (
        (
            "webhook-down",
            "Webhook receiver is down",
            "The console's receiver responds 500. Deliveries are `pending` and retried after 1, 2, 5 … minutes.",
            Fault(_RECEIVE_PATH, Action.BEFORE, "POST", None, status=500, body="broken on purpose"),
        ),
        (
            "webhook-slow",
            "Webhook receiver is slow",
            f"The console's receiver takes {_SLOW_SECONDS:.0f} seconds. After five such responses deliveries pause.",
            Fault(_RECEIVE_PATH, None, "POST", None, delay_seconds=_SLOW_SECONDS),
        ),
        (
            "webhook-gone",
            "Webhook receiver is gone",
            "The console's receiver responds 410 to the next event. The endpoint is disabled.",
            Fault(_RECEIVE_PATH, Action.BEFORE, "POST", None, status=410, body="broken on purpose"),
        ),
    ):
        yield _lasting(name, title, effect, [console], fault)


def clock_breaks(clock: LocalClock, tick: Callable[[], object]) -> Iterator[Break]:
    """Yield spans to skip. `tick` runs what is due afterwards."""
    for name, title, span in (
        ("skip-minute", "Skip a minute", timedelta(minutes=1)),
        ("skip-hour", "Skip an hour", timedelta(hours=1)),
        ("skip-day", "Skip a day", timedelta(days=1)),
    ):
        yield Break(name, title, _SKIPPED, partial(_skip, clock, span, tick))


_LATER = {"Retry-After": "30"}
_ERROR = {"message": "broken on purpose"}
_REJECTION = {"code": 300, "message": "broken on purpose"}
_REVOKED = "The next request finds it out: the connection is `broken`, and host and admins get an email."
_REMOVED = "The provider reports it: the connection is `none` with `deauthorized`. New bookings get no link."
_DELETED = "The latest meeting is deleted at the provider. A new one is created, and the update email has the new link."
_TAKES_PLACE = "Host and guest join the latest meeting and leave. Webhooks report it; attendance follows after the end."
_SES_DOWN = "Invitations are `sending` and retried. Links are not affected."
_SES_REFUSES = "Every email is refused. Invitations stay `sending` until it is repaired. Links are not affected."
_SKIPPED = "What is due by then happens now: retries, reminders, attendance. Webhook signatures carry the new time."
_REPORTED = {
    ReportedAs.BOUNCE: "Emails to guests bounce: `bounced`. The address gets no more emails, so use another next time.",
    ReportedAs.COMPLAINT: "Guests mark emails as spam: `complained`. The address gets no more emails.",
    ReportedAs.DELAY: "Emails to guests are delayed: they stay `sent`, with the reason `delayed`.",
}


def _lasting(name: str, title: str, effect: str, where: Sequence[Faults], fault: Fault) -> Break:
    def start() -> None:
        if not where:
            raise NotPossible("this provider has no server: its links are made without one")
        for faults in where:
            faults.add(fault)

    def repair() -> None:
        for faults in where:
            faults.remove(fault)

    return Break(name, title, effect, start, repair)


def _daily_limit(stand_ins: Sequence[StandIn]) -> Break:
    def limit(is_used_up: bool) -> None:
        limits = [stand_in.limit_day for stand_in in stand_ins if stand_in.limit_day is not None]
        if not limits:
            raise NotPossible("this provider has no daily limit here; choose Zoom")
        for change in limits:
            change(is_used_up)

    effect = "The host's creates and updates of the day are used up. Meetings wait until 00:00 UTC: skip a day."
    return Break("provider-daily-limit", "Daily limit is used up", effect, lambda: limit(True), lambda: limit(False))


def _revoke(stand_ins: Sequence[StandIn]) -> None:
    identities = [stand_in.identity for stand_in in stand_ins if stand_in.identity is not None]
    if not identities:
        raise NotPossible("people connect this provider with a key, which nothing here revokes")
    for identity in identities:
        for person in list(identity.people.values()):
            identity.end_grant(person.id)


def _remove_app(stand_ins: Sequence[StandIn]) -> None:
    removals = [stand_in.remove_app for stand_in in stand_ins if stand_in.remove_app is not None]
    if not removals:
        raise NotPossible("only Zoom reports this; use token-revoked")
    for remove in removals:
        remove()


def _delete_latest(stand_ins: Sequence[StandIn]) -> None:
    able = [stand_in for stand_in in stand_ins if stand_in.delete_by_hand is not None]
    stand_in, meeting = _latest(able)
    if stand_in.delete_by_hand is not None:
        stand_in.delete_by_hand(meeting.id)


def _take_place(stand_ins: Sequence[StandIn]) -> None:
    able = [stand_in for stand_in in stand_ins if stand_in.take_place is not None]
    stand_in, meeting = _latest(able)
    if stand_in.take_place is not None:
        stand_in.take_place(meeting.id)


def _latest(able: Sequence[StandIn]) -> tuple[StandIn, HeldMeeting]:
    if not able:
        raise NotPossible("this provider's stand-in cannot do this; choose Zoom")
    held = [(stand_in, meeting) for stand_in in able for meeting in stand_in.held()]
    if not held:
        raise NotPossible("there is no meeting yet: book one first")
    return held[-1]


def _skip(clock: LocalClock, span: timedelta, tick: Callable[[], object]) -> None:
    clock.skip(span)
    tick()
