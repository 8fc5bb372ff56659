"""Putting a project into a new directory."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from muster.cli.misuse import Misuse
from muster.model.errors import BadConfiguration


def write(directory: Path, files: Mapping[str, str]) -> None:
    """Write the files into `directory`, which is made unless it is there and empty.

    Raises Misuse for one that is not, and then nothing is written; BadConfiguration where the disk does not take them.
    """
    try:
        if directory.exists() and not _is_empty(directory):
            raise Misuse(f"{str(directory)!r} is there already: nothing was written; choose another name or remove it")
        for path, text in files.items():
            file = directory / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise BadConfiguration(f"{error.filename} cannot be written: {error.strerror}") from error


def require_protoc() -> None:
    """Raises Misuse where the compiler of .proto files is missing. To be asked before anything is written."""
    if find_spec("grpc_tools") is None:
        raise Misuse("--grpc makes code from a .proto file with grpcio-tools: pip install grpcio-tools")


def run_protoc(directory: Path, proto: str) -> None:
    """Make the code for the .proto file at the path `proto` of the project, as its README says. Blocks half a second.

    Raises BadConfiguration with what protoc says.
    """
    outputs = ["--python_out=.", "--pyi_out=.", "--grpc_python_out=."]
    command = [sys.executable, "-m", "grpc_tools.protoc", "-I.", *outputs, proto]
    done = subprocess.run(command, cwd=directory, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        raise BadConfiguration(f"protoc made no code of {proto}: {done.stderr.strip()}")


def _is_empty(directory: Path) -> bool:
    return directory.is_dir() and not any(directory.iterdir())
