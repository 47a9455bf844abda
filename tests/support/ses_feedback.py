"""SES's PutEmailIdentityFeedbackAttributes for ministack, which has no such operation."""

from __future__ import annotations

import json
from typing import Any

from ministack.services import ses_v2

_stock = ses_v2.handle_request


def install() -> None:
    """Have ministack's SES store whether an identity forwards feedback by mail."""
    ses_v2.handle_request = _handle_request


async def _handle_request(method: str, path: str, headers: Any, body: bytes, query: Any) -> tuple[int, Any, Any]:
    if method == "PUT" and path.endswith("/feedback"):
        name = path.removesuffix("/feedback").rpartition("/")[2]
        enabled = bool(json.loads(body).get("EmailForwardingEnabled"))
        ses_v2._identities[name]["FeedbackForwardingStatus"] = enabled
        return 200, {"Content-Type": "application/json"}, b"{}"
    answer: tuple[int, Any, Any] = await _stock(method, path, headers, body, query)
    return answer
