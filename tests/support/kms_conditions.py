"""The condition keys of KMS for ministack, which evaluates conditions but knows none of these keys.

https://docs.aws.amazon.com/kms/latest/developerguide/conditions-kms.html
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ministack.core import iam_actions

_PREFIX = "kms:encryptioncontext"
_stock = iam_actions.request_tag_context


def install() -> None:
    """Have ministack's IAM know the encryption context of a call."""
    iam_actions.request_tag_context = _request_context


def condition_keys(context: Mapping[str, str]) -> dict[str, Any]:
    """Return the condition keys of a call with this encryption context, as ministack's IAM looks them up."""
    keys = {f"{_PREFIX}:{name.lower()}": value for name, value in context.items()}
    # A key without values is absent.
    return keys | ({f"{_PREFIX}keys": list(context)} if context else {})


def _request_context(service: str, iam_action: str, body: bytes, params: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = _stock(service, iam_action, body, params)
    if service != "kms":
        return found
    return found | condition_keys(json.loads(body or b"{}").get("EncryptionContext", {}))
