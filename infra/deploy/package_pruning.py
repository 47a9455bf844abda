"""Remove from the zip what the Lambda functions never read.

Most of botocore's data describes AWS services that this product does not call, and botocore lists and parses its data
at each cold start. A plain `chalice deploy` ships everything, which works too and starts more slowly.
"""

from __future__ import annotations

import gzip
import json
import re
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

SERVICES = frozenset({"dynamodb", "kms", "s3", "secretsmanager", "sesv2", "sqs"})
"""The services that the functions call, by botocore's names. A test compares them with the clients in the code."""
_DATA = re.compile(r"botocore/data/(?P<service>[^/]+)/(?P<version>[^/]+)/(?P<file>.+)")
_UNREAD = re.compile(
    r"botocore/data/.+/examples-\d+\.json"  # For botocore's documentation.
    r"|boto3/(?:data|examples)/.+"  # For boto3's resources, which are not used.
    r"|aws_lambda_powertools/(?:event_handler|utilities/parser)/.+"
    r"|(?:.+/)?tests/.+"
)
_FIXED_TIME = 0
"""The time that gzip stores, so that equal models have equal bytes."""


def prune(path: Path) -> None:
    """Rewrite the zip without the files that are never read. A zip that is pruned already keeps its content."""
    target = path.with_suffix(".pruned")
    with zipfile.ZipFile(path) as archive, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as pruned:
        for name in select(archive.namelist()):
            content = archive.read(name)
            pruned.writestr(archive.getinfo(name), _without_documentation(content) if _is_model(name) else content)
    target.replace(path)


def select(names: Iterable[str]) -> Iterator[str]:
    """Yield the names of the files that ship: of each service's models, only the newest version."""
    names = list(names)
    versions: dict[str, str] = {}
    for model in filter(None, map(_DATA.fullmatch, names)):
        versions[model["service"]] = max(model["version"], versions.get(model["service"], ""))
    for name in names:
        data = _DATA.fullmatch(name)
        is_read = data is None or (data["service"] in SERVICES and data["version"] == versions[data["service"]])
        if is_read and not _UNREAD.fullmatch(name):
            yield name


def _is_model(name: str) -> bool:
    data = _DATA.fullmatch(name)
    return data is not None and data["file"] == "service-2.json.gz"


def _without_documentation(model: bytes) -> bytes:
    """Return the service's model without its documentation, which is most of the text that botocore parses."""
    text = json.dumps(_drop_documentation(json.loads(gzip.decompress(model))), separators=(",", ":"))
    return gzip.compress(text.encode(), mtime=_FIXED_TIME)


def _drop_documentation(value: Any) -> Any:
    if isinstance(value, list):
        return [_drop_documentation(item) for item in value]
    if not isinstance(value, dict):
        return value
    # A member or shape can be named "documentation" too: only texts are documentation.
    return {
        key: _drop_documentation(item)
        for key, item in value.items()
        if not (key == "documentation" and isinstance(item, str))
    }
