"""Which configuration files there are, and what is written in them."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from muster.model.errors import BadConfiguration

_LARGEST = 16 << 20
_FORMATS = (".json", ".toml")


def find_files(places: Iterable[Path]) -> list[Path]:
    """The files among `places` and, for a folder, the `.json` and `.toml` files in it, by name. Reads the folders.

    Raises BadConfiguration for a place that is not there, and for a file in another format. What else lies in a
    folder is left alone, as Consul does.
    """
    return [file for place in places for file in _files_at(place)]


def read_file(file: Path) -> dict[str, Any]:
    """The keys and values in a file. Raises BadConfiguration, whose text has the file, line and column."""
    text = _text(file)
    try:
        content = tomllib.loads(text) if file.suffix == ".toml" else json.loads(text or "{}")
    except json.JSONDecodeError as error:
        raise BadConfiguration(f"{file}:{error.lineno}:{error.colno}: no JSON: {error.msg}") from None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise BadConfiguration(f"{file}: no {file.suffix[1:].upper()}: {error}") from None
    if not isinstance(content, dict):
        raise BadConfiguration(f"{file}: an object with settings is expected, not {type(content).__name__}")
    return content


def _files_at(place: Path) -> list[Path]:
    if place.is_dir():
        return sorted(file for file in place.iterdir() if file.suffix in _FORMATS and file.is_file())
    if not place.exists():
        raise BadConfiguration(f"{place} cannot be read: there is no such file or folder")
    if place.suffix not in _FORMATS:
        hint = "; write HCL as JSON" if place.suffix == ".hcl" else ""
        raise BadConfiguration(f"{place}: a configuration is a folder, or a file that ends in .json or .toml{hint}")
    return [place]


def _text(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            content = opened.read(_LARGEST + 1)
    except OSError as error:
        raise BadConfiguration(f"{file} cannot be read: {error.strerror}") from None
    if len(content) > _LARGEST:
        raise BadConfiguration(f"{file} is larger than {_LARGEST >> 20} MiB: that is no configuration")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadConfiguration(f"{file} is not UTF-8: {error.reason} at byte {error.start}") from None
