"""Sending no faster than the account may.

SES limits mails a second for the whole account and refuses what is more. A process spreads its own mails evenly at that
rate, so that one batch of bookings does not run into the limit. Processes do not know of each other, and need not: a
refusal is definite (nothing was sent), the mail stays owed, and the schedule sends it later. A counter shared by all of
them would cost a write for every mail and could still not know what else the account sends.
docs.aws.amazon.com/ses/latest/dg/manage-sending-quotas.html
"""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Lock
from typing import Any

from chalicelib.errors import MailUnavailable
from chalicelib.observability import log

_KNOWN_SECONDS = 900.0
_ASK_AGAIN_SECONDS = 60.0
_CAUTIOUS_RATE = 1.0
"""Mails a second while the account's own rate is unknown: what SES allows every account, also in its sandbox."""
_PATIENCE_SECONDS = 5.0
"""Whoever would wait longer gives way: its lease on the booking must not run out."""


class SendRate:
    """`limit` returns the mails a second that are allowed, None if it cannot find out now.

    Then the last known rate goes on, at first a cautious one, and `limit` is called again after a minute.
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
        self._ask_at = float("-inf")
        self._free_at = 0.0

    def wait(self) -> None:
        """Return when the next mail may go. Raises `MailUnavailable` if that is too long."""
        with self._lock:
            now = self._monotonic()
            if now > self._ask_at:
                limit = self._limit()
                self._rate = limit or self._rate
                self._ask_at = now + (_KNOWN_SECONDS if limit else _ASK_AGAIN_SECONDS)
            at = max(now, self._free_at)
            if at - now > _PATIENCE_SECONDS:
                raise MailUnavailable("The account's sending rate is used up for now.")
            self._free_at = at + 1 / self._rate
        self._sleep(at - now)


def account_limit(client: Any) -> float | None:
    """What SES allows the account, asked through a boto3 `sesv2` client that may not have the right to know."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        return float(client.get_account()["SendQuota"]["MaxSendRate"])
    except (BotoCoreError, ClientError, KeyError) as error:
        log.warning("the account's sending rate cannot be read", error=type(error).__name__)
        return None
