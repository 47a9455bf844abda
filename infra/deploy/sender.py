"""The identity at SES that invitations are sent from.

Stages may send from one domain, and it may have been verified long before. So no stack owns it, and none deletes it.
"""

from __future__ import annotations

from typing import Any

from infra.deploy.stage import Stage


def ensure_identity(stage: Stage, mail_from: str) -> list[str]:
    """Have SES know the sender's domain; what is left to do for somebody with access to its DNS."""
    client, domain = stage.client("sesv2"), mail_from.rpartition("@")[2]
    for name in (mail_from, domain):
        known = _identity(client, name)
        if known is not None and known.get("VerifiedForSendingStatus"):
            return []
    known = _identity(client, domain)
    if known is None:
        client.create_email_identity(EmailIdentity=domain)
        known = _identity(client, domain) or {}
    if known.get("VerifiedForSendingStatus"):
        return []
    tokens = known.get("DkimAttributes", {}).get("Tokens", [])
    records = [f"    {token}._domainkey.{domain} CNAME {token}.dkim.amazonses.com" for token in tokens]
    return [f"SES sends nothing from {domain} before these records are in its DNS:", *records]


def _identity(client: Any, name: str) -> dict[str, Any] | None:
    try:
        known: dict[str, Any] = client.get_email_identity(EmailIdentity=name)
    except client.exceptions.NotFoundException:
        return None
    return known
