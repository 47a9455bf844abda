"""Remove from the zip what the Lambda functions never read, and what Python need not check at each cold start.

Most of botocore's data describes AWS services that this product does not call, and botocore lists and parses its data
at each cold start. A plain `chalice deploy` ships everything, which works too and starts more slowly.
"""

from __future__ import annotations

import gzip
import json
import re
import zipfile
from collections.abc import Iterable, Iterator
from copy import copy
from importlib.util import source_hash
from pathlib import Path
from typing import Any

SERVICES = frozenset({"dynamodb", "kms", "s3", "secretsmanager", "sesv2", "sqs"})
"""The services that the functions call, by botocore's names. A test compares them with the clients in the code."""
ENDPOINT_PREFIXES = (SERVICES - {"sesv2"}) | {"email"}
"""The names of the same services in botocore's list of endpoints. A test compares them with the services' models."""
_DATA = re.compile(r"botocore/data/(?P<service>[^/]+)/(?P<version>[^/]+)/(?P<file>.+)")
_ENDPOINTS = "botocore/data/endpoints.json"
_BYTECODE = re.compile(r"(?P<folder>.+/)?__pycache__/(?P<stem>[^/]+)\.[^./]+\.pyc")
_CHECKED, _UNCHECKED = (flags.to_bytes(4, "little") for flags in (0b11, 0b01))
"""Flags of bytecode (PEP 552): Python compares it with its source at each start, or uses it without reading that."""
_UNREAD = re.compile(
    r"botocore/data/.+/examples-\d+\.json"  # For botocore's documentation.
    r"|botocore/cacert\.pem"  # botocore uses certifi's.
    r"|dateutil/zoneinfo/.+\.tar\.gz"  # The time zones are tzdata's.
    r"|(?:anyio|cffi|pycparser)/.+"  # For asynchronous calls; for building extensions, not for using them.
    r"|authlib/(?:integrations|jose|oauth1|oidc)/.+"
    r"|aws_lambda_powertools/event_handler/.+"
    r"|aws_lambda_powertools/utilities/(?!jmespath_utils/|__)[^/]+/.+"
    r"|(?:.+/)?tests/.+"
    r"|[^/]+\.dist-info/RECORD"
    r"|.+\.(?:pyi|[ch])"
)
_FIXED_TIME = 0
"""The time that gzip stores, so that equal models have equal bytes."""


def prune(path: Path) -> None:
    """Rewrite the zip without the files that are never read. A zip that is pruned already keeps its content."""
    target = path.with_suffix(".pruned")
    with zipfile.ZipFile(path) as archive, zipfile.ZipFile(target, "w") as pruned:
        for name in select(archive.namelist()):
            information = copy(archive.getinfo(name))  # Writing changes it, and the archive still reads with its own.
            pruned.writestr(information, _shorten(archive, name), zipfile.ZIP_DEFLATED, compresslevel=9)
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


def _shorten(archive: zipfile.ZipFile, name: str) -> bytes:
    """Return the content of a file without what is never read."""
    content = archive.read(name)
    data, bytecode = _DATA.fullmatch(name), _BYTECODE.fullmatch(name)
    if data is not None and data["file"] == "service-2.json.gz":
        return _without_documentation(content)
    if name == _ENDPOINTS:
        return _without_other_services(content)
    if bytecode is not None:
        return _without_check(content, archive.read(f"{bytecode['folder'] or ''}{bytecode['stem']}.py"))
    return content


def _without_check(bytecode: bytes, source: bytes) -> bytes:
    """Return bytecode that Python uses without reading its source. Bytecode of another source stays as it is."""
    if bytecode[4:16] != _CHECKED + source_hash(source):
        return bytecode
    return bytecode[:4] + _UNCHECKED + bytecode[8:]


def _without_other_services(endpoints: bytes) -> bytes:
    """Return the regions of all partitions, with the endpoints of the services that the functions call."""
    document = json.loads(endpoints)
    for partition in document["partitions"]:
        partition["services"] = {
            name: service for name, service in partition["services"].items() if name in ENDPOINT_PREFIXES
        }
    return json.dumps(document, separators=(",", ":")).encode()


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
