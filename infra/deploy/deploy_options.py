"""The options of a deployment, completed with the stage's current configuration and validated before any change."""

from __future__ import annotations

import re
import urllib.request
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import partial

from infra.deploy import app_stack, budget, chalice_config, default_address, receiving, rest_api, stacks
from infra.deploy.stage import DeployError, Stage

Responds = Callable[[str], bool]
"""Whether the API responds at a base URL."""


@dataclass(frozen=True)
class DeployOptions:
    """The command line's options. None keeps the stage's current value."""

    mail_from: str | None = None
    receive: bool | None = None
    """Whether to receive the answers that calendars send to `mail_from`."""
    alarm_email: str | None = None
    settings: Mapping[str, str] | None = None
    """Settings to add or change."""
    unset: Collection[str] = ()
    """Names of settings to remove."""
    bucket: str | None = None
    """Deploy through CloudFormation and upload the code to this bucket."""
    domain: str | None = None
    """The API's custom domain name."""
    certificate: str | None = None
    """ARN of the domain's certificate, in the stage's region."""
    monthly_budget: str | None = None
    """US dollars."""
    web_acl: str | None = None
    """ARN of the API's web ACL (AWS WAF). API Gateway stores it."""
    close_default_address: bool | None = None
    """Whether the API responds only at its domain."""


def resolve(stage: Stage, options: DeployOptions, responds: Responds | None = None) -> DeployOptions:
    """Complete the options with the stage's current configuration.

    Raises `DeployError` for options that contradict each other or cannot be applied; nothing has been changed then.
    """
    responds = responds or partial(_responds, stage)
    variables, domain = chalice_config.environment(stage), stacks.parameters(stage, "domain")
    old_domain = domain.get("Domain")
    settings, unset = _resolve_settings(options, variables.get("PUBLIC_BASE_URL"), old_domain, responds)
    was_closed, was_receiving = default_address.is_closed(domain), receiving.is_on(stage)
    resolved = DeployOptions(
        mail_from=options.mail_from or variables.get("MEETLINK_MAIL_FROM"),
        receive=was_receiving if options.receive is None else options.receive,
        # An empty address does not remove the subscription.
        alarm_email=options.alarm_email or stacks.parameters(stage, "alarms").get("Email"),
        settings=settings,
        unset=unset,
        bucket=options.bucket,
        domain=options.domain or old_domain,
        certificate=options.certificate or domain.get("Certificate"),
        web_acl=options.web_acl,
        close_default_address=was_closed if options.close_default_address is None else options.close_default_address,
        # Looked up only for a new address, so that a pipeline without --alarm-email needs no permissions on budgets.
        monthly_budget=options.monthly_budget or (budget.find_limit(stage) if options.alarm_email else None),
    )
    link_url = {**variables, **dict.fromkeys(unset, ""), **settings}.get("PUBLIC_BASE_URL")
    error = _find_error(stage, resolved) or _find_closing_error(
        resolved, old_domain, link_url, None if was_closed else responds
    )
    error = error or _find_receiving_error(stage, resolved, options)
    if error:
        raise DeployError(error)
    return resolved


def _resolve_settings(
    options: DeployOptions, public_url: str | None, old_domain: str | None, responds: Responds
) -> tuple[dict[str, str], set[str]]:
    """Return the settings to set, and the names of those to remove. Links begin with the domain once it responds."""
    domain, unset, settings = options.domain or old_domain, set(options.unset), dict(options.settings or {})
    if old_domain and domain != old_domain and public_url == chalice_config.base_url(old_domain):
        # This deployment removes the old domain: links begin with the default address until the new one responds.
        unset.add("PUBLIC_BASE_URL")
    if domain and (options.domain or not public_url) and responds(chalice_config.base_url(domain)):
        settings = {"PUBLIC_BASE_URL": chalice_config.base_url(domain)} | settings
    if options.receive is False:
        unset.add(receiving.VARIABLE)
    return settings, unset


