"""Parsing expressions: ordered choice, lookahead, unlimited backtracking; after a failure, what would have gone on.

A parser is a function of the state of a parse and a position, and returns the position behind what it took with the
value of that, or None. Rules remember their results, so time grows with the length of the text and not, as without,
exponentially with the depth of its parentheses.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

Taken = tuple[int, Any] | None


@dataclass(slots=True)
class Parse:
    """One parse of `text`: results so far, the furthest failure, and errors that the grammar itself reports."""

    text: str
    memory: dict[tuple[int, int, bool], Taken] = field(default_factory=dict[tuple[int, int, bool], Taken])
    furthest: int = 0
    expected: set[str] = field(default_factory=set[str])
    negated: bool = False
    rules: list[str] = field(default_factory=list[str])
    errors: dict[str, None] = field(default_factory=dict[str, None])

    def note(self, taken: bool, at: int, wanted: str) -> None:
        """Remember what was tried at the furthest place: failures, and under a `!` the successes."""
        if taken is not self.negated or at < self.furthest:
            return
        if at > self.furthest:
            self.furthest = at
            self.expected.clear()
        self.expected.add(f"!{wanted}" if self.negated else wanted)

    def report(self, at: int, why: str) -> None:
        """An error at a place, in the rule that is being tried."""
        rule = f': rule "{self.rules[-1]}"' if self.rules else ""
        self.errors[f"{place(self.text, at)}{rule}: {why}"] = None


Parser = Callable[[Parse, int], Taken]


def failure(parse: Parse) -> str:
    """Why the parse failed."""
    if parse.errors:
        return "\n".join(parse.errors)
    wanted = sorted(parse.expected - {"!."}, key=str.encode)
    if "!." in parse.expected:
        wanted.append("EOF")
    listed = " or ".join(filter(None, (", ".join(wanted[:-1]), "".join(wanted[-1:]))))
    return f"{place(parse.text, parse.furthest)}: no match found, expected: {listed}"


def place(text: str, at: int) -> str:
    """`line:column (offset)`: lines and columns from 1, the offset in bytes; a line's end is column 0 of the next."""
    before = text[: at + 1]
    line = before.count("\n")
    column = at - before.rfind("\n") if line else at + 1
    return f"{line + 1}:{column} ({len(text[:at].encode())})"


def literal(wanted: str) -> Parser:
    shown = '"' + wanted.replace("\\", "\\\\").replace('"', '\\"') + '"'

    def take(parse: Parse, at: int) -> Taken:
        taken = parse.text.startswith(wanted, at)
        parse.note(taken, at, shown)
        return (at + len(wanted), wanted) if taken else None

    return take


def one_of(characters: str, shown: str) -> Parser:
    """One character of a set, which errors call `shown`."""

    def take(parse: Parse, at: int) -> Taken:
        taken = at < len(parse.text) and parse.text[at] in characters
        parse.note(taken, at, shown)
        return (at + 1, parse.text[at]) if taken else None

    return take


def any_character(parse: Parse, at: int) -> Taken:
    taken = at < len(parse.text)
    parse.note(taken, at, ".")
    return (at + 1, parse.text[at]) if taken else None


def sequence(*parts: Parser) -> Parser:
    """All, one behind the other; a list of their values."""

    def take(parse: Parse, at: int) -> Taken:
        values: list[Any] = []
        for part in parts:
            taken = part(parse, at)
            if taken is None:
                return None
            at = taken[0]
            values.append(taken[1])
        return at, values

    return take


def choice(*parts: Parser) -> Parser:
    """The first that fits."""

    def take(parse: Parse, at: int) -> Taken:
        for part in parts:
            taken = part(parse, at)
            if taken is not None:
                return taken
        return None

    return take


def optional(part: Parser) -> Parser:
    return lambda parse, at: part(parse, at) or (at, None)


def many(part: Parser, least: int = 0) -> Parser:
    """As many as there are; a list of their values."""

    def take(parse: Parse, at: int) -> Taken:
        values: list[Any] = []
        while (taken := part(parse, at)) is not None:
            at = taken[0]
            values.append(taken[1])
        return (at, values) if len(values) >= least else None

    return take


def followed_by(part: Parser) -> Parser:
    """Takes nothing; fits where `part` would."""
    return lambda parse, at: None if part(parse, at) is None else (at, None)


def unless(part: Parser) -> Parser:
    """Takes nothing; fits where `part` would not."""

    def take(parse: Parse, at: int) -> Taken:
        parse.negated = not parse.negated
        taken = part(parse, at)
        parse.negated = not parse.negated
        return (at, None) if taken is None else None

    return take


def error(why: str) -> Parser:
    """Never fits, and makes the whole parse fail, with this reason."""

    def take(parse: Parse, at: int) -> Taken:
        parse.report(at, why)
        return None

    return take


def becomes(part: Parser, make: Callable[[Any], Any]) -> Parser:
    """The same text with another value. A ValueError of `make` makes the whole parse fail, with its text."""

    def take(parse: Parse, at: int) -> Taken:
        taken = part(parse, at)
        if taken is None:
            return None
        try:
            return taken[0], make(taken[1])
        except ValueError as wrong:
            parse.report(at, str(wrong))
            return taken

    return take


def text_of(part: Parser) -> Parser:
    """The same text, with itself as its value."""

    def take(parse: Parse, at: int) -> Taken:
        taken = part(parse, at)
        return None if taken is None else (taken[0], parse.text[at : taken[0]])

    return take


def rule(name: str, part: Callable[[], Parser]) -> Parser:
    """A part that has a name in errors and remembers its results; made late, so that rules may be recursive."""
    made: list[Parser] = []

    def take(parse: Parse, at: int) -> Taken:
        key = (id(take), at, parse.negated)
        if key not in parse.memory:
            if not made:
                made.append(part())
            parse.rules.append(name)
            parse.memory[key] = made[0](parse, at)
            parse.rules.pop()
        return parse.memory[key]

    return take
