"""An expression checked against a schema and compiled to a function."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from muster.agent.filter.expression import And, BadFilter, Expression, Match, Not, Operator
from muster.agent.filter.grammar import parse_filter
from muster.agent.filter.pattern import compile_pattern
from muster.agent.filter.schema import ANY_KEY, OPERATORS, Kind, Schema

Matches = Callable[[Mapping[str, Any]], bool]
"""Whether an element of an answer, as the map that its JSON stands for, is wanted."""

_Test = Callable[[Any], bool]

_NEGATIONS = {
    Operator.NOT_EQUAL: Operator.EQUAL,
    Operator.NOT_IN: Operator.IN,
    Operator.IS_NOT_EMPTY: Operator.IS_EMPTY,
    Operator.NOT_MATCHES: Operator.MATCHES,
}
_FALSE_WITHOUT_KEY = frozenset({Operator.EQUAL, Operator.IN, Operator.IS_NOT_EMPTY})
"""What does not hold where a map lacks the key. All others do, `matches` too: so it is in Consul."""

_NOTHING: Mapping[Kind, Any] = {Kind.TEXT: "", Kind.NUMBER: 0, Kind.FLAG: False, Kind.TEXTS: (), Kind.LIST: ()}


@lru_cache(maxsize=512)
def parsed(text: str) -> Expression:
    """The expression in a text. Raises BadFilter."""
    return parse_filter(text)


def compile_filter(text: str, schema: Schema) -> Matches:
    """The filter that `text` is for elements of `schema`. Raises BadFilter."""
    return compiled(parsed(text), schema)


def compiled(expression: Expression, schema: Schema) -> Matches:
    """The filter that `expression` is for elements of `schema`. Raises BadFilter."""
    if isinstance(expression, Match):
        return _match(expression, schema)
    if isinstance(expression, Not):
        operand = compiled(expression.operand, schema)
        return lambda element: not operand(element)
    left, right = compiled(expression.left, schema), compiled(expression.right, schema)
    if isinstance(expression, And):
        return lambda element: left(element) and right(element)
    return lambda element: left(element) or right(element)


def _match(match: Match, schema: Schema) -> Matches:
    path = _path(match, schema)
    target = path[-1]
    if match.operator not in OPERATORS[target.kind]:
        raise BadFilter(f'Invalid match operator "{match.operator.value}" for selector {_shown(match.selector)}')
    test = _test(match, target)
    for key, container in reversed(list(zip(match.selector, (schema, *path), strict=False))):
        test = _below(key, container, test, match.operator)
    return test


def _path(match: Match, schema: Schema) -> list[Schema]:
    """The schemas along a selector."""
    path: list[Schema] = []
    for depth, key in enumerate(match.selector, 1):
        found = schema.fields.get(key) if ANY_KEY not in schema.fields else schema.fields[ANY_KEY]
        if found is None:
            raise BadFilter(f"Selector {_shown(match.selector[:depth])} is not valid")
        schema = found
        path.append(schema)
    return path


def _shown(selector: tuple[str, ...]) -> str:
    return '"' + ".".join(selector) + '"'


def _below(key: str, container: Schema, test: _Test, operator: Operator) -> _Test:
    """The same test, of what `key` leads to in a container; of a list it is enough that one element passes."""
    if container.kind is Kind.MAP:
        without = operator not in _FALSE_WITHOUT_KEY
        return lambda value: test(value[key]) if value and key in value else without
    nothing = _NOTHING.get(container.fields[key].kind)
    if container.kind is Kind.LIST:
        return lambda value: any(test(element.get(key, nothing)) for element in value or ())
    return lambda value: test((value or {}).get(key, nothing))


def _test(match: Match, target: Schema) -> _Test:
    positive = _NEGATIONS.get(match.operator)
    if positive is not None:
        test = _test(Match(match.selector, positive, match.value), target)
        return lambda value: not test(value)
    if match.operator is Operator.IS_EMPTY:
        return lambda value: not value
    assert match.value is not None, "the grammar gives these operators a value"
    wanted = _coerced(match.value, match.selector, target.kind)
    if match.operator is Operator.EQUAL:
        return lambda value: bool(value == wanted)
    if match.operator is Operator.IN:
        return lambda value: wanted in (value or ())
    return _search(match.value)


def _coerced(text: str, selector: tuple[str, ...], kind: Kind) -> Any:
    try:
        return _go_int(text) if kind is Kind.NUMBER else _go_bool(text) if kind is Kind.FLAG else text
    except ValueError as error:
        raise BadFilter(f'Failed to coerce value "{text}" for selector {_shown(selector)}: {error}') from None


_GO_INT = re.compile(r"[+-]?(0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO]?[0-7]+|0|[1-9][0-9]*)")


def _go_int(text: str) -> int:
    """An integer as Go's strconv.ParseInt reads it with base 0: 0x, 0b, 0o, and octal after a bare 0."""
    bare = re.sub(r"(?<=[0-9a-fA-FxXoObB])_(?=[0-9a-fA-F])", "", text) if text.lstrip("+-").startswith("0") else text
    if not _GO_INT.fullmatch(bare):
        raise ValueError(f'strconv.ParseInt: parsing "{text}": invalid syntax')
    octal = re.fullmatch(r"([+-]?)0([0-7]+)", bare)
    number = int(f"{octal[1]}0o{octal[2]}" if octal else bare, 0)
    if not -(2**63) <= number < 2**63:
        raise ValueError(f'strconv.ParseInt: parsing "{text}": value out of range')
    return number


def _go_bool(text: str) -> bool:
    if text in ("1", "t", "T", "TRUE", "true", "True"):
        return True
    if text in ("0", "f", "F", "FALSE", "false", "False"):
        return False
    raise ValueError(f'strconv.ParseBool: parsing "{text}": invalid syntax')


def _search(pattern: str) -> _Test:
    """Whether a regular expression is found anywhere in a text."""
    try:
        found = compile_pattern(pattern).search
    except ValueError as error:
        raise BadFilter(f'Failed to compile regular expression "{pattern}": {error}') from None
    return lambda value: found(value) is not None
