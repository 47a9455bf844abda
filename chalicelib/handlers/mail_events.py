"""Record what SES reports about emails that were sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chalicelib.wiring import Services


def record_mail_event(message: str, services: Services) -> None:
    """Record an SES event (JSON). An error is raised to Lambda, which retries the invocation."""
    from chalicelib.mail.ses_events import read_event

    report = read_event(message)
    if report is not None:
        services.bounces.record(report)
