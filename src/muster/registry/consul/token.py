"""The access token, from where it was given: as it is, or in a file that something else renews."""

from __future__ import annotations

from pathlib import Path

from muster.model.errors import BadConfiguration

_LARGEST = 64 * 1024


class Token:
    """The token to send with the next request. A file is read again when it has changed, without a restart.

    Looks at the file each time (a stat, some microseconds) and does not watch it. One reader at a time.
    """

    def __init__(self, token: str, file: str) -> None:
        self._token = token
        self._file = Path(file) if file else None
        self._seen: tuple[int, int, int] | None = None

    def current(self) -> str:
        """The token, or nothing for none. Raises BadConfiguration for a file that cannot be read or holds no token.

        A file that vanishes after it was read once changes nothing: it is being replaced.
        """
        if self._file is None:
            return self._token
        try:
            stat = self._file.stat()
            seen = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
            if seen != self._seen:
                self._token = _read(self._file)
                self._seen = seen
        except OSError as error:
            if self._seen is None:
                raise BadConfiguration(f"token file {self._file}: {error.strerror}") from None
        return self._token


def _read(file: Path) -> str:
    with file.open("rb") as opened:
        token = opened.read(_LARGEST).strip()
    if not token.isascii() or not token.decode("ascii").isprintable():
        raise BadConfiguration(f"token file {file}: that is no token: it holds more than one line, or odd characters")
    if not token:
        raise BadConfiguration(f"token file {file} is empty")
    return token.decode("ascii")
