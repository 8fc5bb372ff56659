"""The filter language, in the order in which Consul's own parser tries things: its error texts depend on that."""

from __future__ import annotations

import re
import string
from collections.abc import Callable
from typing import Any

from muster.agent.filter.expression import And, BadFilter, Expression, Match, Not, Operator, Or
from muster.agent.filter.peg import (
    Parse,
    Parser,
    any_character,
    becomes,
    choice,
    error,
    failure,
    followed_by,
    literal,
    many,
    one_of,
    optional,
    rule,
    sequence,
    text_of,
    unless,
)


def parse_filter(text: str) -> Expression:
    """The expression in a text. Raises BadFilter."""
    parse = Parse(text)
    try:
        taken = _input(parse, 0)
    except RecursionError:
        raise BadFilter("the expression is nested too deeply") from None
    if taken is None or parse.errors:
        raise BadFilter(failure(parse))
    found: Expression = taken[1]
    return found


def _value_at(index: int) -> Callable[[list[Any]], Any]:
    return lambda values: values[index]


def _word_operator(operator: Operator, *words: str, open_end: bool = True) -> Parser:
    """Words with blanks before, between and, unless nothing may follow, behind them."""
    parts = [part for word in words for part in (_blanks, literal(word))]
    return becomes(sequence(*parts, *([_blanks] if open_end else [])), lambda _: operator)


def _sign_operator(operator: Operator, sign: str) -> Parser:
    return becomes(sequence(_gap, literal(sign), _gap), lambda _: operator)


_blanks = rule("whitespace", lambda: many(one_of(" \t\r\n", r"[ \t\r\n]"), least=1))
_gap = optional(_blanks)
_end = rule("EOF", lambda: unless(any_character))

_before_value = choice(
    _sign_operator(Operator.EQUAL, "=="),
    _sign_operator(Operator.NOT_EQUAL, "!="),
    _word_operator(Operator.IN, "contains"),
    _word_operator(Operator.NOT_IN, "not", "contains"),
    _word_operator(Operator.MATCHES, "matches"),
    _word_operator(Operator.NOT_MATCHES, "not", "matches"),
)
_alone = choice(
    _word_operator(Operator.IS_EMPTY, "is", "empty", open_end=False),
    _word_operator(Operator.IS_NOT_EMPTY, "is", "not", "empty", open_end=False),
)
_before_selector = choice(_word_operator(Operator.IN, "in"), _word_operator(Operator.NOT_IN, "not", "in"))

# Strings

_ESCAPES = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "\\": "\\", '"': '"'}
_ESCAPE = re.compile(
    r"\\(?:(?P<letter>[abfnrtv\\\"])|(?P<octal>[0-3][0-7]{2})|x(?P<byte>[0-9a-fA-F]{2})"
    r"|u(?P<short>[0-9a-fA-F]{4})|U(?P<long>[0-9a-fA-F]{8}))|(?P<bad>\\|\n)"
)


def _unquoted(quoted: str) -> str:
    """What a Go string literal stands for. Raises ValueError with Go's text."""
    inner = quoted[1:-1]
    if quoted[0] == "`":
        return inner.replace("\r", "")
    return _ESCAPE.sub(_escaped, inner).encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _escaped(match: re.Match[str]) -> str:
    if match["letter"]:
        return _ESCAPES[match["letter"]]
    if match["octal"] or match["byte"]:
        byte = int(match["octal"], 8) if match["octal"] else int(match["byte"], 16)
        return bytes([byte]).decode("utf-8", "surrogateescape")
    code = int(match["short"] or match["long"] or "110000", 16)
    if match["bad"] or code > 0x10FFFF or 0xD800 <= code < 0xE000:
        raise ValueError("invalid syntax")
    return chr(code)


def _inside(quote: str) -> Parser:
    return many(sequence(unless(literal(quote)), any_character))


def _string_rule() -> Parser:
    raw, double = (sequence(literal(quote), _inside(quote)) for quote in ("`", '"'))
    whole = choice(sequence(raw, literal("`")), sequence(double, literal('"')))
    return choice(
        becomes(text_of(whole), _unquoted),
        sequence(choice(raw, double), _end, error("Unterminated string literal")),
    )


_string = rule("string", _string_rule)

# Numbers

_digit = one_of(string.digits, "[0-9]")
_number_body = sequence(
    choice(literal("0"), sequence(one_of("123456789", "[1-9]"), many(_digit))),
    optional(sequence(literal("."), many(_digit, least=1))),
)
_signed = sequence(optional(literal("-")), _number_body)
_after_number = followed_by(choice(_blanks, _end, literal(")")))
_number = rule(
    "number",
    lambda: choice(
        text_of(sequence(_signed, _after_number)),
        sequence(_signed, unless(_after_number), error("Invalid number literal")),
    ),
)

# Selectors and values

_identifier = text_of(
    sequence(
        one_of(string.ascii_letters, "[a-zA-Z]"),
        many(one_of(string.ascii_letters + string.digits + "_", "[a-zA-Z0-9_]")),
    )
)
_index = rule(
    "index",
    lambda: choice(
        becomes(sequence(literal("["), _gap, _string, _gap, literal("]")), _value_at(2)),
        sequence(literal("["), _gap, unless(_string), error("Invalid index")),
        sequence(literal("["), _gap, _string, _gap, unless(literal("]")), error("Unclosed index expression")),
    ),
)
_selector = rule(
    "selector",
    lambda: becomes(
        sequence(_identifier, many(choice(becomes(sequence(literal("."), _identifier), _value_at(1)), _index))),
        lambda found: (found[0], *found[1]),
    ),
)
_value = rule("value", lambda: choice(becomes(_selector, ".".join), _number, _string))

# Expressions

_match: Parser = rule(
    "match",
    lambda: choice(
        becomes(sequence(_selector, _before_value, _value), lambda found: Match(*found)),
        becomes(sequence(_selector, _alone), lambda found: Match(*found)),
        becomes(sequence(_value, _before_selector, _selector), lambda found: Match(found[2], found[1], found[0])),
        sequence(_value, _before_selector, unless(_selector), error("Invalid selector")),
    ),
)
_group: Parser = rule(
    "grouping",
    lambda: choice(
        becomes(sequence(literal("("), _gap, _or, _gap, literal(")")), _value_at(2)),
        _match,
        sequence(literal("("), _gap, _or, _gap, unless(literal(")")), error("Unmatched parentheses")),
    ),
)


def _negation(found: list[Any]) -> Expression:
    return found[2].operand if isinstance(found[2], Not) else Not(found[2])


_not: Parser = rule(
    "NotExpression", lambda: choice(becomes(sequence(literal("not"), _blanks, _not), _negation), _group)
)
_and: Parser = rule(
    "AndExpression",
    lambda: choice(
        becomes(sequence(_not, _blanks, literal("and"), _blanks, _and), lambda found: And(found[0], found[4])), _not
    ),
)
_or: Parser = rule(
    "OrExpression",
    lambda: choice(
        becomes(sequence(_and, _blanks, literal("or"), _blanks, _or), lambda found: Or(found[0], found[4])), _and
    ),
)
_input = rule(
    "Input",
    lambda: choice(
        becomes(sequence(_gap, literal("("), _gap, _or, _gap, literal(")"), _gap, _end), _value_at(3)),
        becomes(sequence(_gap, _or, _gap, _end), _value_at(1)),
    ),
)
