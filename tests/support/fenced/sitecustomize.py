"""Python imports this first where this folder is on PYTHONPATH: nothing but this machine is reached then.

An attempt is refused, and the host is added to the file FENCED_LOG.
"""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

_HERE = ("127.0.0.1", "localhost", "::1", "0.0.0.0", None, "")
_resolve = socket.getaddrinfo
_connect = socket.socket.connect


def _check(host: Any) -> None:
    if (host.decode() if isinstance(host, bytes) else host) in _HERE:
        return
    with Path(os.environ["FENCED_LOG"]).open("a", encoding="utf-8") as log:
        log.write(f"{host}\n")
    raise OSError(f"{host} is beyond the fence")


def _fenced_resolve(host: Any, *arguments: Any, **named: Any) -> Any:
    _check(host)
    return _resolve(host, *arguments, **named)


def _fenced_connect(self: socket.socket, address: Any) -> None:
    if self.family in (socket.AF_INET, socket.AF_INET6):
        _check(address[0])
    _connect(self, address)


socket.getaddrinfo = _fenced_resolve
socket.socket.connect = _fenced_connect  # type: ignore[method-assign]
