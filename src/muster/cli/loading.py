"""From MODULE:OBJECT to the service that it names."""

from __future__ import annotations

import os
import sys
import traceback
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from muster.cli.misuse import Misuse
from muster.model.errors import BadConfiguration, MusterError

if TYPE_CHECKING:
    from muster.app.service import Service


def load(target: str) -> Service:
    """The service at MODULE:OBJECT; modules are also looked for in the current directory.

    Raises Misuse where there is no such thing, and BadConfiguration where the module itself is at fault.
    """
    module_name, colon, path = target.partition(":")
    if not (module_name and colon and path):
        raise Misuse(f"{target!r} does not say which object: write MODULE:OBJECT, such as greeter:service")
    if "/" in module_name or module_name.endswith(".py"):
        dotted = module_name.removesuffix(".py").strip("./").replace("/", ".")
        raise Misuse(f"{module_name!r} is a file: write its module's name, as in {dotted}:{path}")
    return _checked(_attribute(_import(module_name), path), target)


def _import(name: str) -> ModuleType:
    if os.getcwd() not in sys.path and "" not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        return import_module(name)
    except MusterError:
        raise
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(f"{error.name}.")):
            raise Misuse(f"there is no module {error.name!r} here ({os.getcwd()}) or installed") from None
        raise _broken(name, error) from error
    except Exception as error:
        raise _broken(name, error) from error


def _broken(name: str, error: Exception) -> BadConfiguration:
    """Names the line at fault, which is what a traceback would be read for."""
    kind = type(error).__name__
    if isinstance(error, SyntaxError):
        return BadConfiguration(f"importing {name} failed: {kind}: {error.msg} ({error.filename}, line {error.lineno})")
    last = traceback.extract_tb(error.__traceback__)[-1]
    return BadConfiguration(f"importing {name} failed: {kind}: {error} ({last.filename}, line {last.lineno})")


def _attribute(module: ModuleType, path: str) -> Any:
    found: Any = module
    for part in path.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            raise Misuse(f"module {module.__name__!r} has no {path!r}{_offered(module)}") from None
    return found


def _checked(found: Any, target: str) -> Service:
    from muster.app.service import Service

    if not isinstance(found, Service):
        raise Misuse(f"{target} is no muster.Service but {_article(type(found).__name__)}")
    return found


def _offered(module: ModuleType) -> str:
    """What the module has instead."""
    from muster.app.service import Service

    names = [name for name, value in vars(module).items() if isinstance(value, Service)]
    return f"; its services: {', '.join(sorted(names))}" if names else "; it has no muster.Service at all"


def _article(noun: str) -> str:
    return f"{'an' if noun[:1].lower() in 'aeiou' else 'a'} {noun}"
