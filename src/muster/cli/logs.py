"""Where the command's log lines go: standard error. The library itself never configures logging."""

from __future__ import annotations

import logging
import os

from muster.cli.misuse import Misuse

LEVELS = ("debug", "info", "warning", "error")


def to_stderr(level: str | None) -> None:
    """Write what muster logs to standard error, from `level`, else MUSTER_LOG, else warnings."""
    chosen = level or os.environ.get("MUSTER_LOG") or ""
    if chosen and chosen.lower() not in LEVELS:
        raise Misuse(f"log level {chosen!r} is none of {', '.join(LEVELS)}")
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s", level=logging.WARNING)
    if chosen:
        logging.getLogger("muster").setLevel(chosen.upper())


def tell_more() -> None:
    """For commands that stay: what happens is worth a line, unless the user chose a level."""
    logger = logging.getLogger("muster")
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.INFO)


def level_is_chosen() -> bool:
    """Whether the user chose a level, so that a configuration file does not count. Ask before `tell_more`."""
    return logging.getLogger("muster").level != logging.NOTSET


def follow(level: str | None) -> None:
    """Log from `level`, as a configuration file has it; what happens, where it has none."""
    logging.getLogger("muster").setLevel((level or "info").upper())
