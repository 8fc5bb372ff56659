"""The access token, from where it was given: as it is, or in a file that something else renews."""

from __future__ import annotations

import logging
from pathlib import Path

from muster.model.errors import BadConfiguration

log = logging.getLogger("muster.registry.consul")

_LARGEST = 64 * 1024


class Token:
    """The token to send with the next request. A file is read again when it has changed, without a restart.

    Looks at the file each time (a stat, some microseconds) and does not watch it. For one event loop.
    """

    def __init__(self, token: str, file: str) -> None:
        self._token = token
        self._file = Path(file) if file else None
        self._seen: tuple[int, int, int] | None = None
        self._told = ""

    def current(self) -> str:
        """The token, or nothing for none. Raises BadConfiguration for a file that cannot be read or holds no token.

        Once a token was read, a file that vanishes or is empty changes nothing, since it is being replaced; should it
        stay so, a warning has said it.
        """
        try:
            self._refresh()
        except BadConfiguration as fault:
            if self._seen is None:
                raise
            self._tell(str(fault))
        return self._token

    def _refresh(self) -> None:
        if self._file is None:
            return
        try:
            stat = self._file.stat()
            seen = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
            if seen != self._seen:
                self._token, self._seen, self._told = _read(self._file), seen, ""
        except OSError as error:
            raise BadConfiguration(f"token file {self._file}: {error.strerror}") from None

    def _tell(self, fault: str) -> None:
        if fault != self._told:
            log.warning("the token stays as it was: %s", fault)
        self._told = fault


def _read(file: Path) -> str:
    with file.open("rb") as opened:
        token = opened.read(_LARGEST).strip()
    if not token.isascii() or not token.decode("ascii").isprintable():
        raise BadConfiguration(f"token file {file}: that is no token: it holds more than one line, or odd characters")
    if not token:
        raise BadConfiguration(f"token file {file} is empty")
    return token.decode("ascii")
