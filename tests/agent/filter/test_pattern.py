"""Regular expressions: Go's, in linear time."""

from __future__ import annotations

import subprocess
import sys

import pytest

from muster.agent.filter.pattern import compile_pattern


def test_a_pattern_that_is_made_to_be_slow_is_not() -> None:
    assert compile_pattern("^(a+)+$").search("a" * 100_000 + "b") is None


@pytest.mark.parametrize("pattern", [r"(?=a)", r"(a)\1", "(?<!x)y"])
def test_what_go_does_not_take(pattern: str) -> None:
    with pytest.raises(ValueError, match="error parsing regexp: "):
        compile_pattern(pattern)


def test_what_python_does_not_take_but_go_does() -> None:
    assert compile_pattern(r"^\pL+\z").search("grüße") is not None


def test_without_the_extra_the_error_names_it() -> None:
    program = (
        "import sys; sys.modules['re2'] = None\n"
        "from muster.agent.filter.pattern import compile_pattern\n"
        "try:\n    compile_pattern('a')\nexcept ValueError as error:\n    print(error)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "pip install 'muster-discovery[agent]'" in done.stdout
