"""Decode JSON into structs. Safe to use from many threads, which msgspec alone is not.

msgspec reads a struct's annotations when it first decodes one. Another thread that decodes the same struct meanwhile
ends the process with a segmentation fault (msgspec 0.22). Here each type is read once, under a lock.
"""

from __future__ import annotations

from threading import Lock
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")
_decoders: dict[Any, msgspec.json.Decoder[Any]] = {}
_reading_types = Lock()


def decode_json(text: bytes | str, cls: type[T]) -> T:
    """Return the JSON text as `cls`. Raises `msgspec.DecodeError`."""
    value: T = _decoder(cls).decode(text)
    return value


def convert_value(value: Any, cls: type[T]) -> T:
    """Return what `json.loads` returned as `cls`. Raises `msgspec.ValidationError`."""
    _decoder(cls)  # It reads the type.
    return msgspec.convert(value, cls)


def _decoder(cls: Any) -> msgspec.json.Decoder[Any]:
    decoder = _decoders.get(cls)
    if decoder is None:
        with _reading_types:
            decoder = _decoders[cls] = msgspec.json.Decoder(cls)
    return decoder
