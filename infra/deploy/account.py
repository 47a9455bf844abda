"""Checks of the AWS account: limits and settings that belong to no stack of a stage."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from datetime import date, timedelta

from infra.deploy import chalice_config, stacks
from infra.deploy.check_results import CheckResult, problem, warning
from infra.deploy.stage import Stage

ENOUGH_CONCURRENCY = 200
"""Concurrent executions. With fewer, a burst of bookings and waiting callers can use up the account's limit."""
SUPPORT_ENDS = {
    "python3.10": date(2026, 10, 31),
    "python3.11": date(2027, 6, 30),
    "python3.12": date(2028, 10, 31),
    "python3.13": date(2029, 6, 30),
    "python3.14": date(2029, 6, 30),
}
"""When AWS stops patching a runtime: docs.aws.amazon.com/lambda/latest/dg/lambda-runtimes.html. A test compares these
dates with cfn-lint's data."""
_NOTICE_PERIOD = timedelta(days=180)
_QUOTA_USED = 0.8
_BUDGETS_REGION = "us-east-1"
_CONCURRENCY_QUOTA = "L-B99A9384"


def check_sending(stage: Stage) -> Iterator[CheckResult]:
    """Report whether SES sends from this account and region to any address, and a daily quota that is nearly used."""
    account, where = stage.client("sesv2").get_account(), f"in {stage.region}"
    if account.get("EnforcementStatus") == "SHUTDOWN":
        yield problem(f"SES has paused this account's sending {where}. Answer the case in the AWS Support Center.")
    elif not account.get("SendingEnabled"):
        yield problem(
            f"Sending is switched off {where}. Switch it on: "
            f"aws sesv2 put-account-sending-attributes --sending-enabled --region {stage.region}"
        )
    if account.get("EnforcementStatus") == "PROBATION":
        yield warning(
            f"SES is reviewing this account {where} because of bounces or complaints, and may pause it. Answer the "
            'case in the AWS Support Center; see docs/operators.md, "sender-reputation".'
        )
    if not account.get("ProductionAccessEnabled"):
        review = account.get("Details", {}).get("ReviewDetails", {}).get("Status")
        yield problem(
            f"SES is in its sandbox {where}: it sends to verified addresses only. Request production access: "
            'docs/operators.md, "First deployment to a new account".'
            + (f" The last request is {review}." if review else "")
        )
    quota = account.get("SendQuota", {})
    limit, sent = quota.get("Max24HourSend", -1), quota.get("SentLast24Hours", 0)
    if limit >= 0 and sent >= limit * _QUOTA_USED:
        yield warning(f"SES has sent {sent:.0f} of at most {limit:.0f} emails in 24 hours {where}.")


def concurrency_limit(stage: Stage) -> int:
    """Return the limit of concurrent executions in this account and region, which all stages share."""
    return int(stage.client("lambda").get_account_settings()["AccountLimit"]["ConcurrentExecutions"])


def check_concurrency(stage: Stage) -> Iterator[CheckResult]:
    """Report a concurrency limit that is too low for callers and settling together."""
    limit = concurrency_limit(stage)
    if limit < ENOUGH_CONCURRENCY:
        yield warning(
            f"Lambda runs at most {limit} functions at once in this account and region, for all stages together. A "
            f"burst of requests delays links. Request 1000: aws service-quotas request-service-quota-increase "
            f"--service-code lambda --quota-code {_CONCURRENCY_QUOTA} --desired-value 1000 --region {stage.region}"
        )


def check_runtime(stage: Stage, today: date) -> Iterator[CheckResult]:
    """Report a Python runtime that AWS stops supporting within 180 days."""
    client = stage.client("lambda")
    names = [stage.function(name) for name in chalice_config.function_names()]
    runtimes = {client.get_function_configuration(FunctionName=name).get("Runtime") for name in names}
    for runtime in sorted(runtimes & SUPPORT_ENDS.keys()):
        ends = SUPPORT_ENDS[runtime]
        if today >= ends - _NOTICE_PERIOD:
            yield warning(f"AWS supports {runtime} until {ends}. Upgrade to a release with a newer Python.")


def check_alarm_topic(stage: Stage) -> Iterator[CheckResult]:
    """Report an alarm topic without a confirmed subscription."""
    topic = f"arn:{stage.session.get_partition_for_region(stage.region)}:sns:{stage.region}:{stage.account()}:"
    topic += f"{stage.table_prefix}alarms"
    pages = stage.client("sns").get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic)
    subscriptions = [subscription for page in pages for subscription in page["Subscriptions"]]
    pending = [s["Endpoint"] for s in subscriptions if s["SubscriptionArn"] == "PendingConfirmation"]
    for address in pending:
        yield warning(
            f"{address} receives alarms only after its owner follows the link in the email from AWS, which is valid "
            f"for three days. For a new email: aws sns subscribe --topic-arn {topic} --protocol email "
            f"--notification-endpoint {address} --region {stage.region}"
        )
    if not [s for s in subscriptions if s["SubscriptionArn"].startswith("arn:")] and not pending:
        yield warning(f"No one receives alarms. Deploy with --alarm-email, or subscribe to {topic}.")


def check_budget(stage: Stage) -> Iterator[CheckResult]:
    """Report an account without a budget."""
    client = stage.session.client("budgets", region_name=_BUDGETS_REGION)
    if not client.describe_budgets(AccountId=stage.account(), MaxResults=1).get("Budgets"):
        yield warning("This account has no budget, so costs can grow unnoticed. Deploy with --monthly-budget 50.")


def check_domain(stage: Stage) -> Iterator[CheckResult]:
    """Report a domain of the stage that is not in DNS. The check of `GET /health` shows whether it leads to the API."""
    domain = stacks.parameters(stage, "domain").get("Domain")
    if not domain or _resolves(domain):
        return
    target = stacks.outputs(stage, "domain").get("Target", "")
    text = f"{domain} is not in DNS. Set the record: {domain} CNAME {target}"
    is_in_links = chalice_config.environment(stage).get("PUBLIC_BASE_URL") == chalice_config.base_url(domain)
    yield problem(f"{text} Links in emails lead there.") if is_in_links else warning(text)


def _resolves(name: str) -> bool:
    try:
        return bool(socket.getaddrinfo(name, 443))
    except OSError:
        return False
