"""Request bodies: parsed as strict JSON, then converted to the declared struct."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, NoReturn, TypeVar

from chalicelib.errors import Malformed, TooLarge
from chalicelib.validation import Check, convert

T = TypeVar("T")
BODY_LIMIT = 64 * 1024
_DEPTH_LIMIT = 20
_DIGITS_LIMIT = 18
_SURROGATE = re.compile("[\ud800-\udfff]")


def read(raw: bytes, cls: type[T], checks: Mapping[str, Check] | None = None) -> T:
    """Return the body as the struct `cls`. Raise `TooLarge`, `Malformed` or `InvalidInput`."""
    return convert(parse(raw), cls, checks or {})


def parse(raw: bytes) -> Any:
    """Parse JSON (RFC 8259) of at most 64 kB: no duplicate names, no NaN, bounded depth and numbers."""
    if len(raw) > BODY_LIMIT:
        raise TooLarge(f"The body has {len(raw)} bytes; at most {BODY_LIMIT} are accepted.")
    try:
        value = json.loads(
            raw.decode("utf-8"),
            object_pairs_hook=_object,
            parse_constant=_refuse_constant,
            parse_int=_integer,
            parse_float=_number,
        )
    except UnicodeDecodeError:
        raise Malformed("The body is not UTF-8.") from None
    except RecursionError:
        raise Malformed(f"The body is nested deeper than {_DEPTH_LIMIT} levels.") from None
    except ValueError:
        raise Malformed("The body is not JSON.") from None
    return _clean(value, _DEPTH_LIMIT)


def _clean(value: Any, levels: int) -> Any:
    """Check the depth, and replace lone surrogates, which neither tables nor emails can contain."""
    if isinstance(value, str):
        return _SURROGATE.sub("\N{REPLACEMENT CHARACTER}", value)
    if not isinstance(value, dict | list):
        return value
    if levels == 0:
        raise Malformed(f"The body is nested deeper than {_DEPTH_LIMIT} levels.")
    if isinstance(value, list):
        return [_clean(item, levels - 1) for item in value]
    return {_clean(name, levels): _clean(item, levels - 1) for name, item in value.items()}


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise Malformed("An object in the body names a member twice.")
    return value


def _integer(text: str) -> int:
    if len(text) > _DIGITS_LIMIT:
        raise Malformed("A number in the body has too many digits.")
    return int(text)


def _number(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise Malformed("A number in the body is too large.")
    return value


def _refuse_constant(_: str) -> NoReturn:
    raise Malformed("NaN and Infinity are not JSON.")
