from __future__ import annotations

import pytest

from muster.cli.call import parse
from muster.cli.misuse import Misuse


@pytest.mark.parametrize(("text", "value"), [("{}", {}), ('{"a": [1, null]}', {"a": [1, None]}), (" 1 ", 1)])
def test_json_is_read(text: str, value: object) -> None:
    assert parse(text) == value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"name": "x" "y"}', 'line 1, column 14: {"name": "x" ⟨here⟩"y"}'),
        ('{\n "a": }', "line 2, column 7"),
        ("", "line 1, column 1"),
        ("{'a': 1}", "double quotes at line 1, column 2"),
        ('{"a": NaN}', "NaN is no number"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_what_is_no_json_is_shown_where_it_stops_being_it(text: str, message: str) -> None:
    with pytest.raises(Misuse) as caught:
        parse(text)
    assert message in str(caught.value)
