"""What the AWS account allows: limits and settings that no stack of a stage owns."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from datetime import date, timedelta

from infra.deploy import settings, stacks
from infra.deploy.findings import Finding, problem, warning
from infra.deploy.stage import Stage

ENOUGH_CONCURRENCY = 200
"""Functions at once. Below this a burst of bookings and callers that wait can use up the account's limit."""
SUPPORT_ENDS = {
    "python3.10": date(2026, 10, 31),
    "python3.11": date(2027, 6, 30),
    "python3.12": date(2028, 10, 31),
    "python3.13": date(2029, 6, 30),
    "python3.14": date(2029, 6, 30),
}
"""When AWS stops to patch a runtime: docs.aws.amazon.com/lambda/latest/dg/lambda-runtimes.html. A test compares it with
cfn-lint's data."""
_NOTICE = timedelta(days=180)
_QUOTA_USED = 0.8
_BUDGETS_REGION = "us-east-1"
_CONCURRENCY_QUOTA = "L-B99A9384"


def check_sending(stage: Stage) -> Iterator[Finding]:
    """Report whether SES sends in this account and region, to everyone, and how much of the day's quota is used."""
    account, where = stage.client("sesv2").get_account(), f"in {stage.region}"
    if account.get("EnforcementStatus") == "SHUTDOWN":
        yield problem(f"SES has paused this account's sending {where}. Answer the case in the AWS Support Center.")
    elif not account.get("SendingEnabled"):
        yield problem(
            f"Sending is switched off {where}: "
            f"aws sesv2 put-account-sending-attributes --sending-enabled --region {stage.region}"
        )
    if account.get("EnforcementStatus") == "PROBATION":
        yield warning(
            f"SES reviews this account {where} because of bounces or complaints, and may pause it. Answer the case in "
            'the AWS Support Center; see docs/operators.md, "sender-reputation".'
        )
    if not account.get("ProductionAccessEnabled"):
        review = account.get("Details", {}).get("ReviewDetails", {}).get("Status")
        yield problem(
            f"SES is in its sandbox {where}: it mails to verified addresses only. Request production access as "
            'docs/operators.md, "First deployment to a new account", describes.'
            + (f" The last request is {review}." if review else "")
        )
    quota = account.get("SendQuota", {})
    most, sent = quota.get("Max24HourSend", -1), quota.get("SentLast24Hours", 0)
    if most >= 0 and sent >= most * _QUOTA_USED:
        yield warning(f"SES has sent {sent:.0f} of the {most:.0f} mails that it sends {where} in 24 hours.")


def concurrency_limit(stage: Stage) -> int:
    """Return how many functions run at once in this account and region, for all stages together."""
    return int(stage.client("lambda").get_account_settings()["AccountLimit"]["ConcurrentExecutions"])


def check_concurrency(stage: Stage) -> Iterator[Finding]:
    """Report a limit of Lambda that callers and settling would fight over."""
    limit = concurrency_limit(stage)
    if limit < ENOUGH_CONCURRENCY:
        yield warning(
            f"Lambda runs at most {limit} functions at once in this account and region, for all stages together. A "
            f"burst of calls delays links. Request 1000: aws service-quotas request-service-quota-increase "
            f"--service-code lambda --quota-code {_CONCURRENCY_QUOTA} --desired-value 1000 --region {stage.region}"
        )


def check_runtime(stage: Stage, today: date) -> Iterator[Finding]:
    """Report a Python that AWS stops to support within 180 days."""
    client = stage.client("lambda")
    names = [stage.function(name) for name in settings.functions()]
    runtimes = {client.get_function_configuration(FunctionName=name).get("Runtime") for name in names}
    for runtime in sorted(runtimes & SUPPORT_ENDS.keys()):
        ends = SUPPORT_ENDS[runtime]
        if today >= ends - _NOTICE:
            yield warning(f"AWS ends its support of {runtime} on {ends}. Upgrade to a release with a newer Python.")


def check_alarm_topic(stage: Stage) -> Iterator[Finding]:
    """Report alarms that no one receives."""
    topic = f"arn:{stage.session.get_partition_for_region(stage.region)}:sns:{stage.region}:{stage.account()}:"
    topic += f"{stage.table_prefix}alarms"
    pages = stage.client("sns").get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic)
    subscriptions = [subscription for page in pages for subscription in page["Subscriptions"]]
    pending = [s["Endpoint"] for s in subscriptions if s["SubscriptionArn"] == "PendingConfirmation"]
    for address in pending:
        yield warning(
            f"{address} receives no alarm before its owner follows the link in AWS's mail, which is valid for three "
            f"days. For a new mail: aws sns subscribe --topic-arn {topic} --protocol email "
            f"--notification-endpoint {address} --region {stage.region}"
        )
    if not [s for s in subscriptions if s["SubscriptionArn"].startswith("arn:")] and not pending:
        yield warning(f"No one receives alarms. Deploy with --alarm-email, or subscribe to {topic}.")


def check_budget(stage: Stage) -> Iterator[Finding]:
    """Report an account whose costs can grow unnoticed."""
    client = stage.session.client("budgets", region_name=_BUDGETS_REGION)
    if not client.describe_budgets(AccountId=stage.account(), MaxResults=1).get("Budgets"):
        yield warning("This account has no budget, so costs can grow unnoticed. Deploy with --monthly-budget 50.")


def check_domain(stage: Stage) -> Iterator[Finding]:
    """Report a domain of the stage that is not in DNS. Whether it leads to the API, `GET /health` shows."""
    domain = stacks.parameters(stage, "domain").get("Domain")
    if not domain or _resolves(domain):
        return
    target = stacks.outputs(stage, "domain").get("Target", "")
    text = f"{domain} is not in DNS. Set the record: {domain} CNAME {target}"
    is_in_links = settings.known(stage).get("PUBLIC_BASE_URL") == settings.address_at(domain)
    yield problem(f"{text} Links in mails lead there.") if is_in_links else warning(text)


def _resolves(name: str) -> bool:
    try:
        return bool(socket.getaddrinfo(name, 443))
    except OSError:
        return False
