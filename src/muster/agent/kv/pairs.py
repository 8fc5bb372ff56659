"""The table of keys, by Consul's rules (https://developer.hashicorp.com/consul/api-docs/kv).

A key has the index of its last change; a prefix has the highest of the keys below it, those removed included; where
nothing is below it, that of the table. A write of what is there already changes nothing.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from muster.agent.catalog.rows import NO_STAMP, Stamp
from muster.agent.catalog.topics import Topic
from muster.agent.store.tables import Tables
from muster.agent.store.write import Write

_MOST_GRAVES = 4096
"""Removed keys that are remembered one by one; of those before them only the last index is."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A key with its value. `session` holds its lock, empty for nobody; `lock_index` counts how often it was taken."""

    key: str
    value: bytes = b""
    flags: int = 0
    session: str = ""
    lock_index: int = 0
    stamp: Stamp = field(default=NO_STAMP, compare=False)


def pair_at(key: str) -> Topic:
    """One key."""
    return ("kv", key)


def pairs_below(prefix: str) -> Topic:
    """All keys that begin with a prefix."""
    return ("kv below", prefix)


class Pairs:
    """Keys in byte order: one of the tables that are written together. Synchronous."""

    name = "pairs"
    row = Pair

    def __init__(self, tables: Tables) -> None:
        self._pairs: dict[str, Pair] = {}
        self._keys: list[str] = []
        self._held: dict[str, set[str]] = {}
        self._graves: dict[str, int] = {}
        self._forgotten = 0
        self._last = 1
        self._delays: dict[str, float] = {}
        tables.join(self._conclude, self)

    def __len__(self) -> int:
        return len(self._pairs)

    # Reads

    def get(self, key: str) -> Pair | None:
        return self._pairs.get(key)

    def below(self, prefix: str) -> list[Pair]:
        """The pairs whose keys begin with a prefix, in order."""
        return [self._pairs[key] for key in self.keys(prefix)]

    def keys(self, prefix: str) -> list[str]:
        """The keys that begin with a prefix, in order."""
        start = end = bisect_left(self._keys, prefix)
        while end < len(self._keys) and self._keys[end].startswith(prefix):
            end += 1
        return self._keys[start:end]

    def held_by(self, session: str) -> list[str]:
        """The keys that a session has locked, in order."""
        return sorted(self._held.get(session, ()))

    def is_delayed(self, key: str, now: float) -> bool:
        """Whether the delay after the end of a session that held the key is not over at `now`."""
        return self._delays.get(key, 0.0) > now

    def index_of(self, key: str) -> int:
        """The index of a key; of one that is not there, that of the table."""
        pair = self._pairs.get(key)
        return self._last if pair is None else pair.stamp.modified

    def index_below(self, prefix: str) -> int:
        """The index of a prefix."""
        changed = max((pair.stamp.modified for pair in self.below(prefix)), default=0)
        removed = max((at for key, at in self._graves.items() if key.startswith(prefix)), default=0)
        return max(changed, removed, self._forgotten if changed else 0) or self._last

    # Writes

    def set(self, write: Write, key: str, value: bytes, flags: int) -> None:
        """Write a value. Whoever holds the key's lock keeps it."""
        old = self._pairs.get(key)
        self._change(write, Pair(key, value, flags, session=old.session if old else ""))

    def set_if(self, write: Write, key: str, value: bytes, flags: int, index: int) -> bool:
        """Write a value if the key was last changed at `index` or, with 0, is not there. Returns whether it was."""
        if not self._is_at(key, index):
            return False
        self.set(write, key, value, flags)
        return True

    def lock(self, write: Write, wanted: Pair, now: float) -> bool:
        """Write `wanted` and take the lock for its session, unless another holds it or the delay after the end of one
        that held it is not over at `now`. Taking it again counts as one. Returns whether it is held."""
        old = self._pairs.get(wanted.key)
        if old is not None and old.session == wanted.session:
            self._change(write, replace(wanted, lock_index=old.lock_index))
            return True
        if (old is not None and old.session) or self.is_delayed(wanted.key, now):
            return False
        self._delays.pop(wanted.key, None)
        self._change(write, replace(wanted, lock_index=(old.lock_index if old else 0) + 1))
        return True

    def unlock(self, write: Write, wanted: Pair) -> bool:
        """Write `wanted` and give back the lock that its session holds. Returns whether it did hold it."""
        old = self._pairs.get(wanted.key)
        if old is None or not old.session or old.session != wanted.session:
            return False
        self._change(write, replace(wanted, session="", lock_index=old.lock_index))
        return True

    def delete(self, write: Write, key: str) -> None:
        """Remove a key, if it is there."""
        if key in self._pairs:
            write.put(self, key, None)
            _concern(write, key)

    def delete_if(self, write: Write, key: str, index: int) -> bool:
        """Remove a key if it was last changed at `index`. Returns whether it is not there afterwards."""
        if key in self._pairs and not self._is_at(key, index):
            return False
        self.delete(write, key)
        return True

    def delete_below(self, write: Write, prefix: str) -> None:
        """Remove all keys that begin with a prefix."""
        for key in self.keys(prefix):
            self.delete(write, key)

    def release_all(self, write: Write, session: str, *, delete: bool, until: float) -> None:
        """A session is over: remove the keys that it held, or let them go. Nobody can lock them before `until`."""
        for key in self.held_by(session):
            self._delays[key] = until
            if delete:
                self.delete(write, key)
            else:
                self._change(write, replace(self._pairs[key], session=""))

    def forget_delays(self, now: float) -> None:
        """Drop what is over at `now`."""
        self._delays = {key: until for key, until in self._delays.items() if until > now}

    def _is_at(self, key: str, index: int) -> bool:
        pair = self._pairs.get(key)
        return pair is None if index == 0 else pair is not None and pair.stamp.modified == index

    def _change(self, write: Write, pair: Pair) -> None:
        old = self._pairs.get(pair.key)
        if old == pair:
            return
        created = old.stamp.created if old else write.index
        write.put(self, pair.key, replace(pair, stamp=Stamp(created, write.index)))
        _concern(write, pair.key)

    # As a table

    def rows(self) -> Iterable[tuple[str, Pair]]:
        return self._pairs.items()

    def place(self, key: str, pair: Pair | None) -> Pair | None:
        before = self._pairs.get(key)
        if before is not None and before.session:
            self._let_go(before)
        if pair is not None:
            self._keep(pair, new=before is None)
        elif before is not None:
            del self._pairs[key]
            del self._keys[bisect_left(self._keys, key)]
        return before

    def _keep(self, pair: Pair, *, new: bool) -> None:
        if new:
            insort(self._keys, pair.key)
        self._pairs[pair.key] = pair
        if pair.session:
            self._held.setdefault(pair.session, set()).add(pair.key)

    def _let_go(self, pair: Pair) -> None:
        held = self._held[pair.session]
        held.discard(pair.key)
        if not held:
            del self._held[pair.session]

    def _conclude(self, write: Write) -> None:
        self._last = write.index
        if write.everything:
            self._forgotten = write.index
            self._graves.clear()
            return
        for table, key, before, _ in write.changes:
            if table is self and before is not None and key not in self._pairs:
                self._bury(key)

    def _bury(self, key: str) -> None:
        self._graves.pop(key, None)
        self._graves[key] = self._last
        if len(self._graves) > _MOST_GRAVES:
            self._forgotten = self._graves.pop(next(iter(self._graves)))


def _concern(write: Write, key: str) -> None:
    write.topics.add(pair_at(key))
    write.topics.update(pairs_below(key[:length]) for length in range(len(key) + 1))


def grouped(keys: Iterable[str], prefix: str, separator: str) -> list[str]:
    """Keys below a prefix up to the first separator behind it, each group once."""
    if not separator:
        return list(keys)
    found: Mapping[str, None] = dict.fromkeys(_group(key, len(prefix), separator) for key in keys)
    return list(found)


def _group(key: str, start: int, separator: str) -> str:
    at = key.find(separator, start)
    return key if at < 0 else key[: at + len(separator)]
