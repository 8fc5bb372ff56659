"""The numbers, for people and for programs."""

from __future__ import annotations

from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from muster.cli.demo.figures import Figures, LifeFigures, Verdict, duration
from muster.cli.demo.load import CLIENT, GATEWAY

_DOORS = {CLIENT: "client, gRPC", GATEWAY: "gateway, HTTP"}


def print_figures(console: Console, figures: Figures) -> None:
    console.print(Group(_doors(figures), _lives(figures), *map(_verdict, figures.verdicts), *_errors(figures)))


def _doors(figures: Figures) -> Table:
    table = _table("calls through", "calls", "failures")
    for door, (calls, failed) in figures.doors.items():
        table.add_row(_DOORS.get(door, door), f"{calls:,}", Text(f"{failed:,}", "red" if failed else "green"))
    return table


def _lives(figures: Figures) -> Table:
    table = _table("instance", "answered", "ended by", "back after")
    for lived in figures.lives:
        back = "-" if lived.back_after is None else duration(lived.back_after)
        table.add_row(_name(lived), f"{lived.answered:,}", lived.life.end or "-", back)
    return table


def _name(lived: LifeFigures) -> str:
    return f"greeter {lived.life.greeter}{', again' if lived.life.again else ''}"


def _table(first: str, *others: str) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False, header_style="bold")
    table.add_column(first)
    for column in others:
        table.add_column(column, justify="right")
    return table


def _verdict(verdict: Verdict) -> RenderableType:
    mark, style = ("ok   ", "green") if verdict.right else ("WRONG", "bold red")
    return Text.assemble((mark, style), f"  {verdict.what}: {verdict.value}")


def _errors(figures: Figures) -> list[RenderableType]:
    return [Text(f"       {number:,} times: {error[:300]}") for error, number in figures.errors]


def figures_data(figures: Figures) -> dict[str, Any]:
    """The figures as JSON has them."""
    return {
        "calls": {door: {"calls": calls, "failed": failed} for door, (calls, failed) in figures.doors.items()},
        "instances": [
            {
                "greeter": lived.life.greeter,
                "id": lived.life.instance_id,
                "again": lived.life.again,
                "ended_by": lived.life.end,
                "answered": lived.answered,
                "back_after_seconds": lived.back_after,
            }
            for lived in figures.lives
        ],
        "verdicts": [
            {"what": verdict.what, "value": verdict.value, "right": verdict.right} for verdict in figures.verdicts
        ],
        "errors": [{"error": error, "times": number} for error, number in figures.errors],
        "right": figures.right,
    }
