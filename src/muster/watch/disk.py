"""The last known snapshots on disk, so that a client which starts while the registry is down finds its services.

One file a name, in a folder for each registry, replaced as a whole. What is read is a hint of where to look, never
the truth: it comes back as Stale, and instances that can prove who they are do so before they get a call.
"""

from __future__ import annotations

import hashlib
import logging
import os
import tempfile
import time
from pathlib import Path
from urllib.parse import quote

import msgspec

from muster.model.errors import BadConfiguration
from muster.model.instance import Instance
from muster.model.snapshot import Known, Stale

log = logging.getLogger("muster.disk")

FORMAT = 1
MAX_FILE = 256 << 20
"""Bytes; 100,000 instances take about 25 MB."""


class _File(msgspec.Struct, forbid_unknown_fields=True):
    format: int
    name: str
    saved: float
    instances: list[Instance]


class Disk:
    """Snapshots of one registry below `folder`, which is made if need be; `max_age` in seconds. `place` in its methods
    names the datacenters of a watch that has some of its own.

    Methods block for as long as the disk does: call them from a thread.
    """

    def __init__(self, folder: Path, registry: str, *, max_age: float = 86_400.0) -> None:
        self._folder = folder / hashlib.sha256(registry.encode()).hexdigest()[:16]
        self._max_age = max_age

    def prepare(self) -> None:
        """Make the folder, for this user alone: who can write to it can choose whom we call.

        Raises BadConfiguration where that cannot be done.
        """
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise BadConfiguration(f"cache_dir {self._folder.parent}: {error.strerror}") from error

    def load(self, name: str, place: str = "") -> Stale | None:
        """What was known of `name` when it was saved last; None if nothing, too old, or not readable (a warning)."""
        path = self._path(name, place)
        try:
            with path.open("rb") as file:
                kept = msgspec.json.decode(file.read(MAX_FILE), type=_File)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
            log.warning("%s cannot be used and is ignored: %s", path, error)
            return None
        if kept.format != FORMAT or kept.name != name:
            log.warning("%s is of another format or name and is ignored", path)
            return None
        # A clock that was set back makes a file of the future: no older than now.
        if time.time() - kept.saved > self._max_age:
            return None
        return Stale(name, tuple(kept.instances), kept.saved, "from disk: the registry has not answered yet")

    def save(self, known: Known, place: str = "") -> None:
        """Replace what is kept of the name, whole or not at all. Raises OSError, say for a full disk."""
        content = msgspec.json.encode(_File(FORMAT, known.name, time.time(), list(known.instances)))
        descriptor, temporary = tempfile.mkstemp(dir=self._folder, prefix=".new-")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, self._path(known.name, place))
        except BaseException:
            os.unlink(temporary)
            raise

    def forget(self, name: str, place: str = "") -> None:
        """Remove what is kept of a name that the registry knows no more."""
        self._path(name, place).unlink(missing_ok=True)

    def _path(self, name: str, place: str) -> Path:
        file = f"{name}@{place}" if place else name
        return self._folder / f"{quote(file, safe='')[:200]}.json"
