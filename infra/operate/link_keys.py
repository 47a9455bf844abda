"""Rotate the keys of join links (`/j/…`), which are in the deployment's secret beside `tag_secret`."""

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

ACCEPTED = 2
"""So many keys are accepted at once: the new one and the one before it."""


def rotate(client: Any, secret_id: str, now: datetime, *, really: bool) -> dict[str, Any]:
    """Add a link key and retire all but the one before it. `client` is boto3's of Secrets Manager.

    New links use the new key after twice the time that functions keep a secret, so that no function meets a link whose
    key it does not know.
    """
    deployment = json.loads(client.get_secret_value(SecretId=secret_id)["SecretString"])
    before = read_link_keys(deployment) or (first_link_key(deployment["tag_secret"].encode()),)
    if any(key.used_from > now for key in before):
        raise InvalidInput(f"Key {before[0].key_id} is not in use yet. Rotate again after {before[0].used_from}.")
    number = max(int(key.key_id) for key in before) + 1
    key = LinkKey(str(number), secrets.token_bytes(LINK_KEY_BYTES), now + 2 * LIFE)
    keys = (key, *before)[:ACCEPTED]
    if really:
        stored = deployment | {"link_keys": [link_key_form(key) for key in keys]}
        client.put_secret_value(SecretId=secret_id, SecretString=json.dumps(stored))
    return {
        "new_key": key.key_id,
        "new_key_used_from": key.used_from,
        "accepted": [key.key_id for key in keys],
        "retired": [key.key_id for key in before if key not in keys],
        "done": really,
    }
