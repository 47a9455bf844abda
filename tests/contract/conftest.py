"""Prints the matrix of providers and behaviours after a run that had the contract in it."""

from __future__ import annotations

import pytest


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    from tests.contract.kit.matrix import table

    known: dict[str, dict[str, str]] = {}
    for outcome, reports in terminalreporter.stats.items():
        for report in reports if outcome in ("passed", "failed", "error", "skipped") else []:
            told = dict(getattr(report, "user_properties", ()))
            if "behaviour" not in told:
                continue
            cell = {"passed": "yes", "skipped": "does not apply"}.get(outcome, "NO")
            row = known.setdefault(told["provider"], {})
            row[told["behaviour"]] = "NO" if "NO" in (cell, row.get(told["behaviour"])) else cell
    if known:
        terminalreporter.section("providers and what they were seen to do")
        terminalreporter.write_line(table(known))
