"""Rotate the keys of join links (`/j/…`). The deployment's secret contains them."""

from __future__ import annotations

import json
import secrets
from datetime import datetime
from typing import Any

from chalicelib.errors import InvalidInput
from chalicelib.store.deployment_secrets import (
    LIFE,
    LINK_KEY_BYTES,
    LinkKey,
    first_link_key,
    link_key_form,
    read_link_keys,
)

MAX_KEYS = 2
"""How many keys are accepted at the same time: the new one and the previous one."""


def rotate(client: Any, secret_id: str, now: datetime, *, apply: bool) -> dict[str, Any]:
    """Add a link key and retire all but the previous one. `client` is a boto3 client of Secrets Manager.

    New links use the new key only after twice the time that functions cache a secret, so that every function has loaded
    the key of each link. Raises `InvalidInput` while the newest key is not in use yet.
    """
    deployment = json.loads(client.get_secret_value(SecretId=secret_id)["SecretString"])
    previous = read_link_keys(deployment) or (first_link_key(deployment["tag_secret"].encode()),)
    if any(key.used_from > now for key in previous):
        raise InvalidInput(f"Key {previous[0].key_id} is not in use yet. Rotate again after {previous[0].used_from}.")
    number = max(int(key.key_id) for key in previous) + 1
    key = LinkKey(str(number), secrets.token_bytes(LINK_KEY_BYTES), now + 2 * LIFE)
    keys = (key, *previous)[:MAX_KEYS]
    if apply:
        stored = deployment | {"link_keys": [link_key_form(key) for key in keys]}
        client.put_secret_value(SecretId=secret_id, SecretString=json.dumps(stored))
    return {
        "new_key": key.key_id,
        "new_key_used_from": key.used_from,
        "accepted": [key.key_id for key in keys],
        "retired": [key.key_id for key in previous if key not in keys],
        "done": apply,
    }
