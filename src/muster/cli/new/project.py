"""The files of a project. Pure, but for reading the templates."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable

from muster._version import __version__
from muster.cli.new.naming import package_of

_SUFFIX = ".template"
_COMMON = "common"


@dataclass(frozen=True, slots=True)
class Kind:
    """What a service is made with.

    `needs`, `tests_need`: requirements as pip reads them. `command`: what starts it, as a container's entry point; it
    may name the package. `listens`: the environment variables that tell it host and port.
    """

    name: str
    needs: tuple[str, ...]
    tests_need: tuple[str, ...]
    command: tuple[str, ...]
    listens: tuple[str, str] = ("HOST", "PORT")
    protobuf: bool = False


_MUSTER = f"muster-discovery>={__version__}"
_RUN = ("muster", "run", "_module_.service:service")

TYPED = Kind("typed", (_MUSTER,), ("anyio", "pytest"), _RUN)
GRPC = Kind("grpc", (_MUSTER,), ("anyio", "grpcio-tools", "pytest"), _RUN, protobuf=True)
FASTAPI = Kind(
    "fastapi",
    ("fastapi", _MUSTER, "uvicorn"),
    ("anyio", "pytest"),
    ("uvicorn", "_module_.service:app"),
    ("UVICORN_HOST", "UVICORN_PORT"),
)


def project(name: str, kind: Kind) -> dict[str, str]:
    """The text of every file, by its path in the project. Raises Misuse for a name that cannot be used."""
    names = {"_name_": name, "_module_": package_of(name)}
    words = names | {word: _replaced(text, names) for word, text in _words(kind).items()}
    templates = files("muster.cli.new") / "templates"
    return {
        _replaced(path.removesuffix(_SUFFIX), words): _replaced(text, words)
        for folder in (_COMMON, kind.name)
        for path, text in _texts(templates / folder)
    }


def _words(kind: Kind) -> dict[str, str]:
    """What the kind decides; the names may be part of it."""
    host, port = kind.listens
    return {
        "_needs_": _quoted(kind.needs),
        "_tests_need_": _quoted(kind.tests_need),
        "_command_": _quoted(kind.command),
        "_host_variable_": host,
        "_port_variable_": port,
    }


def _texts(folder: Traversable, above: str = "") -> Iterator[tuple[str, str]]:
    for each in folder.iterdir():
        path = f"{above}{each.name}"
        if each.is_dir():
            yield from _texts(each, f"{path}/")
        elif path.endswith(_SUFFIX):
            yield path, each.read_text(encoding="utf-8")


def _quoted(items: tuple[str, ...]) -> str:
    """As TOML and JSON write what is between the brackets of a list."""
    return ", ".join(f'"{item}"' for item in items)


def _replaced(text: str, words: Mapping[str, str]) -> str:
    """In one pass, since a name may contain what stands for another one."""
    return re.sub("|".join(words), lambda found: words[found[0]], text)
