"""The texts of failures are Consul 1.8.7's; tests/conformance/test_filters.py compares more with the real one."""

from __future__ import annotations

import pytest

from muster.agent.filter import BadFilter
from muster.agent.filter.expression import And, Match, Not, Operator, Or
from muster.agent.filter.grammar import parse_filter

A, B, C = (Match((name,), Operator.EQUAL, "1") for name in "ABC")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A==1", A),
        ("  A  ==  1  ", A),
        ("(A == 1)", A),
        ("A == 1 or B == 1 and C == 1", Or(A, And(B, C))),
        ("(A == 1 or B == 1) and C == 1", And(Or(A, B), C)),
        ("not A == 1", Not(A)),
        ("not not A == 1", A),
        ('A.b["c d"].e != "x y"', Match(("A", "b", "c d", "e"), Operator.NOT_EQUAL, "x y")),
        ("A == b.c", Match(("A",), Operator.EQUAL, "b.c")),
        ("A == -1.5", Match(("A",), Operator.EQUAL, "-1.5")),
        ("A == `raw \\n`", Match(("A",), Operator.EQUAL, "raw \\n")),
        (r'A == "\t\x41é\101\\"', Match(("A",), Operator.EQUAL, "\tAéA\\")),
        ("x in A", Match(("A",), Operator.IN, "x")),
        ('"x" not in A', Match(("A",), Operator.NOT_IN, "x")),
        ("A contains x", Match(("A",), Operator.IN, "x")),
        ("A not contains x", Match(("A",), Operator.NOT_IN, "x")),
        ("A is empty", Match(("A",), Operator.IS_EMPTY)),
        ("A is not empty", Match(("A",), Operator.IS_NOT_EMPTY)),
        ("A matches x", Match(("A",), Operator.MATCHES, "x")),
        ("A not matches x", Match(("A",), Operator.NOT_MATCHES, "x")),
    ],
)
def test_what_a_text_means(text: str, expected: object) -> None:
    assert parse_filter(text) == expected


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("A", '1:2 (1): no match found, expected: "!=", ".", "==", "[", [ \\t\\r\\n] or [a-zA-Z0-9_]'),
        ("A==a x", '1:6 (5): no match found, expected: "and", "or", [ \\t\\r\\n] or EOF'),
        ("A == a or", "1:10 (9): no match found, expected: [ \\t\\r\\n]"),
        ("(A == a", '1:8 (7): rule "grouping": Unmatched parentheses'),
        ('"a" in 3', '1:8 (7): rule "match": Invalid selector'),
        ("A[b]", '1:3 (2): rule "index": Invalid index'),
        ('A["b" == c', '1:7 (6): rule "index": Unclosed index expression'),
        ('A == "b', '1:8 (7): rule "string": Unterminated string literal'),
        ('A == "\\q"', '1:6 (5): rule "string": invalid syntax'),
        ("1x in A", '1:2 (1): rule "number": Invalid number literal'),
        ('A["b', '1:5 (4): rule "string": Unterminated string literal\n1:3 (2): rule "index": Invalid index'),
    ],
)
def test_what_is_no_filter(text: str, why: str) -> None:
    with pytest.raises(BadFilter) as error:
        parse_filter(text)
    assert str(error.value) == why


def test_depth_costs_neither_time_nor_the_stack() -> None:
    assert parse_filter("(" * 20 + "A == 1" + ")" * 20) == A
    with pytest.raises(BadFilter, match="too deeply"):
        parse_filter("(" * 5000 + "A == 1" + ")" * 5000)
