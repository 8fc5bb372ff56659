from __future__ import annotations

import pytest

from muster.cli.output import complain, plain, print_table


@pytest.mark.parametrize(
    ("text", "shown"),
    [("greeter", "greeter"), ("grüße", "grüße"), ("\x1b[31mred\x07", r"\x1b[31mred\x07"), ("a\tb\nc", "a\\tb\nc")],
)
def test_what_strangers_wrote_does_not_command_the_terminal(text: str, shown: str) -> None:
    assert plain(text) == shown


def test_an_error_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    complain("first\n  second")
    assert capsys.readouterr().err == "error: first second\n"


def test_on_a_pipe_every_row_is_one_whole_line(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("service", "tags"), [("a" * 300, "[bold]x[/bold]"), ("b", "")])
    header, first, second = capsys.readouterr().out.splitlines()
    assert header.split() == ["service", "tags"]
    assert first.split() == ["a" * 300, "[bold]x[/bold]"]
    assert second.split() == ["b"]
