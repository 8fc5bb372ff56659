"""Line charts as SVG, so that documentation can show a figure without a plotting library."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import ceil, floor, log10

WIDTH, HEIGHT = 640, 320
LEFT, RIGHT, TOP, BOTTOM = 64, 150, 34, 44
COLOURS = ("#1f6feb", "#d1242f", "#2da44e", "#8250df", "#bf8700", "#57606a", "#0a7ea4", "#c2410c")


@dataclass(frozen=True)
class Chart:
    """Lines of (x, y) points by name. An axis with `log` has powers of ten."""

    title: str
    x: str
    y: str
    lines: dict[str, Sequence[tuple[float, float]]] = field(default_factory=dict)
    log_x: bool = False
    log_y: bool = False

    def svg(self) -> str:
        xs = _Axis([x for line in self.lines.values() for x, _ in line], LEFT, WIDTH - RIGHT, self.log_x)
        ys = _Axis([y for line in self.lines.values() for _, y in line], HEIGHT - BOTTOM, TOP, self.log_y)
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" '
            'font-size="12">',
            f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
            f'<text x="{LEFT}" y="20" font-size="14">{self.title}</text>',
        ]
        parts += [_vertical(xs.at(tick), _number(tick)) for tick in xs.ticks]
        parts += [_horizontal(ys.at(tick), _number(tick)) for tick in ys.ticks]
        parts.append(f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - 8}" text-anchor="end">{self.x}</text>')
        parts.append(f'<text x="{LEFT - 52}" y="{TOP - 4}" font-size="11">{self.y}</text>')
        for number, (name, line) in enumerate(self.lines.items()):
            parts += _line(name, [(xs.at(x), ys.at(y)) for x, y in line], number)
        return "\n".join([*parts, "</svg>", ""])


class _Axis:
    """Where numbers are between two ends, in pixels."""

    def __init__(self, numbers: Sequence[float], start: float, end: float, log: bool) -> None:
        self._log = log
        self._start, self._end = start, end
        if log:
            self._low, self._high = floor(log10(min(numbers))), ceil(log10(max(numbers)))
            self.ticks = [10.0**power for power in range(int(self._low), int(self._high) + 1)]
        else:
            step = 10 ** floor(log10(max(numbers)))
            step = step / 2 if max(numbers) / step < 3 else step
            self._low, self._high = 0, ceil(max(numbers) / step) * step
            self.ticks = [step * number for number in range(round(self._high / step) + 1)]

    def at(self, number: float) -> float:
        place = log10(number) if self._log else number
        return self._start + (place - self._low) / (self._high - self._low) * (self._end - self._start)


def _number(value: float) -> str:
    return f"{value:,.10g}"


def _vertical(x: float, label: str) -> str:
    return (
        f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}" stroke="#eaeef2"/>'
        f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle" fill="#57606a">{label}</text>'
    )


def _horizontal(y: float, label: str) -> str:
    return (
        f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="#eaeef2"/>'
        f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end" fill="#57606a">{label}</text>'
    )


def _line(name: str, points: Sequence[tuple[float, float]], number: int) -> list[str]:
    colour = COLOURS[number % len(COLOURS)]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    legend = TOP + 12 + 18 * number
    return [
        f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.8"/>',
        f'<rect x="{WIDTH - RIGHT + 12}" y="{legend - 9}" width="12" height="4" fill="{colour}"/>',
        f'<text x="{WIDTH - RIGHT + 30}" y="{legend}">{name}</text>',
    ]