def _responds(stage: Stage, base_url: str) -> bool:
    """Return whether the API responds there. Until DNS resolves the domain, links to it would be dead."""
    if rest_api.is_on_emulator(stage):
        return False
    try:
        with urllib.request.urlopen(f"{base_url}/health", timeout=10) as response:  # noqa: S310 — https
            return bool(response.status == 200)
    except OSError:
        return False


def _find_error(stage: Stage, options: DeployOptions) -> str | None:
    if not options.mail_from:
        return "Pass the address that invitations come from: --mail-from invitations@your-domain"
    if options.domain and f":acm:{stage.region}:" not in (options.certificate or ""):
        return f"Pass the domain's certificate: --certificate, the ARN of one in ACM in {stage.region}."
    if options.certificate and not options.domain:
        return "Pass the certificate's domain: --domain meet.your-domain"
    if options.monthly_budget and not options.alarm_email:
        return "Pass the address for the budget's notifications: --alarm-email."
    if options.monthly_budget and not re.fullmatch(r"[1-9]\d*(\.\d{1,2})?", options.monthly_budget):
        return "Pass the budget in US dollars per month, such as --monthly-budget 50."
    if options.web_acl and f":wafv2:{stage.region}:" not in options.web_acl:
        return f"Pass a regional web ACL: --web-acl, the ARN of one in {stage.region}."
    if options.bucket is None and stacks.outputs(stage, app_stack.CONCERN):
        return "This stage was deployed with --bucket. Pass it again, or run --down first."
    return _find_deleted_secrets(stage)


def _find_receiving_error(stage: Stage, resolved: DeployOptions, options: DeployOptions) -> str | None:
    """Return why email cannot be received. DNS is not asked where nothing changes: a fix must be deployable."""
    is_new = options.receive or (resolved.receive and options.mail_from)
    return receiving.find_obstacle(stage, str(resolved.mail_from)) if is_new else None


def _find_closing_error(
    options: DeployOptions, old_domain: str | None, link_url: str | None, responds: Responds | None
) -> str | None:
    """Return why the default address cannot be closed, or cannot stay closed.

    Links begin with `link_url`. Without `responds` the domain is not requested: it must be possible to deploy a fix of
    a broken API.
    """
    if not options.close_default_address:
        return None
    if not options.domain:
        return "The API has only its default address: --close-default-address needs --domain and --certificate."
    if options.domain != old_domain:
        return (
            f"The API does not respond at {options.domain} yet. Deploy with --no-close-default-address, set the DNS "
            "record, deploy again, and then close the default address."
        )
    base_url = chalice_config.base_url(options.domain)
    if link_url != base_url:
        return (
            f"Links begin with {link_url or 'the default address'}, not with {base_url}, so the default address must "
            f"stay open. Deploy with --no-close-default-address, then with --set PUBLIC_BASE_URL={base_url}."
        )
    if responds is not None and not responds(base_url):
        return (
            f"{base_url}/health does not respond, so the default address must stay open. Check the domain's DNS record."
        )
    return None


def _find_deleted_secrets(stage: Stage) -> str | None:
    """Return what to do about deleted secrets of this stage's name: AWS reserves their names for 30 days."""
    if stacks.is_complete(stage, "secrets"):
        return None
    pages = (
        stage.client("secretsmanager")
        .get_paginator("list_secrets")
        .paginate(IncludePlannedDeletion=True, Filters=[{"Key": "name", "Values": [stage.secrets_prefix]}])
    )
    names = [secret["Name"] for page in pages for secret in page["SecretList"] if "DeletedDate" in secret]
    if not names:
        return None
    command = f"aws secretsmanager delete-secret --region {stage.region} --force-delete-without-recovery --secret-id"
    return "\n".join(
        (
            "AWS still keeps this stage's deleted secrets and reserves their names.",
            "Choose another stage name, or delete these secrets permanently:",
            *(f"  {command} {name}" for name in names),
        )
    )
