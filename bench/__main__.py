"""`python -m bench [SUBJECT...] [--quick] [--json]`: measure, print a table; exit 1 where a bound does not hold."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

from bench.figure import Figure

_NOT_SUBJECTS = {"__main__", "chart", "figure", "load", "processes"}


def subjects() -> list[str]:
    found = (module.name for module in iter_modules([str(Path(__file__).parent)]))
    return sorted(name for name in found if name not in _NOT_SUBJECTS)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure muster.")
    parser.add_argument("subject", nargs="*", help=f"of {', '.join(subjects())}; default: all")
    parser.add_argument("--quick", action="store_true", help="fewer and shorter repeats: a smoke test, not a figure")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    unknown = set(options.subject) - set(subjects())
    if unknown:
        parser.error(f"unknown subject {', '.join(sorted(unknown))}; known: {', '.join(subjects())}")
    figures: list[Figure] = []
    for name in options.subject or subjects():
        print(f"measuring {name}", file=sys.stderr, flush=True)
        figures += import_module(f"bench.{name}").measure(options.quick)
    if options.json:
        print(json.dumps([asdict(figure) for figure in figures], indent=2))
    else:
        _table(figures)
    return 0 if options.quick or all(figure.holds for figure in figures) else 1


def _table(figures: list[Figure]) -> None:
    width = max((len(figure.what) for figure in figures), default=0)
    for figure in figures:
        spread = f"{figure.spread[0]:.3g} to {figure.spread[1]:.3g}" if figure.spread else ""
        verdict = "" if not figure.bound else "ok" if figure.holds else "MISSED"
        value = f"{figure.value:.3g} {figure.unit}"
        print(f"{figure.what:<{width}}  {value:>14}  {figure.bound:>9}  {verdict:<6}  {spread}  {figure.note}".rstrip())


if __name__ == "__main__":
    sys.exit(main())
