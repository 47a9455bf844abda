"""Where a domain's email goes: its MX records."""

from __future__ import annotations

from infra.deploy.stage import DeployError

_TIMEOUT_SECONDS = 10.0


def find_exchanges(domain: str) -> list[str]:
    """Return the servers that receive the domain's email, without trailing dots; empty without an MX record.

    Raises `DeployError` if DNS does not respond.
    """
    import dns.exception
    import dns.resolver

    try:
        answer = dns.resolver.resolve(domain, "MX", lifetime=_TIMEOUT_SECONDS)
    except (dns.resolver.NoAnswer, dns.resolver.NXDOMAIN):
        return []
    except dns.exception.DNSException as error:
        raise DeployError(
            f"Could not look up the MX record of {domain} ({type(error).__name__}). Check the network, then run this "
            "again."
        ) from error
    return sorted(record.exchange.to_text(omit_final_dot=True).lower() for record in answer)


def exists(host: str) -> bool:
    """Return whether a host is in DNS. Raises `DeployError` if DNS does not respond."""
    import dns.exception
    import dns.resolver

    try:
        dns.resolver.resolve(host, "A", lifetime=_TIMEOUT_SECONDS)
    except (dns.resolver.NoAnswer, dns.resolver.NXDOMAIN):
        return False
    except dns.exception.DNSException as error:
        raise DeployError(
            f"Could not look up {host} ({type(error).__name__}). Check the network, then run this again."
        ) from error
    return True


def inbound_host(region: str) -> str:
    """Return the server at which SES receives email in a region: docs.aws.amazon.com/general/latest/gr/ses.html."""
    return f"inbound-smtp.{region}.amazonaws.com"
