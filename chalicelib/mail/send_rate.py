"""Keep to the account's sending rate.

SES limits emails per second for the whole account, and refuses more. A process sends its own emails evenly at that
rate, so that a batch of bookings does not exceed it. Processes do not coordinate: a refusal is definite (nothing was
sent), the email stays pending, and the schedule sends it later. A shared counter would cost a write per email, and
would still miss what else the account sends.
docs.aws.amazon.com/ses/latest/dg/manage-sending-quotas.html
"""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Lock
from typing import Any

from chalicelib.errors import MailUnavailable
from chalicelib.observability import log

_REFRESH_SECONDS = 900.0
_RETRY_SECONDS = 60.0
_CAUTIOUS_RATE = 1.0
"""Emails per second while the account's rate is unknown: SES allows this for every account, even in its sandbox."""
_LONGEST_WAIT_SECONDS = 5.0
"""After a longer wait, the lease on the booking could expire."""


class SendRate:
    """Spreads emails evenly over time.

    `limit` returns the allowed emails per second, or None if it is unavailable. Then the last rate still applies (a
    cautious one at first), and `limit` is called again after a minute.
    """

    def __init__(
        self,
        limit: Callable[[], float | None],
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._limit = limit
        self._monotonic = monotonic
        self._sleep = sleep
        self._lock = Lock()
        self._rate = _CAUTIOUS_RATE
        self._refresh_at = float("-inf")
        self._free_at = 0.0

    def wait(self) -> None:
        """Wait until the next email may be sent. Raises `MailUnavailable` if that takes too long."""
        with self._lock:
            now = self._monotonic()
            if now > self._refresh_at:
                limit = self._limit()
                self._rate = limit or self._rate
                self._refresh_at = now + (_REFRESH_SECONDS if limit else _RETRY_SECONDS)
            at = max(now, self._free_at)
            if at - now > _LONGEST_WAIT_SECONDS:
                raise MailUnavailable("The account's sending rate is used up for now.")
            self._free_at = at + 1 / self._rate
        self._sleep(at - now)


def read_account_rate(client: Any) -> float | None:
    """Return the account's rate from a botocore `sesv2` client; None if it fails or lacks the permission."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        return float(client.get_account()["SendQuota"]["MaxSendRate"])
    except (BotoCoreError, ClientError, KeyError) as error:
        log.warning("the account's sending rate cannot be read", error=type(error).__name__)
        return None
