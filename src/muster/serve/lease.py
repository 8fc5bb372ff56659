"""One registration for all the processes that share a listener: who of them holds it, and who is the last one out.

Locks of files (flock(2)) tell: the kernel drops them when a process ends, however it ends. For each service and
listener there is a directory with three files:

    state      what all of them know: the instance's id, and how its registration stands. Locked while something changes
    members    a shared lock of everybody who serves
    holder     the lock of the one who registers and beats for all
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from pathlib import Path

from muster.model.errors import BadConfiguration
from muster.serve.listeners import Listener

RUNTIME = "MUSTER_RUNTIME_DIR"


@dataclass(frozen=True, slots=True)
class Shared:
    """What the processes know of their registration. `inode`: of the socket that it was made for; a new one at the
    same address is another run. `why`: what keeps it from being registered. `tls`: whether it is spoken there.
    `replacing`: since when (Unix time) one of them is away that another process takes the place of; 0 for none."""

    id: str
    inode: int
    registered: bool = False
    why: str = ""
    tls: bool = False
    replacing: float = 0.0


class Lease:
    """A place among the processes of this machine that serve `name` at one listener. All calls return at once.

    Not for processes of different users, nor of different containers: those cannot share a socket.
    """

    def __init__(self, name: str, listener: Listener, environ: Mapping[str, str] = os.environ) -> None:
        self._directory = _runtime(environ) / _key(name, listener)
        self._inode = listener.inode
        self._members: int | None = None
        self._holder: int | None = None

    def join(self, new_id: Callable[[], str], tls: bool = False) -> str:
        """Become one of them, or stay it; returns the id of the instance that they are together, a new one for the
        first, who tells the others of `tls`.

        Raises BadConfiguration where there is no place for the files.
        """
        with self._state() as state:
            if self._members is None:
                self._members = _opened(self._directory / "members")
            alone = _locked(self._members, fcntl.LOCK_EX)
            known = _read(state)
            if known is None or (alone and (known.inode != self._inode or not self._inode)):
                known = Shared(new_id(), self._inode, tls=tls)
            _write(state, replace(known, replacing=0.0))
            fcntl.flock(self._members, fcntl.LOCK_SH)
            return known.id

    def known(self) -> Shared | None:
        """What those who serve at this very socket are, or were that left it to the next; None if nobody has."""
        told = self.told()
        return told if told is not None and self._inode and told.inode == self._inode else None

    def hold(self) -> bool:
        """Become the one who registers for all, or stay it. False while another one is."""
        if self._holder is None:
            holder = _opened(self._directory / "holder")
            if not _locked(holder, fcntl.LOCK_EX):
                os.close(holder)
                return False
            self._holder = holder
        return True

    @property
    def held(self) -> bool:
        """Whether this process registers for all."""
        return self._holder is not None

    def pass_on(self) -> bool:
        """Let another one register for all; False where there is no other."""
        if self._holder is None:
            return True
        with self._state():
            assert self._members is not None
            alone = _locked(self._members, fcntl.LOCK_EX)
            fcntl.flock(self._members, fcntl.LOCK_SH)
        if not alone:
            os.close(self._holder)
            self._holder = None
        return not alone

    def tell(self, registered: bool, why: str = "") -> None:
        """Let the others know how the registration stands. By who holds the lease."""
        with self._state() as state:
            known = _read(state)
            if known is not None and (known.registered, known.why) != (registered, why):
                _write(state, replace(known, registered=registered, why=why))

    def told(self) -> Shared | None:
        """What the one who holds the lease told last; None once the last one is out. Also after `leave`."""
        try:
            state = os.open(self._directory / "state", os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(state, fcntl.LOCK_SH)
            return _read(state)
        finally:
            os.close(state)

    def take_turn(self, patience: float) -> bool:
        """Whether this process may leave to be replaced; then it is its turn until the next process joins, or for
        `patience` seconds. Else it is another one's: without turns all might be away at once."""
        if self._members is None:
            return True
        now = time.time()
        with self._state() as state:
            known = _read(state)
            if known is not None and 0 <= now - known.replacing < patience:
                return False
            if known is not None:
                _write(state, replace(known, replacing=now))
        return True

    def leave(self, stays: bool) -> bool:
        """Be one of them no more; returns whether nobody is left. May be called again, and returns False then.

        `stays`: the next process that serves at this socket shall be the same instance, even if nobody is left.
        """
        if self._members is None:
            return False
        with self._state():
            last = _locked(self._members, fcntl.LOCK_EX)
            os.close(self._members)
            if self._holder is not None:
                os.close(self._holder)
            self._members = self._holder = None
            if last and not stays:
                shutil.rmtree(self._directory)
        return last

    @contextmanager
    def _state(self) -> Iterator[int]:
        """The file `state`, locked; for microseconds, since whoever comes meanwhile waits."""
        path = self._directory / "state"
        while True:
            try:
                self._directory.mkdir(mode=0o700, exist_ok=True)
                file = _opened(path)
            except FileNotFoundError:
                continue  # the last one out removed the directory meanwhile
            try:
                fcntl.flock(file, fcntl.LOCK_EX)
                if _is_at(path, file):
                    yield file
                    return
            finally:
                os.close(file)


def _runtime(environ: Mapping[str, str]) -> Path:
    """A directory that is this user's alone. Raises BadConfiguration."""
    asked = environ.get(RUNTIME) or environ.get("XDG_RUNTIME_DIR")
    path = Path(asked, "muster") if asked else Path(tempfile.gettempdir(), f"muster-{os.getuid()}")
    try:
        path.mkdir(mode=0o700, parents=bool(asked), exist_ok=True)
        found = path.lstat()
    except OSError as error:
        raise BadConfiguration(f"{_NO_PLACE} in {path}: {error.strerror}: {_ADVICE}") from error
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o022:
        raise BadConfiguration(f"{_NO_PLACE} in {path}: others may write there: {_ADVICE}")
    return path


_NO_PLACE = "the processes that share a listener have no place for their lock files"
_ADVICE = f"set {RUNTIME} to a directory of this user"


def _key(name: str, listener: Listener) -> str:
    """The name of a directory for a service at a listener; addresses repeat in other network namespaces."""
    try:
        network = os.stat("/proc/self/ns/net").st_ino
    except OSError:
        network = 0
    return sha256(f"{name} {listener} {network}".encode()).hexdigest()[:24]


def _opened(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _locked(file: int, kind: int) -> bool:
    """Whether the lock could be had at once. A lock of another kind that was held is lost where it could not."""
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_at(path: Path, file: int) -> bool:
    try:
        return path.stat().st_ino == os.fstat(file).st_ino
    except FileNotFoundError:
        return False


def _read(state: int) -> Shared | None:
    """None for a file that is new, or that no version of muster has written whole."""
    try:
        return Shared(**json.loads(os.pread(state, 1 << 16, 0)))
    except (ValueError, TypeError):
        return None


def _write(state: int, shared: Shared) -> None:
    os.ftruncate(state, 0)
    os.pwrite(state, json.dumps(asdict(shared)).encode(), 0)
