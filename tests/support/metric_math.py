"""Alarms on metric math for ministack's CloudFormation, which refuses them: there each watches its first metric."""

from __future__ import annotations

from typing import Any

from ministack.services.cloudformation import provisioners

_stock = provisioners._cw_metric_alarm_record


def install() -> None:
    """Have ministack's CloudFormation take alarms with `Metrics`."""
    provisioners._cw_metric_alarm_record = _record


def _record(name: str, props: dict[str, Any]) -> Any:
    first = next((metric["MetricStat"] for metric in props.get("Metrics", []) if "MetricStat" in metric), None)
    if first is None:
        return _stock(name, props)
    plain = {key: value for key, value in props.items() if key != "Metrics"}
    return _stock(name, plain | first["Metric"] | {"Period": first["Period"], "Statistic": first["Stat"]})
