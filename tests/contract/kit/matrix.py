"""The matrix of providers and behaviours, from what the tests reported or from what they declare."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from chalicelib.domain.meeting_settings import PossibleSettings
from tests.contract.kit.contract import ProviderContract
from tests.contract.kit.subject import COHOSTS_BY_LINK, Subject


def behaviours() -> list[str]:
    """The contract's behaviours, in order."""
    return [name.removeprefix("test_") for name in vars(ProviderContract) if name.startswith("test_")]


def declared(contracts: Iterable[type[ProviderContract]]) -> dict[str, dict[str, str]]:
    """By provider and behaviour: `yes`, or why not."""
    return {c.subject_kind.column(): {b: c.subject_kind.lacks.get(b, "yes") for b in behaviours()} for c in contracts}


def table(known: Mapping[str, Mapping[str, str]]) -> str:
    """Markdown: one row a behaviour, `–` where it does not apply; the reasons stand below."""
    names = sorted(known)
    lines = [f"| | {' | '.join(names)} |", f"| --- |{' :-: |' * len(names)}"]
    for behaviour in behaviours():
        cells = [known[name].get(behaviour, "not run") for name in names]
        marks = [cell if cell in ("yes", "NO", "not run") else "–" for cell in cells]
        lines.append(f"| {behaviour.replace('_', ' ')} | {' | '.join(marks)} |")
    return "\n".join(lines)


def settings_table(contracts: Iterable[type[ProviderContract]]) -> str:
    """Markdown: which values of each meeting setting a provider supports."""
    subjects = [contract.subject_kind for contract in contracts]
    kinds = {subject.column(): subject.kind for subject in subjects}
    names = sorted(kinds)
    lines = [f"| | {' | '.join(names)} |", f"| --- |{' --- |' * len(names)}"]
    for setting in PossibleSettings.__struct_fields__:
        cells = [_values(getattr(kinds[name].possible_settings, setting)) for name in names]
        lines.append(f"| `{setting}` | {' | '.join(cells)} |")
    joins = {subject.column(): _cohosts(subject) for subject in subjects}
    return "\n".join((*lines, f"| `cohosts` | {' | '.join(joins[name] for name in names)} |"))


def _cohosts(subject: type[Subject]) -> str:
    if subject.kind.adds_cohosts:
        return "hosts, by the provider"
    return "hosts, by their own link" if COHOSTS_BY_LINK.items() <= dict(subject.lacks).items() else "guests"


def _values(possible: tuple[Any, ...]) -> str:
    return ", ".join(f"`{value if isinstance(value, str) else json.dumps(value)}`" for value in possible) or "–"


def reasons(known: Mapping[str, Mapping[str, str]]) -> str:
    """Markdown: why something does not apply, provider by provider."""
    lines = []
    for name in sorted(known):
        lacks = {b: why for b, why in known[name].items() if why not in ("yes", "NO", "not run")}
        by_reason: dict[str, list[str]] = {}
        for behaviour, why in lacks.items():
            by_reason.setdefault(why, []).append(behaviour.replace("_", " "))
        if by_reason:
            told = "; ".join(f"*{why}*: {', '.join(which)}" for why, which in by_reason.items())
            lines.append(f"- **{name}** – {told}.")
    return "\n".join(lines)
