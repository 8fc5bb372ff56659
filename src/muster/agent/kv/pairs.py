"""The table of keys, by Consul's rules (https://developer.hashicorp.com/consul/api-docs/kv).

A key has the index of its last change; a prefix has the highest of the keys below it, those removed included; where
nothing is below it, that of the table. A write of what is there already changes nothing.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from muster.agent.catalog.rows import NO_STAMP, Stamp
from muster.agent.catalog.sequence import Sequence
from muster.agent.catalog.topics import Topic

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


@dataclass(slots=True)
class PairWrite:
    """Changes under way at one index: the topics concerned, and what was there before, to take them back."""

    index: int
    topics: set[Topic] = field(default_factory=set[Topic])
    before: dict[str, Pair | None] = field(default_factory=dict[str, Pair | None])


def pair_at(key: str) -> Topic:
    """One key."""
    return ("kv", key)


def pairs_below(prefix: str) -> Topic:
    """All keys that begin with a prefix."""
    return ("kv below", prefix)


class Pairs:
    """Keys in byte order. Synchronous; one write at a time, between `begin` and `commit` or `take_back`."""

    def __init__(self, sequence: Sequence) -> None:
        self._sequence = sequence
        self._pairs: dict[str, Pair] = {}
        self._keys: list[str] = []
        self._held: dict[str, set[str]] = {}
        self._graves: dict[str, int] = {}
        self._forgotten = 0
        self._last = 1
        self._delays: dict[str, float] = {}

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

    def begin(self) -> PairWrite:
        return PairWrite(self._sequence.last + 1)

    def commit(self, write: PairWrite) -> frozenset[Topic]:
        """Make the changes last. Returns the topics concerned: none if nothing changed."""
        if write.topics:
            self._sequence.last = self._last = write.index
            self._bury(key for key, pair in write.before.items() if pair and key not in self._pairs)
        return frozenset(write.topics)

    def take_back(self, write: PairWrite) -> None:
        """Undo the changes."""
        for key, pair in write.before.items():
            self._store(key, pair)

    def set(self, write: PairWrite, key: str, value: bytes, flags: int) -> None:
        """Write a value. Whoever holds the key's lock keeps it."""
        old = self._pairs.get(key)
        self._change(write, Pair(key, value, flags, session=old.session if old else ""))

    def set_if(self, write: PairWrite, key: str, value: bytes, flags: int, index: int) -> bool:
        """Write a value if the key was last changed at `index` or, with 0, is not there. Returns whether it was."""
        if not self._is_at(key, index):
            return False
        self.set(write, key, value, flags)
        return True

    def lock(self, write: PairWrite, wanted: Pair, now: float) -> bool:
        """Write `wanted` and take the lock for its session, unless another holds it or the delay after the end of one
        that held it is not over at `now`. Taking it again counts as one. Returns whether it is held."""
        old = self._pairs.get(wanted.key)
        if old is not None and old.session == wanted.session:
            self._change(write, replace(wanted, lock_index=old.lock_index))
            return True
        if (old is not None and old.session) or self._delays.get(wanted.key, 0.0) > now:
            return False
        self._delays.pop(wanted.key, None)
        self._change(write, replace(wanted, lock_index=(old.lock_index if old else 0) + 1))
        return True

    def unlock(self, write: PairWrite, wanted: Pair) -> bool:
        """Write `wanted` and give back the lock that its session holds. Returns whether it did hold it."""
        old = self._pairs.get(wanted.key)
        if old is None or not old.session or old.session != wanted.session:
            return False
        self._change(write, replace(wanted, session="", lock_index=old.lock_index))
        return True

    def delete(self, write: PairWrite, key: str) -> None:
        """Remove a key, if it is there."""
        old = self._pairs.get(key)
        if old is not None:
            self._note(write, key, old)
            self._store(key, None)

    def delete_if(self, write: PairWrite, key: str, index: int) -> bool:
        """Remove a key if it was last changed at `index`. Returns whether it is not there afterwards."""
        if key in self._pairs and not self._is_at(key, index):
            return False
        self.delete(write, key)
        return True

    def delete_below(self, write: PairWrite, prefix: str) -> None:
        """Remove all keys that begin with a prefix."""
        for key in self.keys(prefix):
            self.delete(write, key)

    def release_all(self, write: PairWrite, session: str, *, delete: bool, until: float) -> None:
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

    def _change(self, write: PairWrite, pair: Pair) -> None:
        old = self._pairs.get(pair.key)
        if old == pair:
            return
        self._note(write, pair.key, old)
        created = old.stamp.created if old else write.index
        self._store(pair.key, replace(pair, stamp=Stamp(created, write.index)))

    def _note(self, write: PairWrite, key: str, old: Pair | None) -> None:
        write.before.setdefault(key, old)
        write.topics.add(pair_at(key))
        write.topics.update(pairs_below(key[:length]) for length in range(len(key) + 1))

    def _store(self, key: str, pair: Pair | None) -> None:
        old = self._pairs.get(key)
        if old is not None and old.session:
            self._let_go(old)
        if pair is None:
            if self._pairs.pop(key, None) is not None:
                del self._keys[bisect_left(self._keys, key)]
            return
        if old is None:
            insort(self._keys, key)
        self._pairs[key] = pair
        if pair.session:
            self._held.setdefault(pair.session, set()).add(key)

    def _let_go(self, pair: Pair) -> None:
        held = self._held[pair.session]
        held.discard(pair.key)
        if not held:
            del self._held[pair.session]

    def _bury(self, keys: Iterable[str]) -> None:
        for key in keys:
            self._graves.pop(key, None)
            self._graves[key] = self._last
        while len(self._graves) > _MOST_GRAVES:
            self._forgotten = self._graves.pop(next(iter(self._graves)))


def grouped(keys: Iterable[str], prefix: str, separator: str) -> list[str]:
    """Keys below a prefix up to the first separator behind it, each group once."""
    if not separator:
        return list(keys)
    found: Mapping[str, None] = dict.fromkeys(_group(key, len(prefix), separator) for key in keys)
    return list(found)


def _group(key: str, start: int, separator: str) -> str:
    at = key.find(separator, start)
    return key if at < 0 else key[: at + len(separator)]
