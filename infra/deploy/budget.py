"""The stage's monthly budget. It uses the Budgets API: CloudFormation can create budgets in some regions only."""

from __future__ import annotations

from typing import Any

from infra.deploy.stage import Stage

_REGION = "us-east-1"
_NOTIFICATIONS = (("ACTUAL", 80), ("FORECASTED", 100))
"""At which percentage of the limit the subscriber gets an email."""


def apply(stage: Stage, limit: str, email: str) -> None:
    """Create the budget of `limit` US dollars, or update its limit and its subscriber."""
    client, budget = _client(stage), _budget(stage, limit)
    names = {"AccountId": stage.account(), "BudgetName": budget["BudgetName"]}
    subscriber = {"SubscriptionType": "EMAIL", "Address": email}
    if find_limit(stage) is None:
        entries = [{"Notification": _notification(*kind), "Subscribers": [subscriber]} for kind in _NOTIFICATIONS]
        client.create_budget(AccountId=names["AccountId"], Budget=budget, NotificationsWithSubscribers=entries)
        return
    client.update_budget(AccountId=names["AccountId"], NewBudget=budget)
    for kind in _NOTIFICATIONS:
        notification = {**names, "Notification": _notification(*kind)}
        subscribers = client.describe_subscribers_for_notification(**notification)["Subscribers"]
        if subscriber not in subscribers:
            client.create_subscriber(**notification, Subscriber=subscriber)
        for old in subscribers:
            if old["SubscriptionType"] == "EMAIL" and old != subscriber:
                client.delete_subscriber(**notification, Subscriber=old)


def find_limit(stage: Stage) -> str | None:
    """Return the limit of the stage's budget in US dollars, or None without a budget."""
    client = _client(stage)
    try:
        budget = client.describe_budget(AccountId=stage.account(), BudgetName=stage.stack("budget"))["Budget"]
    except client.exceptions.NotFoundException:
        return None
    return str(budget["BudgetLimit"]["Amount"])


def remove(stage: Stage) -> None:
    """Delete the stage's budget, if there is one."""
    if find_limit(stage) is not None:
        _client(stage).delete_budget(AccountId=stage.account(), BudgetName=stage.stack("budget"))


def _client(stage: Stage) -> Any:
    return stage.session.client("budgets", region_name=_REGION)


def _budget(stage: Stage, limit: str) -> dict[str, Any]:
    return {
        "BudgetName": stage.stack("budget"),
        "BudgetType": "COST",
        "TimeUnit": "MONTHLY",
        "BudgetLimit": {"Amount": limit, "Unit": "USD"},
    }


def _notification(kind: str, percent: int) -> dict[str, Any]:
    return {"NotificationType": kind, "ComparisonOperator": "GREATER_THAN", "Threshold": percent}
