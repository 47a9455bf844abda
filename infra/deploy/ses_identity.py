"""The SES identity that invitations are sent from, and the DNS records that it needs.

Several stages may send from one domain, and the domain may have been verified long before. So no stack owns the
identity, and no command deletes it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from infra.deploy.check_results import CheckResult, problem, warning
from infra.deploy.stage import Stage

_DEFAULT_HOSTED_ZONE = "dkim.amazonses.com"


def ensure_identity(stage: Stage, mail_from: str) -> list[str]:
    """Create the SES identity of the sender's domain if there is none; return the DNS records that are missing.

    The domain needs an identity even if the address itself is verified: only a domain's DKIM signature is aligned with
    the sender, and receivers that enforce DMARC reject unaligned email.
    """
    client, domain = stage.client("sesv2"), domain_of(mail_from)
    identity = _find_identity(client, domain)
    if identity is None:
        client.create_email_identity(EmailIdentity=domain)
        # The stage's configuration set reports bounces, so SES need not email each one to the sender as well.
        # An existing identity may have other users, so its setting is not changed.
        client.put_email_identity_feedback_attributes(EmailIdentity=domain, EmailForwardingEnabled=False)
        identity = _find_identity(client, domain) or {}
    if _is_signing(identity):
        return []
    return [
        f"Set these DNS records of {domain}, so that emails are signed and arrive:",
        *records(domain, identity),
    ]


def check_sender(stage: Stage, mail_from: str) -> Iterator[CheckResult]:
    """Report whether SES sends from the address and signs with its domain's key."""
    client, domain = stage.client("sesv2"), domain_of(mail_from)
    identity = _find_identity(client, domain)
    address = _find_identity(client, mail_from)
    remedy = "\n".join(
        ["Set these records in its DNS; SES looks for them for 72 hours:", *records(domain, identity or {})]
    )
    if identity is None:
        remedy = "Deploy again to create its identity."
    if not any(entry and entry.get("VerifiedForSendingStatus") for entry in (identity, address)):
        yield problem(f"SES does not send from {mail_from}: {domain} is not verified. {remedy}")
    elif identity is None or not _is_signing(identity):
        status = (identity or {}).get("DkimAttributes", {}).get("Status", "missing")
        yield warning(
            f"Emails from {mail_from} are not signed with the key of {domain} (DKIM is {status}), so receivers that "
            f"enforce DMARC reject them. {remedy}"
        )
    mail_from_domain = (identity or {}).get("MailFromAttributes", {})
    if mail_from_domain.get("MailFromDomain") and mail_from_domain.get("MailFromDomainStatus") != "SUCCESS":
        yield warning(
            f"SES does not use the MAIL FROM domain {mail_from_domain['MailFromDomain']}: its status is "
            f"{mail_from_domain.get('MailFromDomainStatus')}. Check its MX and TXT records."
        )


def records(domain: str, identity: dict[str, Any]) -> list[str]:
    """Return the DNS records that the domain needs, one line each, indented."""
    dkim = identity.get("DkimAttributes", {})
    # The zone depends on the region.
    zone = dkim.get("SigningHostedZone") or _DEFAULT_HOSTED_ZONE
    signing = [f"{token}._domainkey.{domain} CNAME {token}.{zone}" for token in dkim.get("Tokens", [])]
    policy = f'_dmarc.{domain} TXT "v=DMARC1; p=none"   (unless there is one)'
    return [f"    {record}" for record in (*signing, policy)]


def domain_of(mail_from: str) -> str:
    return mail_from.rpartition("@")[2]


def _is_signing(identity: dict[str, Any]) -> bool:
    dkim = identity.get("DkimAttributes", {})
    return dkim.get("Status") == "SUCCESS" and dkim.get("SigningEnabled") is not False


def _find_identity(client: Any, name: str) -> dict[str, Any] | None:
    try:
        identity: dict[str, Any] = client.get_email_identity(EmailIdentity=name)
    except client.exceptions.NotFoundException:
        return None
    return identity
