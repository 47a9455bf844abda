"""DynamoDB's condition, key and update expressions, as far as pynamodb writes them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Any

Value = Mapping[str, Any]
"""An attribute value as on the wire: {"S": …}, {"N": "…"}, {"B": …}."""
Item = dict[str, Any]
Values = Mapping[str, Value]
Condition = Callable[[Mapping[str, Value], Values], bool]
Update = Callable[[Item, Values], None]
_Operand = Callable[[Mapping[str, Value], Values], Value | None]

_TOKEN = re.compile(r"\s*(#\d+|:\d+|<>|<=|>=|[=<>+\-(),]|[A-Za-z_]+)")
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "=": lambda a, b: a == b,
    "<>": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}


class Unsupported(NotImplementedError):
    """pynamodb wrote something that the product did not use before: teach this module, and compare it with moto."""


def comparable(value: Value) -> Any:
    """What orders and equates values of one type."""
    kind, content = next(iter(value.items()))
    if kind == "SS":
        return frozenset(content)
    return Decimal(content) if kind == "N" else content


@lru_cache(maxsize=1024)
def condition(text: str, names: tuple[tuple[str, str], ...]) -> Condition:
    """A condition or key condition, compiled."""
    reader = _Reader(text, dict(names))
    parsed = reader.either()
    reader.end()
    return parsed


@lru_cache(maxsize=1024)
def update(text: str, names: tuple[tuple[str, str], ...]) -> Update:
    """An update expression, compiled: SET, REMOVE, and ADD of a set or number."""
    reader = _Reader(text, dict(names))
    actions: list[Update] = []
    while reader.peek():
        section = reader.take()
        if section not in ("SET", "REMOVE", "ADD"):
            raise Unsupported(text)
        read = {"SET": reader.assignment, "REMOVE": reader.removal, "ADD": reader.addition}[section]
        actions.append(read())
        while reader.peek() == ",":
            reader.take()
            actions.append(read())

    def apply(item: Item, values: Values) -> None:
        before = dict(item)  # Every operand sees the item as it was.
        for action in actions:
            action_item = _Staged(item, before)
            action(action_item, values)

    return apply


class _Staged(dict[str, Any]):
    """Writes go to the item, reads see what it was before."""

    def __init__(self, item: Item, before: Item) -> None:
        super().__init__(before)
        self.item = item


class _Reader:
    def __init__(self, text: str, names: Mapping[str, str]) -> None:
        self._names = names
        self._text = text
        self._tokens = _TOKEN.findall(text)
        if "".join(self._tokens) != re.sub(r"\s", "", text):
            raise Unsupported(text)
        self._at = 0

    def peek(self) -> str | None:
        return self._tokens[self._at] if self._at < len(self._tokens) else None

    def take(self, expected: str | None = None) -> str:
        token = self.peek()
        if token is None or (expected is not None and token != expected):
            raise Unsupported(self._text)
        self._at += 1
        return token

    def end(self) -> None:
        if self.peek() is not None:
            raise Unsupported(self._text)

    def either(self) -> Condition:
        left = self.both()
        while self.peek() == "OR":
            self.take()
            left = _or(left, self.both())
        return left

    def both(self) -> Condition:
        left = self.one()
        while self.peek() == "AND":
            self.take()
            left = _and(left, self.one())
        return left

    def one(self) -> Condition:
        token = self.peek()
        if token == "(":
            self.take()
            inner = self.either()
            self.take(")")
            return inner
        if token in ("attribute_exists", "attribute_not_exists"):
            self.take()
            self.take("(")
            name = self.name()
            self.take(")")
            wanted = token == "attribute_exists"
            return lambda item, values: (name in item) is wanted
        left = self.operand()
        if self.peek() == "BETWEEN":
            self.take()
            low = self.operand()
            self.take("AND")
            high = self.operand()
            return _and(_comparison("<=", low, left), _comparison("<=", left, high))
        return _comparison(self.take(), left, self.operand())

    def operand(self) -> _Operand:
        token = self.take()
        if token.startswith("#"):
            name = self._names[token]
            return lambda item, values: item.get(name)
        if token.startswith(":"):
            return lambda item, values: values[token]
        if token == "if_not_exists":
            self.take("(")
            name = self.name()
            self.take(",")
            other = self.operand()
            self.take(")")
            return lambda item, values: item.get(name) or other(item, values)
        raise Unsupported(self._text)

    def name(self) -> str:
        return self._names[self.take()]

    def assignment(self) -> Update:
        name = self.name()
        self.take("=")
        first = self.operand()
        if self.peek() not in ("+", "-"):

            def put(item: Item, values: Values) -> None:
                item.item[name] = first(item, values)  # type: ignore[attr-defined]

            return put
        sign = 1 if self.take() == "+" else -1
        second = self.operand()

        def add(item: Item, values: Values) -> None:
            a, b = first(item, values), second(item, values)
            if a is None or b is None:
                raise Unsupported("arithmetic on an attribute that is not there")
            item.item[name] = {"N": str(Decimal(a["N"]) + sign * Decimal(b["N"]))}  # type: ignore[attr-defined]

        return add

    def addition(self) -> Update:
        name, second = self.name(), self.operand()

        def add(item: Item, values: Values) -> None:
            added = second(item, values)
            if added is None or not added.keys() & {"SS", "N"}:
                raise Unsupported(self._text)
            if "N" in added:
                total = Decimal(item.get(name, {"N": "0"})["N"]) + Decimal(added["N"])
                item.item[name] = {"N": str(total)}  # type: ignore[attr-defined]
                return
            members = {*item.get(name, {"SS": []})["SS"], *added["SS"]}
            item.item[name] = {"SS": sorted(members)}  # type: ignore[attr-defined]

        return add

    def removal(self) -> Update:
        name = self.name()

        def remove(item: Item, values: Values) -> None:
            item.item.pop(name, None)  # type: ignore[attr-defined]

        return remove


def _comparison(sign: str, left: _Operand, right: _Operand) -> Condition:
    compare = _COMPARE[sign]

    def holds(item: Mapping[str, Value], values: Values) -> bool:
        a, b = left(item, values), right(item, values)
        if a is None or b is None or a.keys() != b.keys():
            return sign == "<>"
        if "S" in a:  # Most are, and `comparable` takes twice as long.
            return compare(a["S"], b["S"])
        return compare(comparable(a), comparable(b))

    return holds


def _and(left: Condition, right: Condition) -> Condition:
    return lambda item, values: left(item, values) and right(item, values)


def _or(left: Condition, right: Condition) -> Condition:
    return lambda item, values: left(item, values) or right(item, values)
