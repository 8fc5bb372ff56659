"""What happens, for people and for monitoring. Each is an Observer; `fan_out` tells several.

logging.py      EventLog: log lines on the logger `muster.events`
prometheus.py   Metrics: counters and gauges for Prometheus (extra `prometheus`)
fan_out.py      fan_out: one observer that tells several
throttle.py     Throttle: how many lines of a kind may be written
"""

from __future__ import annotations

from muster.telemetry.fan_out import fan_out
from muster.telemetry.logging import EventLog

__all__ = ["EventLog", "fan_out"]
