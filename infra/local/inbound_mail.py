"""SES as it receives emails: what it adds to them, and how it stores and reports them."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from infra.local.mail_reports import sns_event

BUCKET = "meetlink-local-mail"


class InboundMail:
    """Receives emails as SES does with the stage's receipt rule: into a bucket, then a notification to a function."""

    def __init__(self, s3: Any, publish: Callable[[dict[str, Any]], object], clock: Callable[[], datetime]) -> None:
        """`publish` takes an SNS event."""
        self._s3 = s3
        self._publish = publish
        self._clock = clock
        s3.create_bucket(Bucket=BUCKET)

    def receive(self, raw: bytes, sender: str) -> None:
        """Store an email whose sender is authentic, and report it."""
        key = uuid.uuid4().hex
        self._s3.put_object(Bucket=BUCKET, Key=key, Body=as_received(raw, sender))
        self._publish(sns_event(notification(BUCKET, key, self._clock())))


def as_received(raw: bytes, sender: str, *, results: str | None = None) -> bytes:
    """Return the message with the headers that SES adds on top. `results`: what it found out about the sender."""
    domain = sender.rpartition("@")[2]
    results = results or f"dkim=pass header.i=@{domain};\r\n dmarc=pass header.from={domain};"
    added = (
        f"Return-Path: <{sender}>\r\n"
        "Received: from mail.example.com (mail.example.com [192.0.2.25])\r\n"
        " by inbound-smtp.us-east-1.amazonaws.com with SMTP id example for invitations@meetlink.example\r\n"
        "X-SES-Spam-Verdict: PASS\r\n"
        "X-SES-Virus-Verdict: PASS\r\n"
        "Authentication-Results: amazonses.com;\r\n"
        f" spf=pass (spfCheck: domain of {domain} designates 192.0.2.25 as permitted sender) client-ip=192.0.2.25; "
        f"envelope-from={sender}; helo=mail.example.com;\r\n {results}\r\n"
        "X-SES-RECEIPT: AEFBQUFBQUFBQUFGQWpOcCtRU3V4WkdqeWFTZmN0UGo2V2lDbTNlN2RnWUllUWd4NHpF\r\n"
    )
    return added.encode() + raw


def notification(bucket: str, key: str, at: datetime, *, dmarc: str = "PASS", dkim: str = "PASS") -> str:
    """Return what SES publishes when it has stored an email."""
    verdicts = {"dkimVerdict": dkim, "dmarcVerdict": dmarc, "spfVerdict": "PASS"}
    return json.dumps(
        {
            "notificationType": "Received",
            "mail": {
                "timestamp": at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
                "messageId": key,
                "headersTruncated": False,
            },
            "receipt": {
                "recipients": ["invitations@meetlink.example"],
                **{name: {"status": status} for name, status in verdicts.items()},
                "action": {"type": "S3", "topicArn": "arn:of:topic", "bucketName": bucket, "objectKey": key},
            },
        }
    )
