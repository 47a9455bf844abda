"""Limit the emails of a workspace, in all processes together: so many a minute, and so many a day.

One workspace must not use up what SES grants the whole account. Emails beyond the allowance wait and are sent when it
refills. It is counted as requests are (`usecases.rate_limit`): a row has the time until which the allowance is used,
each email moves it into the future by period / limit, and emails wait while it is further ahead than one period. So a
workspace may send the whole allowance at once, and then as fast as it refills.

Emails are counted before they are sent, because between a send and the mark that it was sent nothing may fail. To save
writes they are counted in blocks: what is left of a block is used by the next emails of the workspace in this process,
and so is what was counted and not sent. If a count fails, emails are sent: a limit must never cause an outage.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from threading import Lock
from typing import Protocol

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.errors import StoreError
from chalicelib.observability import count, log
from chalicelib.store.booking_leases import Lease
from chalicelib.usecases.effects import EffectResult

LARGEST_BLOCK = 10
_BLOCKS = 60
"""A block is at most this part of an allowance: each process may have one that it has not used up."""
LONGEST_SPREAD = timedelta(minutes=15)
_MAX_WORKSPACES = 10_000


class UsageRows(Protocol):
    """Counts that all processes share. Raises only `StoreError`."""

    def take_usage(
        self, key: str, amount: timedelta, now: datetime, burst: timedelta, *, is_idle: bool
    ) -> tuple[bool, datetime]: ...


class MailLimit(Struct, frozen=True):
    """So many emails in a period."""

    name: str
    emails: int
    period: timedelta


class _WorkspaceUsage(Struct):
    """What this process knows of a workspace."""

    unsent: int = 0
    """Emails that were counted and not sent."""
    used_until: dict[str, datetime] = {}
    """By the limit's name, as this process last saw it."""


class MailAllowance:
    """The allowance of each workspace. Thread-safe.

    Call `take` before emails are marked as being sent, and `give_back` for those that were not sent.
    """

    def __init__(
        self,
        rows: UsageRows,
        limits: Sequence[MailLimit],
        clock: Callable[[], datetime],
        sample: Callable[[], float],
    ) -> None:
        """`sample` returns a random number from 0 to 1, which spreads the retries."""
        self._rows = rows
        self._limits = limits
        self._block = max(1, min([LARGEST_BLOCK, *(limit.emails // _BLOCKS for limit in limits)]))
        self._clock = clock
        self._sample = sample
        self._workspaces: dict[str, _WorkspaceUsage] = {}
        self._lock = Lock()

    def check(self, workspace_id: str, emails: int) -> datetime | None:
        """Return when to retry, if this process knows that the allowance is used up. Makes no call."""
        usage = self._usage_of(workspace_id)
        for limit in self._limits:
            free_at = usage.used_until.get(limit.name, self._clock()) - limit.period
            if free_at > self._clock():
                return self._refuse(limit, free_at, emails)
        return None

    def take(self, workspace_id: str, emails: int) -> datetime | None:
        """Count emails that are about to be sent. Return when to retry, if the allowance is used up."""
        if not emails:
            return None
        if retry_at := self.check(workspace_id, emails):
            return retry_at
        with self._lock:
            usage = self._usage_of(workspace_id)
            missing = max(0, emails - usage.unsent)
            usage.unsent -= emails - missing
        counted = max(missing, self._block) if missing else 0
        for limit in self._limits if counted else ():
            if free_at := self._count(limit, workspace_id, counted):
                self.give_back(workspace_id, emails - missing)
                return self._refuse(limit, free_at, emails)
        self.give_back(workspace_id, counted - missing)
        return None

    def give_back(self, workspace_id: str, emails: int) -> None:
        """Reuse the count of emails that were not sent."""
        with self._lock:
            self._usage_of(workspace_id).unsent += emails

    def _count(self, limit: MailLimit, workspace_id: str, emails: int) -> datetime | None:
        """Count the emails, or return when the allowance refills."""
        usage, now = self._usage_of(workspace_id), self._clock()
        is_idle = usage.used_until.get(limit.name, now) <= now
        key, amount = mail_usage_key(workspace_id, limit), emails * limit.period / limit.emails
        try:
            granted, used_until = self._rows.take_usage(key, amount, now, limit.period, is_idle=is_idle)
        except StoreError as error:
            log.warning("the count of emails is unavailable", error=type(error).__name__)
            return None
        usage.used_until[limit.name] = used_until
        if granted:
            return None
        log.warning("emails wait: the workspace's allowance is used up", workspace_id=workspace_id, limit=limit.name)
        return used_until - limit.period

    def _refuse(self, limit: MailLimit, free_at: datetime, emails: int) -> datetime:
        """Count emails that must wait. Return when to retry: spread, so that not all bookings return at once."""
        count("MailsOverAllowance", emails)
        return max(free_at, self._clock()) + min(limit.period, LONGEST_SPREAD) * self._sample()

    def _usage_of(self, workspace_id: str) -> _WorkspaceUsage:
        if len(self._workspaces) >= _MAX_WORKSPACES:
            self._workspaces.clear()
        return self._workspaces.setdefault(workspace_id, _WorkspaceUsage())


def mail_limits(per_minute: int, per_day: int) -> list[MailLimit]:
    """Return the limits of a workspace. 0: no such limit."""
    limits = MailLimit("minute", per_minute, timedelta(minutes=1)), MailLimit("day", per_day, timedelta(days=1))
    return [limit for limit in limits if limit.emails]


def mail_usage_key(workspace_id: str, limit: MailLimit) -> str:
    """Return the key of the row in which a workspace's emails are counted."""
    return f"mails-{limit.name}#{workspace_id}"


def wait_for_allowance(lease: Lease, until: datetime) -> EffectResult:
    """Leave the emails to the schedule, with the reason on the booking. No process waits for them."""
    settlement = replace(lease.settlement, emails_wait_until=until)
    return EffectResult(replace(lease, settlement=settlement), until, is_over_allowance=True)
