"""What a project may be called, and the package that is in it. Pure."""

from __future__ import annotations

import re
import sys
from keyword import iskeyword

from muster.cli.misuse import Misuse
from muster.model.errors import Rejected
from muster.model.service import check_name

_USED = frozenset({"anyio", "fastapi", "google", "grpc", "msgspec", "muster", "pytest", "tests", "uvicorn"})
"""Packages that a project imports itself, and its own tests."""

_REGISTRY = "consul"
"""What the registry calls itself, and is called in the compose file."""


def package_of(name: str) -> str:
    """The Python package of the service `name`. Raises Misuse for a name that cannot be used, which says why."""
    try:
        check_name(name)
    except Rejected as error:
        raise Misuse(str(error)) from None
    if name == _REGISTRY:
        raise Misuse(f"{name!r} is what the registry calls itself: choose another name")
    package = re.sub(r"[.-]", "_", name).lower()
    if not package.isidentifier():
        raise Misuse(f"{name!r} would make a package {package!r}, which Python cannot import: begin with a letter")
    if iskeyword(package):
        raise Misuse(f"{name!r} would make a package {package!r}, a word of Python's own: choose another name")
    if package in sys.stdlib_module_names or package in _USED:
        raise Misuse(f"{name!r} would make a package {package!r} that hides the one of that name: choose another name")
    return package
